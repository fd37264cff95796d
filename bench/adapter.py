"""The capabilities a model can have, one Protocol each, and what an adapter may say of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, get_args, get_type_hints, runtime_checkable

from .audio import Audio
from .candidates import Candidates, Scores
from .dialogue import Dialogue, Emotion, Session, Tagging
from .nbest import Correction, NBest
from .stream import Interpretation, Source, Stream, conduct
from .task import Outcome, Request, Response, Transcript
from .text import Continuation, Generation, Prompt, Scored, Sentence, Translation


@dataclass(frozen=True, slots=True)
class Failure:
    """One sample that an adapter could not answer, returned in its place in the batch."""

    outcome: Outcome
    message: str


@runtime_checkable
class Transcribes(Protocol):
    """Audio in, text out."""

    def transcribe(self, batch: Sequence[Audio]) -> Sequence[Transcript | Failure]:
        """One transcript (or failure) an audio, in order."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Text in, text out: continuation or chat."""

    def generate(self, batch: Sequence[Prompt]) -> Sequence[Generation | Failure]:
        """`prompt.n` continuations (or a failure) a prompt."""
        ...


@runtime_checkable
class Translates(Protocol):
    """A sentence in one language to a sentence in another."""

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation (or failure) a sentence, in order."""
        ...


@runtime_checkable
class Likelihoods(Protocol):
    """How probable a model finds a text."""

    def log_likelihood(self, batch: Sequence[Continuation]) -> Sequence[Scored | Failure]:
        """The log-probability (or a failure) of each text, in order."""
        ...


@runtime_checkable
class Interprets(Protocol):
    """A source that is still arriving to a translation of it."""

    def interpret(self, source: Source) -> Iterator[str]:
        """Read units from the source and yield text to write, in whole words or characters."""
        ...


@runtime_checkable
class Corrects(Protocol):
    """What a recogniser gave to what was meant."""

    def correct(self, batch: Sequence[NBest]) -> Sequence[Correction | Failure]:
        """One text (or failure) a list of readings, in order."""
        ...


@runtime_checkable
class TagsSpeakers(Protocol):
    """Who said which word, from the words and a first guess."""

    def tag_speakers(self, batch: Sequence[Session]) -> Sequence[Tagging | Failure]:
        """One tagging (or failure) a session, in order."""
        ...


@runtime_checkable
class ClassifiesEmotion(Protocol):
    """How a speaker felt, from what was said until then."""

    def classify_emotion(self, batch: Sequence[Dialogue]) -> Sequence[Emotion | Failure]:
        """One label (or failure) a dialogue's last turn, in order."""
        ...


@runtime_checkable
class Verifies(Protocol):
    """Candidate programs for a problem to a score each, without the problem's own tests."""

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """One score a candidate (or a failure) for each problem, in order."""
        ...


class Adapter:
    """What the engine may ask of any adapter; a capability's method is all that it must have.

    An adapter never times, batches, retries, resamples, or catches what it cannot mend. It marks
    the parts of its work with `timing.stage("features")`, `stage("model")`, `stage("detokenise")`
    where its library lets it; what it does not mark counts as `model`.
    """

    sampling_rate: int | None = None
    """Rate, in Hz, at which audio (mono float32) is handed over; None for adapters without."""
    batched: bool = False
    """Whether a batch is computed together, padded; False where the library takes one at a time."""

    def identity(self) -> Mapping[str, Any]:
        """For the signature: model id, revision or weights hash, precision, decoding."""
        return {}

    def close(self) -> None:
        """Release processes, connections and memory; called once, also after a failure."""


def method_of(capability: type) -> str:
    """The name of a capability's one method: `Transcribes` -> "transcribe"."""
    names = [n for n, v in vars(capability).items() if callable(v) and not n.startswith("_")]
    if len(names) != 1:
        raise TypeError(f"{capability.__name__} must have exactly one public method, has {names}")
    return names[0]


def batch_method(adapter: Any, capability: type) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The adapter's method as the engine calls it: on a batch, one answer each.

    An interpreter is led through its streams by the engine, which feeds them and holds the clock.
    """
    method = getattr(adapter, method_of(capability))
    return partial(conduct, method) if capability is Interprets else method


def _hints(capability: type) -> dict[str, Any]:
    return get_type_hints(getattr(capability, method_of(capability)))


def request_type(capability: type) -> type[Request]:
    """The request class that a capability takes: `Transcribes` -> `Audio`."""
    if capability is Interprets:
        return Stream
    return get_args(_hints(capability)["batch"])[0]


def response_type(capability: type) -> type[Response]:
    """The response class that a capability gives: `Transcribes` -> `Transcript`."""
    if capability is Interprets:
        return Interpretation
    (item,) = get_args(_hints(capability)["return"])
    return next(t for t in (get_args(item) or (item,)) if t is not Failure)
