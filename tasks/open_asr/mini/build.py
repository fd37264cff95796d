"""Make the mini split again: `python build.py` writes `audio/*.flac` and `manifest.jsonl` here.

Needs Debian's `espeak-ng` (1.51) and `flite` (2.2) on the path and `hibari-tts==0.2.1` from PyPI;
the suite itself needs none of them, it reads what this wrote. Everything random is seeded by the
utterance's id, so the same versions write the same samples.

Licences of the voices: hibari's "heart" Apache-2.0; flite's slt, rms and awb are CMU ARCTIC voices
(free for any use, with attribution to Carnegie Mellon University); espeak-ng is a GPL-3.0 program,
whose licence does not reach the sound that it makes. The texts are ours (Apache-2.0).
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
RATE = 16_000
Samples = NDArray[Any]

# (condition, voice, text as written, text as spoken where that differs)
UTTERANCES: list[tuple[str, str, str, str]] = [
    ("read", "heart", "The ferry was late again, so we walked along the harbour wall.", ""),
    ("read", "slt", "She kept the old letters in a tin box under the stairs.", ""),
    ("read", "rms", "Nobody had told the new baker that the oven ran hot.", ""),
    ("read", "awb", "A cold wind came down from the hills before the rain.", ""),
    ("read", "heart", "When the lights went out, we thought it was part of the play.", ""),
    ("read", "en-us", "Please leave the garden gate open for the postman.", ""),
    ("read", "en-gb", "The children found a green bottle on the beach this morning.", ""),
    ("read", "slt", "Our neighbour plays the violin every evening after supper.", ""),
    (
        "numbers",
        "heart",
        "The ticket costs $12.50.",
        "The ticket costs twelve dollars and fifty cents.",
    ),
    (
        "numbers",
        "slt",
        "About 23% of the members voted.",
        "About twenty three percent of the members voted.",
    ),
    (
        "numbers",
        "rms",
        "The library holds 3,450 maps.",
        "The library holds three thousand four hundred and fifty maps.",
    ),
    (
        "numbers",
        "heart",
        "They moved here in 2019.",
        "They moved here in two thousand and nineteen.",
    ),
    ("numbers", "awb", "He paid £80 for 4 chairs.", "He paid eighty pounds for four chairs."),
    ("numbers", "slt", "My extension is 5519.", "My extension is five five one nine."),
    ("spelled", "heart", "My surname is Blake, B-L-A-K-E.", "My surname is Blake, B, L, A, K, E."),
    (
        "spelled",
        "slt",
        "Her first name is Emily, E-M-I-L-Y.",
        "Her first name is Emily, E, M, I, L, Y.",
    ),
    (
        "spelled",
        "rms",
        "The village is Whitby, W-H-I-T-B-Y.",
        "The village is Whitby, W, H, I, T, B, Y.",
    ),
    ("spelled", "heart", "It ends in Quay, Q-U-A-Y.", "It ends in Quay, Q, U, A, Y."),
    ("far", "heart", "Could you close the window before you go home?", ""),
    ("far", "slt", "The meeting has been moved to the large room upstairs.", ""),
    ("far", "rms", "I think the kettle is still on in the kitchen.", ""),
    ("far", "heart", "We will need more paper for the printer tomorrow.", ""),
    ("noisy", "heart", "The next bus to the station leaves from the other side.", ""),
    ("noisy", "slt", "Turn left at the bridge and follow the river.", ""),
    ("noisy", "rms", "There is a queue outside the bank already.", ""),
    ("noisy", "heart", "Two coffees and a slice of apple cake, please.", ""),
]
SNR_DB = {0: 15.0, 1: 10.0, 2: 10.0, 3: 5.0}  # of the noisy utterances, in their order


def hibari(text: str) -> tuple[Samples, int]:
    """The one voice in hibari's wheel, 24 kHz."""
    from hibari import Hibari

    return np.asarray(Hibari()(text, seed=0), dtype=np.float64), 24_000


def program(text: str, voice: str) -> tuple[Samples, int]:
    """An espeak-ng voice (they have a hyphen) or a flite voice."""
    if "-" in voice:
        command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
        samples, rate = soundfile.read(
            io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)
        )
        return samples, rate
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        samples, rate = soundfile.read(path)
        return samples, rate


def far(samples: Samples, rng: np.random.Generator) -> Samples:
    """A talker across a room: direct sound, a tail falling 60 dB in 0.5 s, 15 dB less level."""
    t = np.arange(RATE // 2) / RATE
    room = 0.08 * rng.standard_normal(t.size) * 10 ** (-3 * t / 0.5)
    room[0] = 1.0
    wet = np.convolve(samples, room)
    return wet / np.abs(wet).max() * 0.7 * 10 ** (-15 / 20)


def noisy(samples: Samples, rng: np.random.Generator, snr_db: float) -> Samples:
    """Pink noise at this ratio of mean powers."""
    spectrum = np.fft.rfft(rng.standard_normal(samples.size))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, spectrum.size + 1)), samples.size)
    noise *= np.sqrt(np.mean(samples**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    mixed = samples + noise
    return mixed / np.abs(mixed).max() * 0.7


def main() -> None:
    """Write every utterance and the manifest."""
    (HERE / "audio").mkdir(exist_ok=True)
    rows: list[str] = []
    seen: dict[str, int] = {}
    for condition, voice, text, spoken in UTTERANCES:
        number = seen[condition] = seen.get(condition, -1) + 1
        name = f"{condition}-{number + 1}-{voice}"
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        samples, rate = (
            hibari(spoken or text) if voice == "heart" else program(spoken or text, voice)
        )
        samples = soxr.resample(samples, rate, RATE)
        samples = np.pad(samples / np.abs(samples).max() * 0.7, RATE // 4)
        samples += 10 ** (-65 / 20) * rng.standard_normal(
            samples.size
        )  # no room is digitally silent
        if condition == "far":
            samples = far(samples, rng)
        elif condition == "noisy":
            samples = noisy(samples, rng, SNR_DB[number])
        soundfile.write(HERE / "audio" / f"{name}.flac", samples, RATE, subtype="PCM_16")
        row = {
            "id": name,
            "audio": f"audio/{name}.flac",
            "text": text,
            "spoken": spoken or text,
            "speaker": voice,
            "condition": condition,
            "duration": round(samples.size / RATE, 3),
        }
        rows.append(json.dumps(row, ensure_ascii=False))
    (HERE / "manifest.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
