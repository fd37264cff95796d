"""Open ASR: its splits, its normaliser by language, and the mini split that the package carries."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from podium.bench.audio import duration
from podium.bench.errors import UsageError
from podium.bench.metrics.normalize import normalizer
from podium.bench.registry import load
from podium.bench.task import Split
from podium.tasks.open_asr.task import OpenASR

ROOT = Path(__file__).resolve().parents[1]
MINI = ROOT / "tasks" / "open_asr" / "mini"


def manifest() -> list[dict[str, str]]:
    lines = (MINI / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_entry_point() -> None:
    assert load("task", "open_asr") is OpenASR


def test_mini_is_whole_small_and_varied() -> None:
    task = OpenASR()
    split = task.split("mini")
    samples = list(task.samples(split))
    assert len(samples) == split.total == 26
    assert 60 < sum(s.size.input for s in samples) < 120
    assert sum(p.stat().st_size for p in MINI.rglob("*") if p.is_file()) < 2_500_000
    assert {s.by["condition"] for s in samples} == {"read", "numbers", "spelled", "far", "noisy"}
    assert len({s.by["speaker"] for s in samples}) >= 5
    for sample in samples:
        decoded = sample.request.prepare(16_000)
        assert decoded.seconds == pytest.approx(sample.size.input, abs=1e-3)
        assert np.abs(decoded.samples).max() < 1.0
    assert split.source == {"folder": "mini", "language": "en"}


def test_mini_as_written_and_as_spoken_are_one_text_to_the_normaliser() -> None:
    normalize = normalizer("whisper-en")
    for row in manifest():
        assert normalize(row["text"]) == normalize(row["spoken"])
    assert sum(row["text"] != row["spoken"] for row in manifest()) >= 8


def test_far_is_faint_and_noisy_is_noisy() -> None:
    loud: dict[str, list[float]] = {}
    quiet: dict[str, list[float]] = {}
    for row in manifest():
        samples, rate = soundfile.read(MINI / row["audio"])
        assert rate == 16_000
        power = np.sort((samples[: samples.size // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1))
        loud.setdefault(row["condition"], []).append(10 * np.log10(power[-10:].mean()))
        quiet.setdefault(row["condition"], []).append(10 * np.log10(power[:5].mean() + 1e-10))
    assert np.mean(loud["far"]) < np.mean(loud["read"]) - 8
    assert min(quiet["noisy"]) > max(quiet["read"]) + 20


def test_human_speech_from_a_dependency() -> None:
    task = OpenASR()
    if importlib.util.find_spec("moonshine_voice") is None:
        with pytest.raises(UsageError, match="pip install moonshine_voice"):
            list(task.samples(task.split("mini-human")))
        pytest.skip("moonshine-voice is not installed")
    samples = list(task.samples(task.split("mini-human")))
    assert {s.by["speaker"] for s in samples} == {"two_cities", "beckett"}
    for sample in samples:
        assert sample.request.prepare(16_000).seconds == pytest.approx(sample.size.input, abs=0.01)
        assert duration(sample.request) == pytest.approx(sample.size.input, abs=0.01)


@pytest.mark.heavy
def test_moonshine_hears_mini() -> None:
    moonshine = pytest.importorskip("moonshine_voice")
    assets = Path(moonshine.__file__).parent / "assets" / "tiny-en"
    if not assets.is_dir():
        pytest.skip("this moonshine-voice carries no weights")
    model = moonshine.Transcriber(model_path=str(assets), model_arch=moonshine.ModelArch.TINY)
    task = OpenASR()
    wer = task.metrics[0]
    for name, limit in (("mini", 0.25), ("mini-human", 0.15)):
        rows = []
        for sample in task.samples(task.split(name)):
            heard = sample.request.prepare(16_000).samples.tolist()
            lines = model.transcribe_without_streaming(heard, 16_000).lines
            rows.append(wer.row(sample.target, " ".join(line.text for line in lines)))
        assert wer.value(np.sum(rows, axis=0)) < limit


def test_the_leaderboard_is_its_eight_sets() -> None:
    task = OpenASR()
    eight = task.expand("leaderboard")
    assert len(eight) == 8
    assert {"librispeech.clean", "librispeech.other", "ami", "voxpopuli"} < set(eight)
    assert task.expand("mini") == ["mini"]
    known = task.list_splits()
    assert set(eight) < set(known)
    assert "hf-audio/esb-datasets-test-only-sorted" in known["ami"]
    for row in task.splits.table.values():
        assert row["language"]
        assert row["track"]
        assert "revision" not in row, "a revision is resolved on first use, never written here"


def test_an_unknown_split() -> None:
    with pytest.raises(UsageError, match=r'did you mean .*"librispeech\.other"'):
        OpenASR().split("librispech.other")


def split_of(rows: list[dict[str, object]], **source: str) -> Split:
    return Split("s", {"folder": "s", **source}, lambda: iter(rows))


def test_the_normaliser_follows_the_language(tmp_path: Path) -> None:
    folder = tmp_path / "mls"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(1600), 16_000)
    for language, expected in (("de", "basic"), ("en-GB", "whisper-en"), ("", "whisper-en")):
        row = {"id": "a", "audio": "a.wav", "text": "drei", "language": language}
        (folder / "manifest.jsonl").write_text(json.dumps(row))
        task = OpenASR()
        (sample,) = task.samples(task.split("mls", tmp_path))
        assert task.metrics[0].signature()["normalizer"].startswith(expected)
        assert sample.by.get("language", "") == language
    task = OpenASR(normalizer="none", rule="merge-compounds")
    task.split("mls", tmp_path)
    assert task.metrics[0].signature() == OpenASR("none", "merge-compounds").metrics[0].signature()


def test_references_without_words_leave_only_where_the_source_says_so() -> None:
    from podium.bench.audio import Audio

    rows = [
        {"id": k, "text": text, "audio": Audio(encoded=b""), "duration": math.nan}
        for k, text in (("a", "yes"), ("b", "[noise]"), ("c", "uh"), ("d", ""))
    ]
    task = OpenASR()
    assert [s.id for s in task.samples(split_of(rows))] == ["a", "b", "c", "d"]
    strict = split_of(rows, references="with words")
    samples = list(task.samples(strict))
    assert [s.id for s in samples] == ["a"]
    assert samples[0].size.input > 0, "a length that is not known is still a length to plan with"


@pytest.mark.heavy
def test_a_wheel_carries_mini(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "podium/tasks/open_asr/splits.toml" in names
    for row in manifest():
        assert f"podium/tasks/open_asr/mini/{row['audio']}" in names
