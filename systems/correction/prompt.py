"""Correction by prompting: a language model reads the list and writes the text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...bench.adapter import Adapter, Failure, Generates
from ...bench.nbest import Correction, NBest
from ..template import PromptTemplate
from .guard import Guard

TEMPLATE = Path(__file__).with_name("correct.txt")
LABELS = ("corrected text:", "corrected:", "answer:", "transcript:")


class PromptCorrect(Adapter):
    """A task-activating prompt (what the task is, an example, the list) and guards on the answer.

    `template` is a file of your own with `$hypotheses`, `$first` and `$medium`; its hash is in the
    signature. `readings` of the list are shown. An answer far from every reading, or much too
    long, falls back to the 1-best reading; the response says so. Source: HyPoradise, section 4.
    """

    def __init__(
        self, lm: Generates, template: str = "", readings: int = 5, farthest: float = 0.5
    ) -> None:
        self._lm = lm
        self._template = PromptTemplate.load(Path(template) if template else TEMPLATE)
        self._readings = readings
        self._guard = Guard(farthest)
        self.batched = bool(getattr(lm, "batched", False))  # type: ignore[misc]

    def identity(self) -> dict[str, Any]:
        """The language model's identity and the template's hash."""
        return {
            "lm": dict(getattr(self._lm, "identity", dict)()),
            "template": self._template.hash,
            "readings": self._readings,
            "farthest": self._guard.farthest,
        }

    def close(self) -> None:
        """Close the language model."""
        if isinstance(self._lm, Adapter):
            self._lm.close()

    def correct(self, batch: Sequence[NBest]) -> list[Correction | Failure]:
        """One text a list. Lists whose readings are all empty are not asked about."""
        asked = [r for r in batch if any(t.strip() for t in r.texts)]
        given = iter(self._lm.generate([self._prompt(r) for r in asked]) if asked else ())
        return [
            self._read(next(given), r) if any(t.strip() for t in r.texts) else Correction("")
            for r in batch
        ]

    def _prompt(self, request: NBest) -> Any:
        readings = request.distinct[: self._readings]
        listed = "\n".join(f"{k}. {text}" for k, text in enumerate(readings, start=1))
        tokens = 16 + max(map(len, readings)) // 2
        return self._template.prompt(
            tokens, hypotheses=listed, first=request.first, medium=request.medium
        )

    def _read(self, answer: Any, request: NBest) -> Correction | Failure:
        if isinstance(answer, Failure):
            return answer
        return self._guard(without_chatter(answer.text), request)


def without_chatter(text: str) -> str:
    """The answer in a model's text: what follows a label of ours, first line, quotes taken off."""
    text = text.strip()
    for label in LABELS:
        at = text.lower().rfind(label)
        if at >= 0:
            text = text[at + len(label) :].strip()
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    head, dot, rest = line.partition(". ")
    if dot and head.isdigit():
        line = rest.strip()
    return line.strip("\"'“”` ") if line[:1] in "\"'“`" else line
