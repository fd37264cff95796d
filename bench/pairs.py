"""Pairs of reference and hypothesis from two files, refused where they do not pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError


@dataclass(frozen=True, slots=True)
class Pairs:
    """References and hypotheses in one order; `ids` are line numbers for plain text."""

    ids: Sequence[str]
    references: Sequence[str]
    hypotheses: Sequence[str]


def read_pairs(reference: Path, hypothesis: Path) -> Pairs:
    """Read two text files or two JSON-lines files.

    Raises UsageError, naming the first mismatch, where numbers of lines or ids differ: nothing is
    ever cut to the shorter file.
    """
    left, right = read_texts(reference), read_texts(hypothesis)
    if set(left) != set(right) or len(left) != len(right):
        raise UsageError(_mismatch(reference, left, hypothesis, right))
    if not left:
        raise UsageError(f"{reference}: no utterances in it")
    ids = sorted(left)
    return Pairs(ids, [left[i] for i in ids], [right[i] for i in ids])


def read_texts(path: Path) -> dict[str, str]:
    """Texts by id; in plain text the id is the line's number. Raises UsageError, with the line.

    A byte order mark and the line ends of Windows are no part of a text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 (byte {error.start})") from error
    if lines and not lines[-1]:
        lines.pop()
    if path.suffix in (".jsonl", ".json"):
        return _by_id(path, lines)
    width = len(str(len(lines)))
    return {f"{n:0{width}}": line.rstrip("\r") for n, line in enumerate(lines, 1)}


def _by_id(path: Path, lines: Sequence[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, text = str(row["id"]), row["text"]
        except ValueError as error:
            raise UsageError(f"{path}:{n}: not JSON ({error})") from error
        except (KeyError, TypeError) as error:
            raise UsageError(f'{path}:{n}: needs "id" and "text"') from error
        if not isinstance(text, str):
            raise UsageError(f'{path}:{n}: "text" is {type(text).__name__}, not a text')
        if name in texts:
            raise UsageError(f'{path}:{n}: the id "{name}" is there twice')
        texts[name] = text
    return texts


def _mismatch(a: Path, left: dict[str, str], b: Path, right: dict[str, str]) -> str:
    counts = f"{a} has {len(left)} utterances, {b} has {len(right)}"
    missing = next((i for i in left if i not in right), None)
    if missing is not None:
        return f'{counts}; the first without a match is "{missing}", which {b} lacks'
    extra = next(i for i in right if i not in left)
    return f'{counts}; the first without a match is "{extra}", which {a} lacks'
