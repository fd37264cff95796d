"""What a task is: samples with a request, a target and a size, and a score for each response."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

from .metrics.metric import Metric, Row


class Outcome(StrEnum):
    """How a sample ended. The set is closed, and every outcome stays in the denominator."""

    OK = "ok"
    EMPTY = "empty"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"

    @property
    def answered(self) -> bool:
        """Whether there is a response to score; otherwise the sample scores as the worst answer."""
        return self in (Outcome.OK, Outcome.EMPTY)


@dataclass(frozen=True, slots=True)
class Size:
    """What a sample costs to batch.

    `input` is seconds of audio or tokens to read, `output` is tokens expected back (0 if unknown).
    """

    input: float = 1.0
    output: float = 0.0


class Request:
    """What a capability is given for one sample."""

    __slots__ = ()
    unit: ClassVar[str] = "tokens"
    """What `Size.input` counts: "seconds" for audio, "tokens" for text."""

    def prepare(self, sampling_rate: int | None) -> Request:
        """Make the request ready for a model (audio is decoded here, inside the `decode` stage).

        Raises `BadInput` when the request cannot be made ready; that ends one sample, not the run.
        """
        return self

    def stand_in(self, size: Size) -> Request:
        """A synthetic input of this size for whoever is to answer this request (its languages)."""
        return type(self).synthetic(size)

    def size(self, planned: Size) -> Size:
        """The size once prepared; a header may have been wrong or silent about it."""
        return planned

    def fingerprint(self) -> str:
        """A short text that changes when the input changes; part of the content hash of a split."""
        return repr(self)

    @classmethod
    @abstractmethod
    def synthetic(cls, size: Size) -> Self:
        """An input of this size that belongs to no test set: for warm-up and batch search."""


class BadInput(Exception):
    """A request that cannot be read: the message says which and why."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a capability gives back for one sample: a frozen dataclass of plain values."""

    @property
    def empty(self) -> bool:
        """Whether the model answered with nothing."""
        return False


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One entry of an n-best list; `score` is a log-probability, None where there is none."""

    text: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript(Response):
    """Text for audio, best first in `nbest` where the model gives alternatives."""

    text: str
    nbest: tuple[Hypothesis, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class Sample:
    """One unit of a task. `by` names the groups for breakdowns (speaker, set)."""

    id: str
    request: Request
    target: Any
    size: Size = Size()
    by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """A named set of rows and where it came from.

    `source` goes into the signature word for word: hub id and revision, or folder name.
    `rows` yields plain dictionaries and can be called again; `buffer` is how many samples may be
    held at once (small where a row carries its audio with it, as a streamed one does).
    """

    name: str
    source: Mapping[str, str]
    rows: Any  # Callable[[], Iterator[dict[str, Any]]]; a slot holding a callable
    buffer: int = 10_000
    total: int | None = None


class Task(ABC):
    """A family of samples that one capability answers and some metrics score.

    A task holds no loop over batches, no clock, no file writing, no model and no device.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    needs: ClassVar[type]
    metrics: tuple[Metric, ...]

    @abstractmethod
    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split by name. Raises `UsageError` (with near names) if there is none."""

    def expand(self, name: str) -> list[str]:
        """The splits that a name stands for: itself, or the members of a group."""
        return [name]

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """Every split that can be opened by name, and a line about it."""
        return {}

    @abstractmethod
    def samples(self, split: Split) -> Iterator[Sample]:
        """Yield the split's samples in a fixed order, ids unique."""

    def score(self, sample: Sample, response: Any) -> dict[str, Row]:
        """One row of sufficient statistics a metric, for a response that exists."""
        return {m.name: m.row(sample.target, response.text) for m in self.metrics}

    def worst(self, sample: Sample) -> dict[str, Row]:
        """The rows of a sample that has no response: the worst answer, never an absent one."""
        return {m.name: m.worst(sample.target) for m in self.metrics}

    def options(self) -> dict[str, Any]:
        """What the signature must carry of the task once a split is open.

        Constructor arguments by name, so that a run can be scored again as it was; and, beside
        them, hashes of templates.
        """
        return {}
