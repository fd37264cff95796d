"""Rows from folders and from the hub: what comes back, and what is said when it cannot."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hub_server import SHA, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podium.bench.audio import Audio
from podium.bench.data import Splits
from podium.bench.errors import UsageError
from podium.bench.hub import hub_rows, revision_of
from podium.bench.local import local_rows


def sound(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.1, 0.1, round(seconds * 16_000))


def jsonl(path: Path, *rows: Any) -> Path:
    text = "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# Manifests


def test_a_manifest_of_ours(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", sound(), 16_000)
    jsonl(
        tmp_path / "manifest.jsonl",
        {
            "id": "a",
            "audio": "a.flac",
            "text": "yes",
            "speaker": "s",
            "duration": 0.4,
            "n": 3,
        },
        "\n",
        {"id": 7, "audio": "a.flac", "text": "no"},
        {"id": "gone", "audio": "gone.flac", "text": "no", "start": 1, "end": 2.5},
    )
    a, b, c = local_rows(tmp_path)
    assert a["audio"].path == tmp_path / "a.flac"
    assert {k: v for k, v in a.items() if k != "audio"} == {
        "id": "a", "text": "yes", "speaker": "s", "duration": 0.4, "n": 3,
    }  # fmt: skip
    assert (b["id"], b["duration"]) == ("7", 0.5)
    assert math.isnan(c["duration"])
    assert (c["audio"].start, c["audio"].end) == (1.0, 2.5)


def test_gzip_and_a_byte_order_mark(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "manifest.jsonl.gz", "wt", encoding="utf-8-sig") as file:
        file.write('{"id": "ä", "text": "grüß"}\n')
    assert list(local_rows(tmp_path)) == [{"id": "ä", "text": "grüß"}]
    whole = (tmp_path / "manifest.jsonl.gz").read_bytes()
    (tmp_path / "manifest.jsonl.gz").write_bytes(whole[:-12])
    with pytest.raises(UsageError, match="damaged gzip"):
        list(local_rows(tmp_path))


def test_a_nemo_manifest(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", sound(2.0), 16_000)
    path = jsonl(
        tmp_path / "manifest.json",
        {"audio_filepath": "talk.wav", "text": "whole"},
        {"audio_filepath": str(tmp_path / "talk.wav"), "text": "b", "offset": 0.5, "duration": 1},
        {"audio_filepath": "talk.wav", "text": "c", "offset": 1.5},
    )
    whole, part, rest = local_rows(path)
    assert (whole["id"], whole["duration"], whole["audio"].end) == ("talk", 2.0, None)
    assert (part["id"], part["audio"].start, part["audio"].end) == ("2", 0.5, 1.5)
    assert (rest["id"], rest["duration"], rest["audio"].start) == ("3", 0.5, 1.5)
    assert len(part["audio"].prepare(16_000).samples) == 16_000


def test_columns_are_renamed(tmp_path: Path) -> None:
    jsonl(tmp_path / "manifest.jsonl", {"task_id": "HumanEval/0", "prompt": "def"})
    (row,) = local_rows(tmp_path, columns={"id": "task_id"})
    assert row == {"id": "HumanEval/0", "prompt": "def"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (['{"id": 1}\n', "{oops\n"], r"manifest\.jsonl:2: invalid JSON"),
        (["[1]\n"], r"manifest\.jsonl:1: not a JSON object"),
        (['{"id": "a"}\n', '{"id": "b"}\n', '{"id": "a"}\n'], r'jsonl:3: id "a" is also on line 1'),
        (['{"id": "a", "audio": 5}\n'], r"jsonl:1: audio is 5, not a path"),
        (['{"audio_filepath": 5}\n'], r"jsonl:1: audio is 5, not a path"),
        (['{"text": 5}\n'], r'jsonl:1: "text" is 5, not a string'),
        (['{"id": "a", "audio": "x", "duration": "3s"}\n'], r"jsonl:1: \"duration\" is '3s'"),
        (['{"id": "a", "audio": "x", "start": 2, "end": 1}\n'], r"jsonl:1: a part from 2.0 s"),
        (['{"id": "a", "audio": "package:nobody_has_it/x"}\n'], r"pip install nobody_has_it"),
        ([], "no rows in it"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    jsonl(tmp_path / "manifest.jsonl", *rows)
    with pytest.raises(UsageError, match=said) as caught:
        list(local_rows(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    jsonl(tmp_path / "manifest.jsonl", {"id": "a", "text": ""}, {"id": "b"})
    with pytest.raises(UsageError, match=r'jsonl:2: no "text" in this row'):
        list(local_rows(tmp_path, require=("text",)))


def test_latin_1_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(b'{"id": "a"}\n' + '{"id": "ä"}\n'.encode("latin-1"))
    with pytest.raises(UsageError, match=r"manifest\.jsonl:2: not UTF-8"):
        list(local_rows(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False) | st.booleans()))
def test_other_keys_come_through_as_they_are(tmp_path: Path, extra: dict[str, Any]) -> None:
    ours = {"audio", "audio_filepath", "id"}
    extra = {k: v for k, v in extra.items() if k not in ours}
    jsonl(tmp_path / "manifest.jsonl", {"id": "a", **extra})
    assert list(local_rows(tmp_path)) == [{"id": "a", **extra}]


# Kaldi


def kaldi(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "r1.wav", sound(3.0), 16_000)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_kaldi_directory(tmp_path: Path) -> None:
    folder = kaldi(
        tmp_path / "k", wav_scp="r1 r1.wav\n", text="r1 hello there\n", utt2spk="r1 ann\n"
    )
    (row,) = local_rows(folder)
    assert row == {
        "id": "r1", "audio": row["audio"], "text": "hello there", "speaker": "ann", "duration": 3.0,
    }  # fmt: skip
    assert row["audio"].prepare(16_000).seconds == 3.0


def test_kaldi_segments(tmp_path: Path) -> None:
    folder = kaldi(
        tmp_path / "k",
        wav_scp=f"r1 {tmp_path / 'k' / 'r1.wav'}\n",
        segments="u1 r1 0.5 1.5\nu2 r1 2.25 -1\n",
        text="u2 b\nu1\n",
        utt2dur="u2 0.75\n",
    )
    u1, u2 = local_rows(folder)
    assert (u1["id"], u1["text"], u1["duration"]) == ("u1", "", 1.0)
    assert (u2["text"], u2["duration"], u2["audio"].end) == ("b", 0.75, None)
    assert u2["audio"].prepare(16_000).seconds == 0.75


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"wav_scp": "r1 sph2pipe x.sph |\n", "text": "r1 a\n"}, r"wav\.scp:1: a command"),
        ({"wav_scp": "r1\n", "text": "r1 a\n"}, r"wav\.scp:1: no path"),
        (
            {"wav_scp": "r1 r1.wav\nr1 r1.wav\n", "text": ""},
            r'wav\.scp:2: id "r1" is also on line 1',
        ),
        ({"wav_scp": "r1 r1.wav\n", "text": "r1 a\nr2 b\n"}, r'text:2: no audio for .* "r2"'),
        ({"wav_scp": "r1 r1.wav\n", "text": ""}, r'wav\.scp:1: utterance "r1" has no line'),
        ({"wav_scp": "r1 r1.wav\n", "text": "u a\n", "segments": "u r9 0 1\n"}, r"segments:1: not"),
        ({"wav_scp": "r1 r1.wav\n", "text": "u a\n", "segments": "u r1 0 x\n"}, r"segments:1: 'x'"),
        (
            {"wav_scp": "r1 r1.wav\n", "text": "u a\n", "segments": "u r1 2 1\n"},
            r"segments:1: a part",
        ),
    ],
)
def test_a_bad_kaldi_line_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        list(local_rows(kaldi(tmp_path / "k", **files)))


# The hub


def in_hub_layout(folder: Path, ids: tuple[str, ...] = ("u0", "u1", "u2")) -> Path:
    """A data set as the hub holds it: Parquet with encoded audio, and a card."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for i, name in enumerate(ids):
        encoded = io.BytesIO()
        soundfile.write(encoded, sound(0.1 * (i + 1), i), 16_000, format="FLAC")
        audio = {"bytes": encoded.getvalue(), "path": f"{name}.flac"}
        rows.append({"name": name, "audio": audio, "sentence": f"text {i}", "accent": "x"})
    (folder / "cfg").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "cfg" / "test-00000-of-00001.parquet")
    features = "".join(
        f"  - name: {k}\n    dtype: {'audio' if k == 'audio' else 'string'}\n" for k in rows[0]
    )
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: cfg\n  data_files:\n  - split: test\n"
        "    path: cfg/test-*\n- config_name: other\n  data_files:\n  - split: test\n"
        "    path: cfg/test-*\n"
        f"dataset_info:\n- config_name: cfg\n  features:\n{features}---\n"
    )
    return folder


COLUMNS = {"id": "name", "text": "sentence"}


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODIUM_LOCK", str(tmp_path / "podium.lock"))
    return tmp_path / "podium.lock"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("config", ["cfg", "other"])
def test_a_folder_in_the_hubs_layout(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch, config: str, streaming: bool
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = in_hub_layout(tmp_path / "set", ids=("u0", "u1", "u0"))
    rows = list(
        hub_rows(str(folder), config, "test", COLUMNS, streaming, require=("audio", "text"))
    )
    assert [r["id"] for r in rows] == ["u0", "u1", "u0#2"]
    assert [r["text"] for r in rows] == ["text 0", "text 1", "text 2"]
    assert [r["duration"] for r in rows] == pytest.approx([0.1, 0.2, 0.3])
    assert rows[0]["accent"] == "x"
    for i, row in enumerate(rows):
        assert isinstance(row["audio"], Audio)
        assert row["audio"].samples is None, "decoding belongs to the run"
        decoded = row["audio"].prepare(16_000).samples
        np.testing.assert_allclose(decoded, sound(0.1 * (i + 1), i), atol=1e-4)
    assert not lock.exists()


def test_the_revision_of_a_folder_is_what_is_in_it(tmp_path: Path) -> None:
    a, b = in_hub_layout(tmp_path / "a"), in_hub_layout(tmp_path / "b")
    assert revision_of(str(a)) == revision_of(str(b))
    assert revision_of(str(a)).startswith("local:")
    (b / ".cache").write_text("not data")
    assert revision_of(str(a)) == revision_of(str(b))
    (b / "README.md").write_text("---\n---\nanother card\n")
    assert revision_of(str(a)) != revision_of(str(b))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[dict[str, str], list[str], Path]]:
    """A stand-in for the hub on loopback: environment for a process, requests so far, the data."""
    pytest.importorskip("datasets")
    folder = in_hub_layout(tmp_path / "served")
    with serving(folder, "some-lab/spoken") as (address, asked):
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "home"),
            "PODIUM_LOCK": str(tmp_path / "podium.lock"),
        }
        yield environment, asked, folder


# The hub's library reads its settings on import, so each use of it here is a process of its own.
PROGRAM = """
import json, sys
from podium.bench.hub import hub_rows
from podium.bench.errors import UsageError
columns = {"id": "name", "text": "sentence"}
for name, config, streaming in json.loads(sys.argv[1]):
    try:
        rows = list(hub_rows(name, config, "test", columns, streaming))
        print(json.dumps([[r["id"], r["text"], r["duration"]] for r in rows]))
    except UsageError as error:
        print(json.dumps(str(error)))
"""


def elsewhere(environment: dict[str, str], *calls: Any, **more: str) -> list[Any]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(calls)],
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_the_hub_from_end_to_end(hub: tuple[dict[str, str], list[str], Path]) -> None:
    environment, asked, _ = hub
    lock = Path(environment["PODIUM_LOCK"])
    name, resolve = "some-lab/spoken", "/api/datasets/some-lab/spoken"
    expected = [[f"u{i}", f"text {i}", pytest.approx(0.1 * (i + 1))] for i in range(3)]

    (said,) = elsewhere(environment, (name, "cfg", True), HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in said
    assert not lock.exists(), "a revision that was never seen was written"

    streamed, loaded, absent, misspelt = elsewhere(
        environment,
        (name, "cfg", True),
        (name, "cfg", False),
        ("some-lab/nothing", None, True),
        (name, "cgf", True),
    )
    assert streamed == loaded == expected
    assert asked.count(resolve) == 1, "a locked revision is not asked for again"
    assert all(SHA in path for path in asked if "/resolve/" in path)
    assert absent.startswith("no data set some-lab/nothing on the hub")
    assert misspelt.startswith("some-lab/spoken (cgf): cannot be loaded")
    assert "cfg" in misspelt
    assert "\n" not in misspelt
    assert json.loads(lock.read_text()).keys() == {name}
    entry = json.loads(lock.read_text())[name]
    assert entry["revision"] == SHA
    assert entry.keys() == {"revision", "resolved"}

    before = len(asked)
    assert elsewhere(environment, (name, "cfg", False), HF_HUB_OFFLINE="1") == [expected]
    assert len(asked) == before, "locked and cached, it needs no network"


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    environment = os.environ | {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "PODIUM_LOCK": str(tmp_path / "podium.lock"),
    }
    (said,) = elsewhere(environment, ("a/b", None, True))
    assert "the hub cannot be asked" in said
    assert not (tmp_path / "podium.lock").exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"a/b": {"revision": "main"}}', '{"a/b": 3}', '{"a/b": {}}']
)
def test_a_damaged_lock_file_is_named(lock: Path, content: str) -> None:
    lock.write_text(content)
    with pytest.raises(UsageError, match=r"podium\.lock: .*mend or delete it"):
        revision_of("a/b")


def test_a_locked_or_given_revision_needs_no_library(lock: Path) -> None:
    lock.write_text(json.dumps({"a/b": {"revision": SHA, "resolved": "2026-01-01"}}))
    assert revision_of("a/b") == SHA
    assert revision_of("c/d", "0" * 40) == "0" * 40


# Splits

TOML = """
[from.base]
hub = "{hub}"
columns = {{ id = "name", text = "sentence" }}
language = "en"

[splits]
one = {{ from = "base", config = "cfg", licence = "CC0-1.0", exclude = {{ text = ["text 1"] }} }}
own = {{ folder = "own", language = "pt" }}

[groups]
both = ["one", "own"]
"""


@pytest.fixture
def splits(tmp_path: Path) -> Splits:
    (tmp_path / "splits.toml").write_text(TOML.format(hub=(tmp_path / "set").as_posix()))
    jsonl(tmp_path / "own" / "manifest.jsonl", {"id": "a", "text": "olá"})
    return Splits.from_toml(tmp_path / "splits.toml")


def test_a_split_of_the_toml(tmp_path: Path, splits: Splits, monkeypatch: Any) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = in_hub_layout(tmp_path / "set")
    split = splits.open("one", require=("audio", "text"))
    assert split.source["hub"] == folder.as_posix()
    assert split.source["revision"] == revision_of(str(folder))
    assert split.source["config"] == "cfg"
    assert "text 1" in split.source["exclude"]
    assert split.buffer < 1000, "a streamed row carries its audio"
    for _ in range(2):  # rows can be called again
        rows = list(split.rows())
        assert [r["id"] for r in rows] == ["u0", "u2"]
        assert {r["language"] for r in rows} == {"en"}


def test_a_folder_beside_the_toml_and_its_facts(splits: Splits) -> None:
    split = splits.open("own")
    assert split.source == {"folder": "own", "language": "pt"}
    assert (split.total, list(split.rows())) == (1, [{"language": "pt", "id": "a", "text": "olá"}])
    assert splits.facts("one") == {"language": "en", "licence": "CC0-1.0"}


def test_groups(splits: Splits) -> None:
    assert splits.expand("both") == ["one", "own"]
    assert splits.expand("own") == ["own"]
    with pytest.raises(UsageError, match="group of splits"):
        splits.open("both")


def test_folders_of_the_users(tmp_path: Path, splits: Splits) -> None:
    data = tmp_path / "data"
    jsonl(data / "mine" / "manifest.jsonl", {"id": "a", "language": "de"}, {"id": "b"})
    split = splits.open("mine", data)
    assert (split.source, split.total) == ({"folder": "mine", "language": "de"}, 2)
    assert splits.open("mine", data / "mine").total == 2
    kaldi(data / "k", wav_scp="r1 r1.wav\n", text="u a\n", segments="u r1 0 1\n")
    assert splits.open("k", data).total == 1
    assert {"one", "own", "both", "mine", "k"} == set(splits.about(data))


def test_an_unknown_split_offers_near_names(tmp_path: Path, splits: Splits) -> None:
    jsonl(tmp_path / "data" / "evening" / "manifest.jsonl", {"id": "a"})
    with pytest.raises(UsageError, match='no split "evenin"; did you mean "evening"'):
        splits.open("evenin", tmp_path / "data")
    with pytest.raises(UsageError, match='did you mean "own"'):
        splits.open("owm")
    with pytest.raises(UsageError, match="no split"):
        splits.open("other", tmp_path / "no-such-folder")
    (tmp_path / "data" / "bare").mkdir()
    with pytest.raises(UsageError, match=r"bare: no manifest\.jsonl.* or wav\.scp in it"):
        splits.open("bare", tmp_path / "data")


def test_an_id_of_null_is_none(tmp_path: Path) -> None:
    jsonl(tmp_path / "manifest.jsonl", {"id": None, "text": "a"}, {"id": None, "text": "b"})
    assert [row["id"] for row in local_rows(tmp_path)] == ["1", "2"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[splits\n", "splits.toml"),
        ('[splits]\na = { from = "b" }\n', r'"a" is from "b", not in \[from\]'),
        ("[splits]\na = { }\n", 'needs either "hub" or "folder"'),
        ('[groups]\ng = ["a"]\n', 'names "a", not in'),
    ],
)
def test_a_toml_that_does_not_fit(tmp_path: Path, toml: str, said: str) -> None:
    (tmp_path / "splits.toml").write_text(toml)
    with pytest.raises(UsageError, match=said):
        Splits.from_toml(tmp_path / "splits.toml")


def test_the_data_at_hand(data_dir: Path) -> None:
    for name, n in {"librispeech_test_other_100": 100, "an4_train": 948, "fleurs_mini": 50}.items():
        rows = list(local_rows(data_dir / name, require=("audio", "text")))
        assert len(rows) == n
        assert all(row["duration"] > 0 and row["audio"].path.exists() for row in rows)
