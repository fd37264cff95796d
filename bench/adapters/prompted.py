"""A language model asked to translate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..adapter import Adapter, Failure, Generates
from ..text import Prompt, Sentence, Translation
from .hf_text import as_translation, request


class Prompted(Adapter):
    """Translation by any `generate` adapter: one chat message, the first line of the answer.

    The message is TowerInstruct's. A chat interface takes no forced prefix.
    """

    forces_prefix = False

    def __init__(self, lm: Generates, max_new_tokens: int = 128, temperature: float = 0.0) -> None:
        self._lm: Any = lm
        self._settings = {"max_new_tokens": max_new_tokens, "temperature": temperature}

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation a sentence."""
        prompts = [
            Prompt(request(s), chat=True, n=s.n, stop=("\n",), **self._settings) for s in batch
        ]
        return [as_translation(answer) for answer in self._lm.generate(prompts)]

    def identity(self) -> Mapping[str, Any]:
        return {"lm": dict(self._lm.identity()), **self._settings}

    def close(self) -> None:
        self._lm.close()
