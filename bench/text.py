"""Text as a request: prompts to continue or answer, and sentences to translate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from .task import Hypothesis, Request, Response, Size


@dataclass(frozen=True, slots=True)
class Prompt(Request):
    """A text to continue, word for word; or, with `chat`, a user's message to answer.

    `n` answers are drawn; `temperature` 0 is greedy. Generation ends at any of `stop` (which is
    cut off) or after `max_new_tokens`. `seed` makes sampling repeatable whatever the batch.
    """

    text: str
    chat: bool = False
    system: str = ""
    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    seed: int = 0

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """About `size.input` tokens of common words, asking for `size.output` tokens."""
        words = ("the", "of", "and", "to", "in", "that", "it", "was")
        count = max(1, round(size.input))
        text = " ".join(words[i % len(words)] for i in range(count))
        return cls(text, max_new_tokens=max(1, round(size.output) or 16))


@dataclass(frozen=True, slots=True)
class Generation(Response):
    """`n` continuations; `tokens` counts what was generated over all of them (None: not known)."""

    texts: tuple[str, ...]
    tokens: int | None = None

    @property
    def text(self) -> str:
        """The first continuation."""
        return self.texts[0] if self.texts else ""

    @property
    def empty(self) -> bool:
        return not any(t.strip() for t in self.texts)


@dataclass(frozen=True, slots=True)
class Sentence(Request):
    """A sentence to translate. Languages are ISO 639-1 codes.

    `prefix` is a target text that the translation must begin with, where the engine can be forced
    (`forces_prefix`); answers never repeat it. `n` asks for that many alternatives.
    """

    text: str
    source_language: str = "en"
    target_language: str = "de"
    prefix: str = ""
    n: int = 1

    def stand_in(self, size: Size) -> Sentence:
        return replace(self, text=Prompt.synthetic(size).text, prefix="")

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """A sentence of about `size.input` tokens."""
        return cls(Prompt.synthetic(size).text)


@dataclass(frozen=True, slots=True)
class Translation(Response):
    """A translation, best first in `nbest` where the engine gives alternatives."""

    text: str
    nbest: tuple[Hypothesis, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class Scored(Response):
    """Log-probability (natural) of a text under a model, and over how many tokens."""

    log_probability: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Continuation(Request):
    """A text whose probability is asked for, given a context that is not itself scored."""

    text: str
    context: str = ""

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        return cls(Prompt.synthetic(size).text)
