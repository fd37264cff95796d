import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podium.bench.adapters.optional import require
from podium.bench.adapters.segments import cut_at_pauses
from podium.bench.adapters.weights import weights_hash
from podium.bench.errors import UsageError


def test_a_file_is_its_sha256(tmp_path):
    (tmp_path / "w").write_bytes(b"weights" * 1000)
    assert weights_hash(tmp_path / "w") == hashlib.sha256(b"weights" * 1000).hexdigest()


def test_a_folder_is_its_names_and_contents_and_nothing_else(tmp_path):
    def folder(name: str, **files: bytes):
        for file, data in files.items():
            path = tmp_path / name / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return weights_hash(tmp_path / name)

    one = folder("one", a=b"x", sub__b=b"y")
    assert folder("copy", sub__b=b"y", a=b"x") == one
    assert folder("renamed", a=b"x", sub__c=b"y") != one
    assert folder("changed", a=b"x", sub__b=b"z") != one
    assert folder("moved", a=b"xy", sub__b=b"") != one
    (tmp_path / "one" / ".cache").mkdir()
    (tmp_path / "one" / ".cache" / "lock").write_bytes(b"")
    assert weights_hash(tmp_path / "one") == one
    with pytest.raises(FileNotFoundError):
        weights_hash(tmp_path / "nothing")


def test_a_broken_package_keeps_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("import surely_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_there"):
        require("broken_one", adapter="x", package="broken-one", install="x")
    with pytest.raises(UsageError, match="x: surely not is not installed; pip install 'y'"):
        require("surely_not_there.sub", adapter="x", package="surely not", install="y")


@given(st.integers(0, 40_000), st.integers(50, 8_000), st.integers(1, 40))
def test_pieces_are_the_whole_audio_and_none_is_too_long(n, rate, tenths):
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    pieces = cut_at_pauses(samples, rate, tenths / 10)
    assert np.array_equal(np.concatenate(pieces), samples)
    assert all(len(piece) <= max(1, rate * tenths / 10) for piece in pieces)


def test_cuts_fall_in_pauses():
    samples = np.ones(16_000 * 3, np.float32)
    samples[24_000:26_000] = 0.0
    first = len(cut_at_pauses(samples, 16_000, 2.0)[0])
    assert 24_000 <= first <= 26_000
