"""Conversations as requests: segments to tag with speakers, and turns to label with an emotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .task import Request, Response, Size
from .text import Prompt


@dataclass(frozen=True, slots=True)
class Segment:
    """Words of one speaker, from `start` to `end` in seconds (None: not known)."""

    speaker: str
    words: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Session(Request):
    """A recognised conversation whose speaker labels may be wrong, segments in order."""

    id: str
    segments: tuple[Segment, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers' names, in the order in which they first speak."""
        return tuple(dict.fromkeys(s.speaker for s in self.segments))

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """Two speakers taking turns of eight words."""
        words = Prompt.synthetic(size).text.split()
        turns = [words[i : i + 8] for i in range(0, len(words), 8)]
        return cls(
            "synthetic", tuple(Segment("ab"[i % 2], " ".join(t)) for i, t in enumerate(turns))
        )


@dataclass(frozen=True, slots=True)
class Tagging(Response):
    """The conversation with its speakers as the model would have them.

    `fell_back` says why a guard kept the speakers that came ("" if none did).
    """

    segments: tuple[Segment, ...]
    fell_back: str = ""

    @property
    def empty(self) -> bool:
        return not any(s.words.strip() for s in self.segments)


@dataclass(frozen=True, slots=True)
class Turn:
    """What several recognisers heard in one turn: (recogniser, text) pairs."""

    speaker: str
    transcripts: tuple[tuple[str, str], ...]

    def text(self, recogniser: str | None = None) -> str:
        """One recogniser's text; the first one's without a name. Raises KeyError if it has none."""
        if recogniser is None:
            return self.transcripts[0][1] if self.transcripts else ""
        return dict(self.transcripts)[recogniser]


@dataclass(frozen=True, slots=True)
class Dialogue(Request):
    """A conversation up to and with the turn whose emotion is asked for, which is the last one.

    There is no room in it for a later turn, a human transcript or a label of any turn.
    """

    turns: tuple[Turn, ...]
    labels: tuple[str, ...]

    @property
    def earlier(self) -> tuple[Turn, ...]:
        """The turns before the one that is asked about."""
        return self.turns[:-1]

    @property
    def last(self) -> Turn:
        """The turn that is asked about."""
        return self.turns[-1]

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """One turn."""
        turn = Turn("a", (("synthetic", Prompt.synthetic(size).text),))
        return cls((turn,), ("neutral", "happy", "angry", "sad"))


@dataclass(frozen=True, slots=True)
class Emotion(Response):
    """A label, word for word as the model gave it: one outside the set counts as wrong."""

    label: str

    @property
    def empty(self) -> bool:
        return not self.label.strip()
