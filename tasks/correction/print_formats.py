"""Post-OCR files: HIPE-OCRepair JSON lines, ICDAR aligned text, and N-best files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ...bench.local import objects
from ...bench.nbest import read_nbest

ICDAR = ("[OCR_toInput]", "[OCR_aligned]", "[ GS_aligned]")
PADDING, UNKNOWN = "@", "#"
"""ICDAR's marks in aligned text: a character the other side has not, and one not transcribed."""


def read_print(path: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, hypotheses (the one OCR text), output, language; white space made single.

    Raises UsageError that names the file and the line that is wrong.
    """
    if path.suffix == ".txt":
        found: Iterator[dict[str, Any]] = _icdar(path)
    elif _is_hipe(path):
        found = _hipe(path)
    else:
        found = read_nbest(path)
    for row in found:
        texts = [" ".join(text.split()) for text in row["hypotheses"]]
        yield {**row, "hypotheses": texts, "output": " ".join(row["output"].split())}


def _is_hipe(path: Path) -> bool:
    return ".jsonl" in path.name and any(
        "ocr_hypothesis" in row for _, row in _first(objects(path))
    )


def _first(rows: Iterator[Any]) -> Iterator[Any]:
    yield from (row for row, _ in zip(rows, range(1), strict=False))


def _hipe(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in objects(path):
        try:
            about = row["document_metadata"]
            yield {
                "id": str(about["document_id"]),
                "hypotheses": [row["ocr_hypothesis"]["transcription_unit"]],
                "output": row["ground_truth"]["transcription_unit"],
                "language": about.get("language", "en"),
            }
        except (KeyError, TypeError) as error:
            raise UsageError(f"{path}:{number}: not a HIPE-OCRepair row: {error}") from error


def _icdar(path: Path) -> Iterator[dict[str, Any]]:
    """One document a file: the text as read, then both sides aligned character by character."""
    parts: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        for name in ICDAR:
            if line.startswith(name):
                parts[name] = line.removeprefix(name).strip()
    if missing := [name for name in ICDAR if name not in parts]:
        raise UsageError(f"{path}: no line that starts {missing[0]}")
    # Where the transcription is unknown, neither side is counted: both lose the aligned characters.
    pairs = zip(parts[ICDAR[1]], parts[ICDAR[2]], strict=False)
    known = [(a, b) for a, b in pairs if b != UNKNOWN]
    read, meant = (
        ("".join(s).replace(PADDING, "") for s in zip(*known, strict=True)) if known else ("", "")
    )
    yield {"id": path.stem, "hypotheses": [read], "output": meant}
