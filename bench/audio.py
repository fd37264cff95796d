"""Audio as a request: where it is, how long it is, and its samples once decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import blake2b
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
        part = f":{self.start}:{self.end}"
        if self.path is not None:  # hashing hours of audio before each run would cost too much
            size = self.path.stat().st_size if self.path.exists() else -1
            return f"{self.path.name}:{size}{part}"
        held = self.encoded if self.samples is None else self.samples.tobytes()
        return blake2b(held or b"", digest_size=8).hexdigest() + part

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """Pink-ish noise under a syllable-rate envelope: speech-like energy, nobody's test set."""
        n = max(1, round(size.input * 16_000))
        noise = np.random.default_rng(0).standard_normal(n).astype(np.float32)
        envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 4.0 * np.arange(n, dtype=np.float32) / 16_000)
        return cls(samples=(0.05 * noise * envelope).astype(np.float32))


def decode(audio: Audio, sampling_rate: int) -> Audio:
    """The same audio with `samples` at `sampling_rate`. Raises BadInput with the file's name."""
    import soxr

    name = audio.path.name if audio.path else "audio"
    samples, rate = _part_held(audio) if audio.samples is not None else _part_read(audio, name)
    if not np.isfinite(samples).all():
        raise BadInput(f"{name}: holds samples that are not finite")
    if samples.size and rate != sampling_rate:
        samples = soxr.resample(samples, rate, sampling_rate).astype(np.float32)
    if samples.size == 0:
        raise BadInput(f"{name}: no audio in it")
    return Audio(samples=samples, sampling_rate=sampling_rate)


def _part_held(audio: Audio) -> tuple[NDArray[np.float32], int]:
    assert audio.samples is not None
    first, n = _frames(audio, audio.sampling_rate)
    return audio.samples[first : None if n < 0 else first + n], audio.sampling_rate


def _part_read(audio: Audio, name: str) -> tuple[NDArray[np.float32], int]:
    """The part of a file, or of encoded bytes, that is asked for; the rest is not read."""
    import soundfile

    if audio.path is not None and not audio.path.exists():
        raise BadInput(f"{audio.path}: no such file")
    try:
        with soundfile.SoundFile(audio.path or io.BytesIO(audio.encoded or b"")) as file:
            first, n = _frames(audio, file.samplerate)
            file.seek(min(first, file.frames))
            samples = file.read(n, dtype="float32", always_2d=True).mean(axis=1)
            return samples, file.samplerate
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise BadInput(f"{name}: cannot be decoded ({error})") from error


def _frames(audio: Audio, rate: int) -> tuple[int, int]:
    """First frame and number of frames; -1 for all that follow."""
    first = round(audio.start * rate)
    return first, -1 if audio.end is None else round((audio.end - audio.start) * rate)


def duration(audio: Audio | Path) -> float:
    """Seconds by the header and the cut; NaN where it cannot be read (decoding will say why)."""
    import soundfile

    if isinstance(audio, Path):
        audio = Audio(path=audio)
    try:
        if audio.samples is not None:
            whole = audio.seconds
        else:
            whole = soundfile.info(audio.path or io.BytesIO(audio.encoded or b"")).duration
    except (soundfile.SoundFileError, OSError, RuntimeError):
        return float("nan")
    return max(0.0, (whole if audio.end is None else min(audio.end, whole)) - audio.start)
