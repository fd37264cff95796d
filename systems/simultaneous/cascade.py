"""Speech in: any recogniser in front of any text policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...bench.adapter import Adapter, Failure, Interprets, Transcribes
from ...bench.audio import Audio
from ...bench.stream import Source, count, split_units
from .asking import EngineFailed, agreed, close_all, describe
from .policy import at_least


class Cascade(Adapter):
    """Transcribe what has been heard, again at each chunk; hand on the words that stay.

    A word is handed on once `agree` successive transcripts begin alike up to it (local agreement,
    Liu et al. 2020), and when the audio ends. `policy` is any text policy.
    """

    sampling_rate = 16_000

    def __init__(self, asr: Transcribes, policy: Interprets, agree: int = 2) -> None:
        at_least("agree", agree, 1)
        self.asr, self.policy, self.agree = asr, policy, agree

    def interpret(self, source: Source) -> Iterator[str]:
        """Interpret the words of the audio that the source hands out."""
        yield from self.policy.interpret(Words(source, self.asr, self.agree))

    def identity(self) -> Mapping[str, Any]:
        return describe(asr=self.asr, policy=self.policy)

    def close(self) -> None:
        close_all(self.asr, self.policy)


class Words:
    """A source of words, made of a source of audio: it is read as far as the next word needs."""

    def __init__(self, audio: Source, asr: Transcribes, agree: int) -> None:
        self._audio, self._asr, self._agree = audio, asr, agree
        self._heard: list[np.ndarray] = []
        self._last: list[list[str]] = []
        self._given = 0
        self._ready: list[str] = []
        self._ended = False
        self.source_language = audio.source_language
        self.target_language = audio.target_language
        self.context = audio.context

    @property
    def finished(self) -> bool:
        """Whether no word can come any more: known once the audio has ended."""
        return self._ended and not self._ready

    def read(self) -> str | None:
        """The next word that stays; None after the last."""
        while not self._ready and not self._ended:
            self._listen()
        if not self._ready:
            return None
        self._given += 1
        return self._ready.pop(0)

    def _listen(self) -> None:
        chunk = self._audio.read()
        if chunk is None:
            self._ended = True
            return
        self._heard.append(chunk)
        samples = np.concatenate(self._heard)
        (answer,) = self._asr.transcribe([Audio(samples=samples, sampling_rate=16_000)])
        if isinstance(answer, Failure):
            raise EngineFailed(f"transcription failed: {answer.message}")
        count(calls=1, tokens=0)
        words = split_units(answer.text, self.source_language)
        self._last = [*self._last, words][-self._agree :]
        self._ended = self._audio.finished
        if self._ended:
            stable = words
        else:
            stable = agreed(self._last, 1.0) if len(self._last) == self._agree else []
        self._ready += stable[self._given + len(self._ready) :]
