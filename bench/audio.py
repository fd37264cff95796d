"""Audio as a request: where it is, how long it is, and its samples once decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .task import BadInput, Request, Size


@dataclass(frozen=True, slots=True, eq=False)
class Audio(Request):
    """Audio by path, by encoded bytes, or by samples.

    `samples` is mono float32 of shape (n,) in [-1, 1] at `sampling_rate` Hz; None until decoded.
    `start` and `end` cut a part, in seconds, as Kaldi segments do.
    """

    unit: ClassVar[str] = "seconds"
    path: Path | None = None
    encoded: bytes | None = None
    samples: NDArray[np.float32] | None = None
    sampling_rate: int = 16_000
    start: float = 0.0
    end: float | None = None

    @property
    def seconds(self) -> float:
        """Length of the decoded samples, in seconds."""
        assert self.samples is not None, "decode first"
        return len(self.samples) / self.sampling_rate

    def prepare(self, sampling_rate: int | None) -> Audio:
        """Decode, mix down to mono and resample. Raises BadInput on anything that is not audio."""
        return decode(self, sampling_rate or 16_000)

    def size(self, planned: Size) -> Size:
        return Size(self.seconds, planned.output)

    def fingerprint(self) -> str:
        if self.path is not None:
            size = self.path.stat().st_size if self.path.exists() else -1
            return f"{self.path.name}:{size}:{self.start}:{self.end}"
        return str(len(self.encoded or b"") or (0 if self.samples is None else len(self.samples)))

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """Pink-ish noise under a syllable-rate envelope: speech-like energy, nobody's test set."""
        n = max(1, round(size.input * 16_000))
        noise = np.random.default_rng(0).standard_normal(n).astype(np.float32)
        envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 4.0 * np.arange(n, dtype=np.float32) / 16_000)
        return cls(samples=(0.05 * noise * envelope).astype(np.float32))


def decode(audio: Audio, sampling_rate: int) -> Audio:
    """The same audio with `samples` at `sampling_rate`. Raises BadInput with the file's name."""
    import soundfile
    import soxr

    name = audio.path.name if audio.path else "audio"
    if audio.samples is not None:
        samples, rate = audio.samples, audio.sampling_rate
    else:
        if audio.path is not None and not audio.path.exists():
            raise BadInput(f"{audio.path}: no such file")
        try:
            with soundfile.SoundFile(audio.path or io.BytesIO(audio.encoded or b"")) as file:
                rate = file.samplerate
                file.seek(round(audio.start * rate))
                frames = -1 if audio.end is None else round((audio.end - audio.start) * rate)
                samples = file.read(frames, dtype="float32", always_2d=True).mean(axis=1)
        except (soundfile.SoundFileError, OSError, RuntimeError) as error:
            raise BadInput(f"{name}: cannot be decoded ({error})") from error
    if samples.size == 0:
        raise BadInput(f"{name}: no audio in it")
    if not np.isfinite(samples).all():
        raise BadInput(f"{name}: holds samples that are not finite")
    if rate != sampling_rate:
        samples = soxr.resample(samples, rate, sampling_rate).astype(np.float32)
    return replace(audio, path=None, encoded=None, samples=samples, sampling_rate=sampling_rate)


def duration(audio: Audio | Path) -> float:
    """Seconds by the header and the cut; NaN where it cannot be read (decoding will say why)."""
    import soundfile

    if isinstance(audio, Path):
        audio = Audio(path=audio)
    if audio.samples is not None:
        return audio.seconds
    try:
        whole = soundfile.info(audio.path or io.BytesIO(audio.encoded or b"")).duration
    except (soundfile.SoundFileError, OSError, RuntimeError):
        return float("nan")
    return max(0.0, (whole if audio.end is None else min(audio.end, whole)) - audio.start)
