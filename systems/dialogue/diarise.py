"""Who spoke when, the simple way: voices of short windows, clustered; and words tagged with them.

It makes realistic, wrong speaker tags for `podium build tagging`: a recogniser's words with times,
each given the cluster of the window around its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ...bench.dialogue import Segment, Session
from ...bench.errors import UsageError

RATE = 16_000


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and when it was said, in seconds."""

    text: str
    start: float
    end: float


def words_of(samples: NDArray[np.float32], model: object) -> list[TimedWord]:
    """A recording's words by a faster-whisper model, times by its attention."""
    segments, _ = model.transcribe(samples, language="en", word_timestamps=True)  # type: ignore[attr-defined]
    return [
        TimedWord(w.word.strip(), float(w.start), float(w.end)) for s in segments for w in s.words
    ]


class Voices:
    """Resemblyzer's speaker embeddings of windows, clustered into a known number of speakers."""

    def __init__(self, window: float = 1.6) -> None:
        try:
            from resemblyzer import VoiceEncoder
        except ModuleNotFoundError as error:
            raise UsageError(
                "build tagging needs Resemblyzer (--no-deps), librosa and webrtcvad-wheels"
            ) from error
        self._encoder = VoiceEncoder("cpu", verbose=False)
        self._window = window

    def tag(
        self, samples: NDArray[np.float32], words: Sequence[TimedWord], count: int
    ) -> list[int]:
        """A cluster for each word, from the voice of the window around its middle."""
        from scipy.cluster.hierarchy import fcluster, linkage

        if len(words) < 2 or count < 2:
            return [0] * len(words)
        half = self._window / 2
        middles = [min(max((w.start + w.end) / 2, half), len(samples) / RATE) for w in words]
        cuts = [samples[int(max(m - half, 0) * RATE) : int((m + half) * RATE)] for m in middles]
        voices = np.array([self._encoder.embed_utterance(np.pad(c, (0, 400))) for c in cuts])
        tree = linkage(voices, "average", metric="cosine")
        return [int(k) for k in fcluster(tree, count, "maxclust")]


def tagged(name: str, words: Sequence[TimedWord], clusters: Sequence[int]) -> Session:
    """Words and clusters as a session: a segment for each run of one cluster."""
    segments = []
    for cluster, run in groupby(zip(words, clusters, strict=True), key=lambda pair: pair[1]):
        said = [word for word, _ in run]
        text = " ".join(w.text for w in said)
        end = max(said[-1].end, said[0].start)
        segments.append(Segment(f"spk{cluster}", text, said[0].start, end))
    return Session(name, tuple(segments))
