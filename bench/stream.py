"""Streams as requests: a source that arrives unit by unit, and what an interpreter made of it.

The engine feeds the source and holds the clock. An interpreter sees only what it has read; when it
writes, the engine notes how much that was and how long it has computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from .audio import Audio
from .task import Request, Response, Size
from .text import Prompt

CHARACTER_LANGUAGES = frozenset({"ja", "zh", "th", "lo", "km", "my"})
"""Languages written without spaces: latency counts their characters."""


@dataclass(frozen=True, slots=True)
class Stream(Request):
    """A source to interpret while it arrives.

    `text`: its units are words, or characters in languages without spaces. `audio` instead: its
    units are chunks of `chunk` seconds. `context` is what came before (title, earlier sentences),
    known from the start. Languages are ISO 639-1 codes.
    """

    text: str = ""
    source_language: str = "en"
    target_language: str = "de"
    context: str = ""
    audio: Audio | None = None
    chunk: float = 0.5

    def prepare(self, sampling_rate: int | None) -> Self:
        if self.audio is None:
            return self

        return replace(self, audio=self.audio.prepare(sampling_rate))

    def fingerprint(self) -> str:
        audio = self.audio.fingerprint() if self.audio else ""
        return repr((self.text, self.source_language, self.target_language, self.context, audio))

    def stand_in(self, size: Size) -> Stream:
        if self.audio is not None:
            return replace(self, audio=Audio.synthetic(size))
        return replace(self, text=Prompt.synthetic(size).text)

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """A sentence of about `size.input` words."""
        return cls(Prompt.synthetic(size).text)

    @property
    def length(self) -> float:
        """Words or characters of text; seconds of audio (decoded)."""
        if self.audio is not None:
            return self.audio.seconds
        return len(split_units(self.text, self.source_language))


@dataclass(frozen=True, slots=True)
class Interpretation(Response):
    """What was written, unit by unit, and when.

    `delays[i]`: how much source (words, characters, or seconds of audio) had been read when target
    unit i was written. `seconds[i]`: computing time spent until then; `total_seconds` until the
    end. `calls`: sequences asked of models; `tokens`: tokens that language models generated and
    words that translators wrote.
    """

    text: str
    delays: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    source_length: float = 0.0
    total_seconds: float = 0.0
    calls: int = 0
    tokens: int = 0

    @property
    def empty(self) -> bool:
        return not self.text.strip()


class Source(Protocol):
    """What an interpreter sees of a stream."""

    @property
    def source_language(self) -> str:
        """ISO 639-1."""
        ...

    @property
    def target_language(self) -> str:
        """ISO 639-1."""
        ...

    @property
    def context(self) -> str:
        """What came before the stream."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the unit read last was the source's last, as a speaker's full stop tells."""
        ...

    def read(self) -> Any:
        """The next unit: a word, a character, or a chunk of samples; None after the last."""
        ...


class Misconduct(Exception):
    """An interpreter that does not come to an end."""


class _Feed:
    """The engine's side of a source: hands out units and notes how much has been read."""

    def __init__(self, stream: Stream) -> None:
        self.source_language = stream.source_language
        self.target_language = stream.target_language
        self.context = stream.context
        self.position = 0.0
        self._units = _units(stream)
        self._next = next(self._units, None)
        self._asked_in_vain = 0

    @property
    def finished(self) -> bool:
        return self._next is None

    def read(self) -> Any:
        if self._next is None:
            self._asked_in_vain += 1
            if self._asked_in_vain > 1000:
                raise Misconduct("the interpreter reads on and on after the end of the source")
            return None
        unit, self.position = self._next
        self._next = next(self._units, None)
        return unit


@dataclass(slots=True)
class _Meter:
    """What an interpretation has cost so far."""

    calls: int = 0
    tokens: int = 0
    charged: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started + self.charged


_meter: ContextVar[_Meter | None] = ContextVar("meter", default=None)


def count(calls: int, tokens: int) -> None:
    """Add to the cost of the interpretation under way; outside one this does nothing."""
    if (meter := _meter.get()) is not None:
        meter.calls += calls
        meter.tokens += tokens


def charge(seconds: float) -> None:
    """Add computing time that an answer cost when it was computed, if it is given from memory."""
    if (meter := _meter.get()) is not None:
        meter.charged += seconds


def conduct(
    interpret: Callable[[Source], Iterator[str]], batch: Sequence[Stream]
) -> list[Interpretation]:
    """Interpret streams one after the other: feed each source, keep the clock, note each write.

    A write before the first read has delay 0. A write is a number of whole units: writes are
    joined by a space in languages that have spaces. Raises what the interpreter raises, and
    Misconduct where it does not end (over 10 units written for each read, and 200).
    """
    return [_conduct(interpret, stream) for stream in batch]


def _conduct(interpret: Callable[[Source], Iterator[str]], stream: Stream) -> Interpretation:
    feed, meter = _Feed(stream), _Meter()
    written: list[str] = []
    delays: list[float] = []
    seconds: list[float] = []
    writes = 0
    most = 10 * stream.length + 200
    token = _meter.set(meter)
    try:
        for text in interpret(feed):
            now = meter.seconds
            units = split_units(text, stream.target_language)
            writes += 1
            if max(writes, len(delays) + len(units)) > most:
                raise Misconduct(f"the interpreter wrote over {most:.0f} units")
            delays += [feed.position] * len(units)
            seconds += [now] * len(units)
            written.append(text.strip())
        total = meter.seconds
    finally:
        _meter.reset(token)
    joint = "" if stream.target_language in CHARACTER_LANGUAGES else " "
    return Interpretation(
        joint.join(t for t in written if t),
        tuple(delays),
        tuple(seconds),
        stream.length,
        total,
        meter.calls,
        meter.tokens,
    )


def split_units(text: str, language: str) -> list[str]:
    """The units that latency counts: words, or characters (but spaces) in languages without."""
    if language in CHARACTER_LANGUAGES:
        return list("".join(text.split()))
    return text.split()


def join_units(units: Sequence[str], language: str) -> str:
    """The inverse of `split_units`."""
    return ("" if language in CHARACTER_LANGUAGES else " ").join(units)


def _units(stream: Stream) -> Iterator[tuple[Any, float]]:
    """Units, each with the position in the source after it."""
    if stream.audio is None:
        for k, unit in enumerate(split_units(stream.text, stream.source_language), 1):
            yield unit, float(k)
        return
    audio = stream.audio
    assert audio.samples is not None, "prepare first"
    step = max(1, round(stream.chunk * audio.sampling_rate))
    for start in range(0, len(audio.samples), step):
        chunk = audio.samples[start : start + step]
        yield chunk, (start + len(chunk)) / audio.sampling_rate
