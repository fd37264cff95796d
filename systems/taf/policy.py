"""TAF: guess the source to come, translate every guess, commit what the guesses agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...bench.adapter import Generates, Translates
from ...bench.stream import Source, join_units
from ...bench.text import Prompt
from ..simultaneous.asking import (
    Committed,
    agreed,
    close_all,
    continuations,
    describe,
    translations,
)
from ..simultaneous.policy import Policy, at_least, share


class TAF(Policy):
    """Translation by Anticipating Future (arXiv 2410.22499, section 3; code owaski/TAF).

    At each new source unit, from `min_start` units on:

    1. the language model continues the raw source prefix (no chat, no instruction) `n` times,
       sampled, up to `max_new_tokens` tokens or the end of the line;
    2. the translation engine translates prefix + continuation for each, with the committed target
       as forced prefix;
    3. what a share `tau` of the `n` translations agree on (RALCP) is written.

    When the source is whole it is translated, and the sentence is finished. With
    `context=True` what came before (title, earlier sentences) stands before the prompt, the
    paper's document form.
    """

    def __init__(
        self,
        lm: Generates,
        mt: Translates,
        n: int = 10,
        tau: float = 0.6,
        min_start: int = 3,
        max_new_tokens: int = 10,
        temperature: float = 1.0,
        top_p: float = 0.9,
        context: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(mt)
        at_least("n", n, 1)
        at_least("min_start", min_start, 1)
        at_least("max_new_tokens", max_new_tokens, 1)
        share("tau", tau)
        self.lm, self.n, self.tau, self.min_start = lm, n, tau, min_start
        self.max_new_tokens, self.temperature, self.top_p = max_new_tokens, temperature, top_p
        self.context, self.seed = context, seed

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        if len(read) < self.min_start:
            return []
        prefix = join_units(read, source.source_language)
        futures = [prefix + guess for guess in self.anticipate(prefix, source)]
        return agreed(translations(self.mt, futures, source, committed), self.tau)

    def anticipate(self, prefix: str, source: Source) -> list[str]:
        """`n` guesses of what follows the prefix; a model that answers nothing guesses nothing."""
        before = source.context + "\n" if self.context and source.context else ""
        prompt = Prompt(
            before + prefix,
            n=self.n,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            stop=("\n",),
            seed=self.seed,
        )
        return continuations(self.lm, prompt) or [""]

    def identity(self) -> Mapping[str, Any]:
        return describe(lm=self.lm, mt=self.mt)

    def close(self) -> None:
        close_all(self.lm, self.mt)
