"""What a recogniser gave, as a request to correct: several readings of one thing, best first."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from .errors import UsageError
from .task import Hypothesis, Request, Response, Size
from .text import Prompt

Medium = Literal["speech", "print", "grammar", "translation"]


@dataclass(frozen=True, slots=True)
class NBest(Request):
    """Readings of one utterance, page, sentence or translation, best first; there may be none.

    `systems` names where each reading comes from, where that is known (else it is empty), so that
    a trained fusion can weigh them. `language` is an ISO 639-1 code; `source` is the text that a
    translation was made from, where the task gives it.
    """

    hypotheses: tuple[Hypothesis, ...]
    systems: tuple[str, ...] = ()
    medium: Medium = "speech"
    language: str = "en"
    source: str = ""

    @property
    def first(self) -> str:
        """The 1-best reading; empty where the list is."""
        return self.hypotheses[0].text if self.hypotheses else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The readings' texts."""
        return tuple(h.text for h in self.hypotheses)

    @property
    def distinct(self) -> tuple[str, ...]:
        """The texts without repeats, in order."""
        return tuple(dict.fromkeys(self.texts))

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """Two readings that differ in one word."""
        text = Prompt.synthetic(size).text
        return cls((Hypothesis(text), Hypothesis(text + " it")))


@dataclass(frozen=True, slots=True)
class Correction(Response):
    """The corrected text. `fell_back` says why a guard kept the 1-best reading ("" if none did)."""

    text: str
    fell_back: str = ""

    @property
    def empty(self) -> bool:
        return not self.text.strip()


def read_nbest(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an N-best file: id, hypotheses (texts), scores, systems, output, and the rest.

    Reads JSON lines, or one JSON array as HyPoradise ships, gzipped or not. A row has `input` (a
    list of texts, or several under input1, input2, ...) and `output`; `id`, `scores` and `systems`
    where known. Raises UsageError that names the file and the line (or entry) that is wrong.
    """
    for number, row in _entries(path):
        where = f"{path.name}:{number}"
        if not isinstance(row, dict):
            raise UsageError(f"{where}: expected an object, got {type(row).__name__}")
        yield nbest_row({"id": f"{number:06d}", **row}, where)


def nbest_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A row checked, with `hypotheses`. Raises UsageError that says where and what is wrong."""
    texts = _texts(row)
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise UsageError(f'{where}: "input" must be a list of texts')
    if not isinstance(row.get("output"), str):
        raise UsageError(f'{where}: "output" (the reference) is missing or is not a text')
    for name in ("scores", "systems"):
        if row.get(name) and len(row[name]) != len(texts):
            raise UsageError(f"{where}: {len(texts)} hypotheses but {len(row[name])} {name}")
    return {**row, "id": str(row["id"]), "hypotheses": texts}


def nbest_of(row: Mapping[str, Any], **options: Any) -> NBest:
    """The request of a row that `read_nbest` gave."""
    scores = row.get("scores") or [None] * len(row["hypotheses"])
    pairs = zip(row["hypotheses"], scores, strict=True)
    return NBest(
        tuple(Hypothesis(text, score) for text, score in pairs),
        tuple(row.get("systems") or ()),
        **options,
    )


def _texts(row: Mapping[str, Any]) -> Any:
    if "input" in row and isinstance(row["input"], list):
        return row["input"]
    numbered = [k for k in row if k.startswith("input") and k[5:].isdigit()]
    return [row[k] for k in sorted(numbered, key=lambda k: int(k[5:]))] or row.get("input")


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            head = file.read(1)
            file.seek(0)
            if head == "[":
                yield from enumerate(json.load(file), start=1)
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except json.JSONDecodeError as error:
                        raise UsageError(f"{path.name}:{number}: not JSON ({error.msg})") from error
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
