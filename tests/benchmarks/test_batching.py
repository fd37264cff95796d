"""How fast a plan is made, and what each way to batch pads; figures are in `extra_info`."""

from __future__ import annotations

import numpy as np
import pytest
from podium.bench.batching import BatchLimit, Padding, plan
from podium.bench.task import Request, Sample, Size
from podium.bench.utilisation import Sampler

pytest.importorskip("pytest_benchmark")
WINDOW = 10_000


def librispeech_like(n: int) -> list[Sample]:
    """Durations of 1.3 to 35 s about a log-normal, median 10 s; some 3.5 tokens a second."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(2.3, 0.6, n), 1.3, 35)
    tokens = np.round(seconds * np.clip(rng.normal(3.5, 0.7, n), 1, 6))
    return [
        Sample(f"{i:06}", Request(), None, Size(float(t), float(u)))
        for i, (t, u) in enumerate(zip(seconds, tokens, strict=True))
    ]


@pytest.mark.parametrize("limit", [BatchLimit(samples=16), BatchLimit(padded=240)], ids=str)
def test_planning_100_000_samples(benchmark, limit):
    samples = librispeech_like(100_000)
    batches = benchmark.pedantic(plan, args=(samples, limit), rounds=3)
    benchmark.extra_info["batches"] = len(batches)
    assert sum(len(batch.samples) for batch in batches) == 100_000
    assert benchmark.stats.stats.min < 10


def fixed(samples, count=16):
    return [samples[i : i + count] for i in range(0, len(samples), count)]


def by_duration(samples):
    return sorted(samples, key=lambda s: -s.size.input)


def planned(sub_buckets, **limit):
    def batches(samples):
        plans = plan(samples, BatchLimit(**limit), sub_buckets=sub_buckets)
        return [batch.samples for batch in plans]

    return batches


WAYS = {
    "random order, 16": fixed,
    "sorted, 16": lambda samples: fixed(by_duration(samples)),
    "1-D, 16": planned(1, samples=16),
    "2-D, 16": planned(2, samples=16),
    "1-D, 160 s": planned(1, padded=160),
    "2-D, 160 s": planned(2, padded=160),
    "2-D of 4, 160 s": planned(4, padded=160),
}


@pytest.mark.parametrize("way", WAYS)
def test_padding(benchmark, way):
    samples = librispeech_like(WINDOW)
    batches = benchmark.pedantic(WAYS[way], args=(samples,), rounds=1)
    total = sum((Padding.of(s.size for s in batch) for batch in batches), Padding())
    figures = {
        "batches": len(batches),
        "padded_over_real_input": total.input_padded / total.input,
        "padded_over_real_output": total.output_padded / total.output,
        "input_padding": total.input_ratio,
        "output_padding": total.output_ratio,
        "useful_compute": total.useful_compute,
    }
    benchmark.extra_info.update(figures)
    print(way, {name: round(value, 4) for name, value in figures.items()})
    assert (total.input_ratio > 0.3) == way.startswith("random")


def test_one_look_at_the_machine(benchmark):
    with Sampler(60) as sampler:
        benchmark(sampler._sample)
    assert benchmark.stats.stats.median < 0.05
