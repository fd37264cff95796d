"""cpWER equals MeetEval's own program; the word diarisation error equals its definition."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench import seglst
from podium.bench.dialogue import Segment, Session
from podium.bench.errors import UsageError
from podium.bench.metrics.cpwer import (
    ConcatenatedWordErrorRate,
    TimeConstrainedWordErrorRate,
    WordDiarizationErrorRate,
)

WORDS = [
    "so",
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "then",
    "it",
    "ran",
    "far",
    "away",
    "from",
    "here",
]


def generated(n: int, timed: bool) -> tuple[list[Session], list[Session]]:
    """Sessions of 1 to 6 speakers, and the same with words and speakers changed at random."""
    rng = np.random.default_rng(7)
    pairs = [one(rng, f"s{k:03d}", int(rng.integers(1, 7)), timed) for k in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def one(rng: np.random.Generator, name: str, speakers: int, timed: bool) -> tuple[Session, Session]:
    reference, hypothesis, clock = [], [], 0.0
    for _ in range(int(rng.integers(speakers, 4 * speakers + 1))):
        words = list(rng.choice(WORDS, int(rng.integers(1, 9))))
        heard = [str(rng.choice(WORDS)) if rng.random() < 0.2 else w for w in words]
        heard = [w for w in heard if rng.random() > 0.1] or ["so"]
        speaker = int(rng.integers(speakers))
        tag = int(rng.integers(speakers + 1)) if rng.random() < 0.3 else speaker
        start = clock + float(rng.normal(0, 0.5))
        end, clock = start + 0.3 * len(words), clock + 0.3 * len(words)
        times = (start, end) if timed else (None, None)
        reference.append(Segment(f"r{speaker}", " ".join(words), *times))
        hypothesis.append(Segment(f"h{tag}", " ".join(heard), *times))
    return Session(name, tuple(reference)), Session(name, tuple(hypothesis))


def scored(metric, references: list[Session], hypotheses: list[Session]) -> np.ndarray:
    pairs = zip(references, hypotheses, strict=True)
    return np.array([metric.row(seglst.entries(a), b.segments) for a, b in pairs])


@pytest.mark.parametrize(
    ("command", "metric", "timed"),
    [
        (["cpwer"], ConcatenatedWordErrorRate(), True),
        (["cpwer"], ConcatenatedWordErrorRate(), False),
        (["tcpwer", "--collar", "5"], TimeConstrainedWordErrorRate(), True),
    ],
)
def test_equals_meetevals_program_on_200_sessions(tmp_path: Path, command, metric, timed) -> None:
    references, hypotheses = generated(200, timed)
    seglst.write(tmp_path / "R.seglst.json", references)
    seglst.write(tmp_path / "H.seglst.json", hypotheses)
    files = ["-r", "R.seglst.json", "-h", "H.seglst.json"]
    subprocess.run(
        [sys.executable, "-m", "meeteval.wer", *command, *files],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    theirs = json.loads((tmp_path / f"H.seglst_{command[0]}.json").read_text())
    ours = scored(metric, references, hypotheses)
    names = ("substitutions", "deletions", "insertions", "length")
    assert ours.sum(0).tolist() == [theirs[n] for n in names]
    assert metric.value(ours.sum(0)) == pytest.approx(theirs["error_rate"], abs=1e-12)
    each = json.loads((tmp_path / f"H.seglst_{command[0]}_per_reco.json").read_text())
    for session, row in zip(references, ours, strict=True):
        assert row.tolist() == [each[session.id][n] for n in names]


def test_nine_speakers_one_speaker_and_none() -> None:
    nine = [Segment(f"s{k}", f"word{k}") for k in range(9)]
    metric = ConcatenatedWordErrorRate()
    assert metric.row(nine, nine[::-1]) == (0, 0, 0, 9)
    assert metric.row(nine[:1], nine[:1]) == (0, 0, 0, 1)
    assert metric.row(nine, []) == metric.worst(nine) == (0, 9, 0, 9)
    assert metric.row([], nine) == (0, 0, 9, 0)


def test_tcpwer_counts_nothing_without_reference_times_and_the_worst_without_the_answers() -> None:
    metric = TimeConstrainedWordErrorRate()
    timed, bare = [Segment("a", "x y", 0.0, 1.0)], [Segment("a", "x y")]
    assert metric.row(bare, bare) == (0, 0, 0, 0)
    assert np.isnan(metric.value(np.zeros(4)))
    assert metric.row(timed, bare) == metric.worst(timed) == (0, 2, 0, 2)
    assert metric.row(timed, timed) == (0, 0, 0, 2)


tagged = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from("xyzw")), min_size=1, max_size=7
)


@settings(max_examples=60, deadline=None)
@given(tagged, st.data())
def test_word_diarisation_error_is_the_best_over_all_speaker_maps(words, data) -> None:
    tags = data.draw(st.lists(st.sampled_from("pqr"), min_size=len(words), max_size=len(words)))
    reference = [Segment(s, w) for s, w in words]
    answer = [Segment(t, w) for t, (_, w) in zip(tags, words, strict=True)]
    fewest = min(
        sum(dict(zip("ABC", p, strict=True))[s] != t for (s, _), t in zip(words, tags, strict=True))
        for p in itertools.permutations("pqr")
    )
    row = WordDiarizationErrorRate().row(reference, answer)
    assert row == (fewest, len(words))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('[\n{"session_id": "a",,}]', ":2:", "not JSON"),
        ('{"session_id": "a"}', "", "a list of segments"),
        ('[{"session_id": "a", "speaker": "x", "words": "y"},\n\n 7]', ":3:", "entry 2"),
        ('[{"session_id": "a", "speaker": "x"}]', ":1:", '"words" must be a text, is missing'),
        (
            '[\n {"session_id":"a","speaker":"x","words":"y","start_time":2,"end_time":1}]',
            ":2:",
            "ends at 1 before it starts",
        ),
        (
            '[{"session_id":"a","speaker":"x","words":"y","start_time":2}]',
            ":1:",
            "must both be numbers",
        ),
    ],
)
def test_invalid_seglst_names_the_line(tmp_path: Path, text: str, where: str, what: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        seglst.read(path)
    assert where in str(caught.value)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    references, _ = generated(5, timed=True)
    seglst.write(tmp_path / "x.json", references)
    assert seglst.read(tmp_path / "x.json") == references
