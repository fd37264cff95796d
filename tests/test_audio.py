"""Audio of every bad and odd kind: one clear BadInput, or the right samples."""

from __future__ import annotations

import io
import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from podium.bench.audio import Audio, decode, duration
from podium.bench.task import BadInput, Size


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.wav", None),
        ("empty.wav", b""),
        ("corrupt.flac", b"fLaC" + bytes(range(256)) * 4),
        ("text.wav", b"this is not audio\n" * 10),
    ],
)
def test_what_is_not_audio_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=name) as caught:
        Audio(path=path).prepare(16_000)
    assert "\n" not in str(caught.value)
    assert math.isnan(duration(path))


def test_a_folder_is_not_audio(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=tmp_path.name):
        Audio(path=tmp_path).prepare(16_000)


def test_a_truncated_file_is_bad_or_short_never_silent_garbage(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.flac", tone(2.0, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"cut\.flac"):
        Audio(path=path).prepare(16_000)


@pytest.mark.parametrize("encoded", [None, b"", b"RIFF"])
def test_bytes_that_are_not_audio(encoded: bytes | None) -> None:
    audio = Audio(encoded=encoded)
    with pytest.raises(BadInput):
        audio.prepare(16_000)
    assert math.isnan(duration(audio))


def test_zero_length(tmp_path: Path) -> None:
    path = write(tmp_path / "zero.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(BadInput, match="no audio in it"):
        Audio(path=path).prepare(16_000)
    assert duration(path) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    samples = tone(0.1, 16_000)
    samples[7] = bad
    path = write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    for audio in (Audio(path=path), Audio(samples=samples)):
        with pytest.raises(BadInput, match="not finite"):
            audio.prepare(16_000)


def test_8_khz_comes_up_to_16(tmp_path: Path) -> None:
    path = write(tmp_path / "phone.wav", tone(1.0, 8_000), 8_000)
    decoded = Audio(path=path).prepare(16_000)
    assert decoded.samples is not None
    assert decoded.samples.dtype == np.float32
    assert decoded.seconds == pytest.approx(duration(path), abs=1e-3)
    inner = slice(1600, -1600)  # away from the filter's edges
    assert np.abs(decoded.samples - tone(1.0, 16_000))[inner].max() < 1e-3


def test_48_khz_stereo_comes_down_to_mono(tmp_path: Path) -> None:
    left, right = tone(1.0, 48_000, 440.0), tone(1.0, 48_000, 1000.0)
    path = write(tmp_path / "wide.flac", np.stack([left, right], axis=1), 48_000)
    decoded = Audio(path=path).prepare(16_000)
    expected = (tone(1.0, 16_000, 440.0) + tone(1.0, 16_000, 1000.0)) / 2
    assert decoded.samples is not None
    assert decoded.samples.shape == (16_000,)
    assert np.abs(decoded.samples - expected)[1600:-1600].max() < 1e-3


def test_a_rate_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.wav", tone(0.5, 22_050), 22_050)
    assert decode(Audio(path=path), 24_000).sampling_rate == 24_000


def five_hours(path: Path) -> Path:
    """A 16 kHz mono WAV of 5 hours that takes no room on disk, but for a tone at 4 h."""
    rate, n = 16_000, 5 * 3600 * 16_000
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + 2 * n, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16
    )
    with path.open("wb") as file:
        file.write(header + struct.pack("<4sI", b"data", 2 * n))
        file.seek(44 + 2 * 4 * 3600 * rate)
        file.write((tone(1.0, rate) * 32767).astype("<i2").tobytes())
        file.truncate(44 + 2 * n)
    return path


def test_a_part_of_five_hours_is_cut_without_reading_the_rest(tmp_path: Path) -> None:
    path = five_hours(tmp_path / "long.wav")
    assert duration(path) == 5 * 3600
    audio = Audio(path=path, start=4 * 3600, end=4 * 3600 + 1)
    assert duration(audio) == 1.0
    tracemalloc.start()
    decoded = audio.prepare(16_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoded.samples is not None
    assert np.abs(decoded.samples - tone(1.0, 16_000)).max() < 1e-3
    assert peak < 5_000_000


def test_a_part_that_begins_after_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "short.wav", tone(1.0, 16_000), 16_000)
    audio = Audio(path=path, start=2.0, end=3.0)
    with pytest.raises(BadInput, match=r"short\.wav"):
        audio.prepare(16_000)
    assert duration(audio) == 0.0


@given(
    st.integers(1, 4000),
    st.floats(0.0, 0.2),
    st.none() | st.floats(0.001, 0.3),
    st.sampled_from([8_000, 16_000]),
)
def test_a_cut_is_the_same_by_path_bytes_and_samples(
    n: int, start: float, length: float | None, rate: int
) -> None:
    samples = np.random.default_rng(n).uniform(-0.5, 0.5, n).astype(np.float32)
    memory = io.BytesIO()
    soundfile.write(memory, samples, rate, format="WAV", subtype="FLOAT")
    end = None if length is None else start + length
    stop = None if end is None else round(start * rate) + round((end - start) * rate)
    expected = samples[round(start * rate) : stop]
    forms = (
        Audio(encoded=memory.getvalue(), start=start, end=end),
        Audio(samples=samples, sampling_rate=rate, start=start, end=end),
    )
    for audio in forms:
        if expected.size == 0:
            with pytest.raises(BadInput):
                audio.prepare(rate)
            continue
        found = audio.prepare(rate)
        assert found.samples is not None
        np.testing.assert_array_equal(found.samples, expected)
        again = found.prepare(rate)  # what is decoded is cut already
        np.testing.assert_array_equal(again.samples, expected)  # type: ignore[arg-type]
        assert abs(duration(audio) - found.seconds) <= 1 / rate


def test_the_fingerprint_follows_the_sound() -> None:
    a, b = tone(0.1, 16_000), tone(0.1, 16_000, 441.0)
    assert Audio(samples=a).fingerprint() == Audio(samples=a.copy()).fingerprint()
    assert Audio(samples=a).fingerprint() != Audio(samples=b).fingerprint()
    assert Audio(encoded=b"12").fingerprint() != Audio(encoded=b"21").fingerprint()
    cut = Audio(encoded=b"12", start=1.0)
    assert cut.fingerprint() != Audio(encoded=b"12").fingerprint()


def test_synthetic_speech_has_the_size_it_is_asked_for() -> None:
    audio = Audio.synthetic(Size(1.5))
    assert audio.seconds == 1.5
    assert audio.prepare(16_000).seconds == 1.5
