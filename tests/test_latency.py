"""Latency metrics: against direct derivations, against SimulEval, and where SimulEval is silent."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.metrics.latency import (
    AverageLagging,
    AverageProportion,
    AverageTokenDelay,
    DifferentiableAverageLagging,
    Extent,
    LengthAdaptiveAverageLagging,
    LengthRatio,
    Timeline,
    latency_metrics,
)
from podium.bench.statistics import estimates


def direct_al(d, x, y):
    if d[0] > x:
        return d[0]
    total, n = 0.0, 0
    for i, delay in enumerate(d):
        total += delay - i * x / y
        n += 1
        if delay >= x:
            break
    return total / n


def direct_dal(d, x):
    pace, last, total = x / len(d), None, 0.0
    for i, delay in enumerate(d):
        last = delay if last is None else max(delay, last + pace)
        total += last - i * pace
    return total / len(d)


def direct_atd(d, e, source_token, target_token):
    """Kano et al., eqs. 1-4, written out chunk by chunk."""
    chunks: list[tuple[float, int]] = []  # (delay, units)
    for delay in d:
        if chunks and chunks[-1][0] == delay:
            chunks[-1] = (delay, chunks[-1][1] + 1)
        else:
            chunks.append((delay, 1))
    ends, read_until, start = [0.0], [0], 0.0
    for delay, _ in chunks:
        whole, rest = divmod(delay - start, source_token)
        for k in range(int(whole)):
            ends.append(start + (k + 1) * source_token)
        if rest:
            ends.append(delay)
        read_until.append(len(ends) - 1)
        start = delay
    total, clock, t, written, computed = 0.0, 0.0, 0, 0, 0.0
    for c, (delay, units) in enumerate(chunks, 1):
        for _ in range(units):
            t += 1
            spent = e[t - 1] - delay
            clock = max(delay, clock) + target_token + spent - computed
            computed = spent
            against = min(t - max(0, written - read_until[c - 1]), read_until[c])
            total += clock - ends[against]
        written += units
    return total / len(d)


@st.composite
def sentences(draw, speech=False):
    x = draw(st.integers(1, 30))
    n = draw(st.integers(1, 40))
    steps = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    delays = np.minimum(np.cumsum([max(1, steps[0]), *steps[1:]]), x).astype(float)
    if speech:
        delays, x = delays * 170.5, x * 170.5
    spent = np.cumsum(draw(st.lists(st.floats(0, 3), min_size=n, max_size=n)))
    y = draw(st.integers(1, 40))
    return Extent(float(x), y), Timeline(tuple(delays), tuple(delays + spent))


@given(st.lists(sentences(), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_equal_direct_derivations(pairs):
    targets, answers = zip(*pairs, strict=True)
    for aware in (False, True):
        times = [a.elapsed if aware else a.delays for a in answers]
        expected = {
            AverageLagging: [
                direct_al(d, t.source_length, t.reference_length)
                for d, t in zip(times, targets, strict=True)
            ],
            LengthAdaptiveAverageLagging: [
                direct_al(d, t.source_length, max(len(d), t.reference_length))
                for d, t in zip(times, targets, strict=True)
            ],
            DifferentiableAverageLagging: [
                direct_dal(d, t.source_length) for d, t in zip(times, targets, strict=True)
            ],
            AverageProportion: [
                sum(d) / t.source_length / t.reference_length
                for d, t in zip(times, targets, strict=True)
            ],
            AverageTokenDelay: [
                direct_atd(a.delays, d, 1, 1) for a, d in zip(answers, times, strict=True)
            ],
        }
        for kind, lags in expected.items():
            rows = kind(compute_aware=aware).rows(targets, answers)
            assert rows[:, 0] == pytest.approx(lags, abs=1e-9), kind.__name__
            assert (rows[:, 1] == 1).all()


@given(st.lists(sentences(speech=True), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_token_delay_of_speech(pairs):
    targets, answers = zip(*pairs, strict=True)
    rows = AverageTokenDelay(True, "ms", 300.0, 0.0).rows(targets, answers)
    expected = [direct_atd(a.delays, a.elapsed, 300, 0) for a in answers]
    assert rows[:, 0] == pytest.approx(expected, abs=1e-6)


@given(st.lists(sentences(), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None)
def test_scores_do_not_depend_on_who_is_scored_together(pairs):
    targets, answers = zip(*pairs, strict=True)
    for metric in latency_metrics():
        together = metric.rows(targets, answers)
        alone = [metric.row(t, a) for t, a in pairs]
        assert together == pytest.approx(np.array(alone), abs=1e-12)


def test_wait_k_lags_k():
    """On equal lengths, wait-k has AL = LAAL = k (its paper's own sanity check)."""
    for k in (1, 3, 5):
        delays = tuple(float(min(k + i, 20)) for i in range(20))
        target, answer = Extent(20.0, 20), Timeline(delays)
        assert AverageLagging().row(target, answer) == (k, 1.0)
        assert LengthAdaptiveAverageLagging().row(target, answer) == (k, 1.0)


def test_an_empty_output_has_the_delay_of_its_whole_source():
    target = Extent(7.0, 5)
    for metric in latency_metrics():
        lag = metric.row(target, Timeline((), (), 9.5))[0]
        expected = {"ap": 1.0, "ap_ca": 9.5 / 7, "length_ratio": 0.0, "cut_short": 1.0}
        default = 9.5 if metric.name.endswith("_ca") else 7.0
        assert lag == pytest.approx(expected.get(metric.name, default)), metric.name
        assert metric.worst(target)[0] in (7.0, 1.0, 0.0)


def test_saying_little_does_not_lower_laal_unseen():
    """One word of six: AL rewards it, and the length ratio and the flag beside it say so."""
    target, answer = Extent(6.0, 6), Timeline((1.0,))
    scores = {m.name: m.row(target, answer)[0] for m in latency_metrics()}
    assert scores["al"] == 1.0
    assert scores["cut_short"] == 1.0
    assert LengthRatio().row(target, answer) == (1.0, 6.0)


def test_an_empty_source_is_defined():
    for metric in latency_metrics():
        for answer in (Timeline(()), Timeline((0.0,), (0.5,))):
            assert all(map(math.isfinite, metric.row(Extent(0.0, 1), answer))), metric.name


def test_times_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="2 delays but 1 elapsed"):
        AverageLagging(True).row(Extent(2, 2), Timeline((1.0, 2.0), (1.0,)))


def many(n, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        x, y = rng.integers(5, 40), rng.integers(5, 40)
        delays = np.minimum(np.sort(rng.integers(1, x + 1, rng.integers(1, 40))), x).astype(float)
        yield Extent(float(x), int(y)), Timeline(delays.tolist(), (delays + 1).tolist())


@pytest.mark.heavy
def test_ten_thousand_sentences_in_two_seconds():
    targets, answers = zip(*many(10_000), strict=True)
    metrics = latency_metrics()
    best = math.inf
    for _ in range(5):  # the machine may be busy: the best of five
        started = time.process_time()
        estimates(metrics, {m.name: m.rows(targets, answers) for m in metrics})
        best = min(best, time.process_time() - started)
    assert best < 2, f"{best:.2f} s of CPU"


SIMULEVAL = """
import json, sys
from simuleval.evaluator.instance import LogInstance
from simuleval.evaluator.scorers.latency_scorer import LATENCY_SCORERS_DICT

lines = open(sys.argv[1]).read().splitlines()
out = {}
for name in ("AL", "LAAL", "AP", "DAL", "ATD"):
    for aware in (False, True):
        scorer = LATENCY_SCORERS_DICT[name](computation_aware=aware)
        one = lambda line: scorer({0: LogInstance(line)})
        out[name.lower() + ("_ca" if aware else "")] = [one(line) for line in lines]
print(json.dumps(out))
"""


@pytest.mark.heavy
def test_equal_to_simuleval(tmp_path: Path):
    """SimulEval 1.1.4 from PyPI, in an environment of its own, on one log of 300 sentences."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False)
    python = str(folder / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    needs = ["numpy", "pandas", "pyyaml", "requests", "sacrebleu", "soundfile", "textgrid"]
    needs += ["tornado", "tqdm"]
    for wheels in (["--no-deps", "simuleval==1.1.4"], needs):
        done = subprocess.run([*install, *wheels], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"SimulEval cannot be installed: {done.stderr[-200:]}")
    pairs = list(many(300, seed=1))
    log = tmp_path / "instances.log"
    with log.open("w") as file:
        for k, (target, answer) in enumerate(pairs):
            record = {
                "index": k,
                "prediction": " ".join(["w"] * len(answer.delays)),
                "delays": answer.delays,
                "elapsed": answer.elapsed,
                "prediction_length": len(answer.delays),
                "reference": " ".join(["r"] * int(target.reference_length)),
                "source": ["speech"],
                "source_length": target.source_length,
            }
            file.write(json.dumps(record) + "\n")
    script = tmp_path / "score.py"
    script.write_text(SIMULEVAL)
    done = subprocess.run([python, str(script), str(log)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    targets, answers = zip(*pairs, strict=True)
    ours = {m.name: m.rows(targets, answers)[:, 0] for m in latency_metrics("ms", True, 300.0, 0.0)}
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values, abs=1e-9), name
