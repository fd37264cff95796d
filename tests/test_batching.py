"""Plans hold every sample once within their limit; the search equals brute force."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.adapter import Adapter, Failure, Transcribes
from podium.bench.batch_search import auto_budgets, auto_limit, is_out_of_memory, search_largest
from podium.bench.batching import (
    MAX_STRETCH,
    UNKNOWN,
    Batch,
    BatchLimit,
    Padding,
    estimate_buckets,
    is_known,
    parse_batch,
    plan,
)
from podium.bench.errors import UsageError
from podium.bench.task import Outcome, Request, Sample, Size, Transcript

odd = st.sampled_from([0.0, -1.0, math.nan, math.inf, 1e-300, 1e300, 18_000.0])
inputs = st.floats(0.1, 40.0) | odd
outputs = st.just(0.0) | st.integers(0, 400).map(float) | st.sampled_from([math.nan, 1e9])
windows = st.lists(st.builds(Size, inputs, outputs), max_size=60).map(
    lambda sizes: [Sample(f"s{i}", Request(), None, size) for i, size in enumerate(sizes)]
)
limits = st.builds(BatchLimit, samples=st.integers(1, 20)) | st.builds(
    BatchLimit, padded=st.floats(0.5, 500)
)


def longest(samples) -> Size:
    return Size(max(s.size.input for s in samples), max(s.size.output for s in samples))


@given(windows, limits, st.integers(1, 12), st.integers(1, 3))
def test_every_sample_once_within_the_limit(window, limit, num, sub):
    batches = plan(window, limit, num, sub)
    assert sorted(s.id for b in batches for s in b.samples) == sorted(s.id for s in window)
    for batch in batches:
        if len(batch.samples) == 1:
            continue
        sizes = [s.size for s in batch.samples]
        assert all(map(is_known, sizes))
        top = max(s.input for s in sizes)
        assert limit.samples is None or len(sizes) <= limit.samples
        assert limit.padded is None or len(sizes) * top <= limit.padded * (1 + 1e-11)
        assert top <= MAX_STRETCH * min(s.input for s in sizes)


@given(windows, limits, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_window(window, limit, shuffler):
    ids = [[s.id for s in b.samples] for b in plan(window, limit)]
    shuffler.shuffle(window)
    assert [[s.id for s in b.samples] for b in plan(window, limit)] == ids


@given(windows, limits)
def test_longest_first_and_unknown_last(window, limit):
    known = [is_known(b.samples[0].size) for b in plan(window, limit)]
    assert known == sorted(known, reverse=True)
    tops = [longest(b.samples).input for b in plan(window, limit)][: sum(known)]
    assert tops == sorted(tops, reverse=True)


@given(windows, limits)
def test_after_halving_no_batch_in_that_bucket_is_as_large(window, limit):
    for failed in plan(window, limit):
        lowered = limit.halved(failed)
        if len(failed.samples) > 1:
            assert lowered.most(longest(failed.samples)) <= len(failed.samples) // 2
        for batch in plan(window, lowered):
            assert len(batch.samples) <= lowered.most(longest(batch.samples))
    assert limit.ceilings == ()


def test_halving_comes_down_to_one_and_leaves_shorter_buckets_alone():
    window = [Sample(f"{i:03}", Request(), None, Size(1.0 + i * 0.1)) for i in range(200)]
    limit = parse_batch("16")
    for _ in range(6):
        limit = limit.halved(plan(window, limit)[0])
    batches = plan(window, limit)
    assert len(batches[0].samples) == 1
    assert len(batches[-2].samples) == 16
    assert len(limit.ceilings) == 1


def test_a_late_failure_of_an_old_plan_never_raises_a_ceiling():
    window = [Sample(f"{i:03}", Request(), None, Size(5.0)) for i in range(64)]
    batch = plan(window, parse_batch("16"))[0]
    half = Batch(batch.samples[:8], batch.bucket)
    limit = parse_batch("16").halved(batch).halved(half)
    assert limit.most(Size(5.0)) == 4
    assert limit.halved(batch).most(Size(5.0)) == 4


@pytest.mark.parametrize("text", ["auto", "16", "120s", "2.5s"])
def test_limits_print_as_they_are_written(text):
    assert str(parse_batch(text)) == text


@pytest.mark.parametrize(
    "text", ["0", "-1", "12x", "", "0s", "0.0s", "1e3", "nans", "１６", "auto1"]
)
def test_rubbish_limits_are_refused(text):
    with pytest.raises(UsageError, match="--batch"):
        parse_batch(text)


def speech(n: int, seed: int = 0) -> list[Size]:
    rng = np.random.default_rng(seed)
    seconds = np.clip(rng.lognormal(2.3, 0.6, n), 1.3, 35)
    tokens = np.round(seconds * np.clip(rng.normal(3.5, 0.7, n), 1, 6))
    return [Size(float(t), float(u)) for t, u in zip(seconds, tokens, strict=True)]


def test_buckets_carry_equal_mass():
    sizes = [Size(s.input, s.output + 0.3 * s.input) for s in speech(20_000)]
    buckets = estimate_buckets(sizes, 10, 2)
    mass = np.zeros((10, 2, 2))
    for size in sizes:
        mass[buckets.index(size)] += size.input, size.output
    by_input = mass[..., 0].sum(axis=1)
    # 35 s, where the clipped durations pile up, is one value and cannot be cut
    assert by_input == pytest.approx(np.full(10, by_input.sum() / 10), rel=0.1)
    assert mass[:, 0, 1] == pytest.approx(mass[:, 1, 1], rel=0.02)


@given(st.lists(st.builds(Size, inputs, outputs), min_size=1, max_size=60))
def test_a_bucket_holds_what_it_is_given_up_to_the_last_edges(sizes):
    buckets = estimate_buckets(sizes, 5, 2)
    for size in sizes:
        bucket = buckets.of(size)
        if not is_known(size):
            assert bucket is UNKNOWN
            continue
        assert bucket.floor.input < size.input <= bucket.edge.input
        assert bucket.floor.output < size.output


def test_outliers_of_the_token_rate_set_no_edge_and_still_have_a_bucket():
    sizes = [*speech(5_000), Size(10.0, 100_000.0)]
    buckets = estimate_buckets(sizes)
    assert max(bucket.edge.output for bucket in buckets) < 1_000
    assert buckets.of(sizes[-1]).edge.input >= 10.0


def test_one_dimension_where_no_output_is_known():
    buckets = estimate_buckets([Size(s.input) for s in speech(1_000)], 8)
    assert [len(edges) for edges in buckets.outputs] == [1] * 8


def test_equal_edges_are_merged_and_get_more_sub_buckets():
    buckets = estimate_buckets([Size(1.0, float(u)) for u in range(1, 101)], 4, 2)
    assert buckets.inputs == (1.0,)
    assert len(buckets.outputs[0]) == 8


def test_a_recording_of_hours_has_a_bucket_of_its_own():
    buckets = estimate_buckets([*speech(1_000), Size(18_000.0)], 10)
    assert buckets.inputs[-1] == 18_000.0
    assert buckets.inputs[-2] <= 35
    assert len(buckets.inputs) == 10


# Padding


@given(st.lists(st.lists(st.builds(Size, st.floats(0.1, 40), st.floats(1, 99)), min_size=1)))
def test_padding_adds_and_equals_the_padded_arrays(batches):
    total = sum((Padding.of(batch) for batch in batches), Padding())
    if not batches:
        assert total.input_ratio is total.output_ratio is total.useful_compute is None
        return
    real = padded = squared = padded_squared = 0.0
    for batch in batches:
        array = np.zeros((len(batch), 2))
        array[:] = max(s.input for s in batch), max(s.output for s in batch)
        real += sum(s.input for s in batch)
        padded += array[:, 0].sum()
        squared += sum(s.input**2 for s in batch)
        padded_squared += (array[:, 0] ** 2).sum()
    assert total.input_ratio == pytest.approx(1 - real / padded, abs=1e-9)
    assert total.useful_compute == pytest.approx(squared / padded_squared, abs=1e-9)
    cut = len(batches) // 2
    parts = [
        sum((Padding.of(b) for b in part), Padding()) for part in (batches[:cut], batches[cut:])
    ]
    assert (parts[0] + parts[1]).output_ratio == pytest.approx(total.output_ratio, abs=1e-9)


def test_padding_by_hand():
    padding = Padding.of([Size(10.0, 4.0), Size(5.0, 1.0), Size(math.nan)])
    assert padding.input_ratio == 0.25
    assert padding.output_ratio == 0.375
    assert padding.useful_compute == 0.625
    assert Padding.of([Size(3.0)]).output_ratio is None


# Search


@given(st.integers(0, 5_000), st.integers(1, 300), st.integers(1, 4_096))
def test_the_search_equals_brute_force_within_its_tolerance(largest, start, ceiling):
    asked: list[int] = []

    def fits(n: int) -> bool:
        asked.append(n)
        return n <= largest

    found = search_largest(fits, start=start, ceiling=ceiling)
    true = min(largest, ceiling)
    assert found <= true
    assert found == true or true < found / 0.95
    assert len(asked) == len(set(asked)) <= 40
    assert max(asked) <= ceiling


def test_the_search_halves_doubles_and_bisects():
    asked: list[int] = []
    search_largest(lambda n: asked.append(n) or n <= 100, start=32)
    assert asked == [32, 64, 128, 96, 112, 104, 100]
    asked.clear()
    search_largest(lambda n: asked.append(n) or n <= 5, start=32)
    assert asked == [32, 16, 8, 4, 6, 5]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (type("OutOfMemoryError", (RuntimeError,), {})("x"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("cuFFT error: CUFFT_INTERNAL_ERROR"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert is_out_of_memory(error) is expected
    wrapped = RuntimeError("the model failed")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped) is expected


def test_torch_running_out_of_memory_is_recognised():
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**52)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("x"))


# Probing


@dataclass
class Greedy(Adapter):
    """Holds at most `units` padded input units, and is quick about it."""

    units: float
    give_back: bool = False
    batched = True
    sampling_rate = 16_000

    def transcribe(self, batch):
        if len(batch) * batch[0].seconds > self.units * (1 + 1e-9):
            if self.give_back:
                return [Failure(Outcome.OUT_OF_MEMORY, "too much") for _ in batch]
            raise MemoryError("too much")
        sum(float(np.abs(np.fft.rfft(audio.samples)).sum()) for audio in batch)
        return [Transcript("") for _ in batch]


@pytest.mark.parametrize("give_back", [False, True])
def test_budgets_stay_within_what_fits_and_grow_as_inputs_get_shorter(give_back):
    adapter = Greedy(16.0, give_back)
    buckets = tuple(estimate_buckets([Size(x) for x in (1.0, 2.0, 4.0)], 3, 1))
    budgets = auto_budgets(adapter, Transcribes, buckets, seconds=10)
    counts = [b.samples for b in budgets]
    assert counts == sorted(counts)
    assert all(b.samples * b.bucket.edge.input <= 16.0 for b in budgets)
    assert counts[0] >= 1


def test_what_is_too_large_even_alone_still_has_a_budget_of_one():
    buckets = tuple(estimate_buckets([Size(8.0)], 1, 1))
    (budget,) = auto_budgets(Greedy(1.0), Transcribes, buckets)
    assert (budget.samples, budget.stopped_by) == (1, "memory")
    assert "MemoryError" in budget.message


def test_adapters_that_do_not_batch_are_not_probed():
    class Single(Greedy):
        batched = False

        def transcribe(self, batch):
            raise AssertionError("probed")

    limit, budgets = auto_limit(Single(1.0), Transcribes, speech(50))
    assert str(limit) == "1"
    assert budgets == ()


def test_the_search_takes_seconds_whatever_is_in_the_window():
    import time

    class Slow(Greedy):
        def transcribe(self, batch):
            time.sleep(0.002 * sum(audio.seconds for audio in batch))
            return [Transcript("") for _ in batch]

    start = time.perf_counter()
    limit, budgets = auto_limit(
        Slow(math.inf), Transcribes, [*speech(200), Size(36_000.0)], seconds=1.0
    )
    assert time.perf_counter() - start < 5
    assert budgets[0].stopped_by == "time"
    assert limit.most(Size(36_000.0)) == 1


def test_a_model_that_refuses_a_size_gets_one_of_it_and_the_reason():
    class Short(Greedy):
        def transcribe(self, batch):
            if batch[0].seconds > 3:
                raise ValueError("at most 3 s")
            return super().transcribe(batch)

    buckets = tuple(estimate_buckets([Size(x) for x in (1.0, 4.0)], 2, 1))
    longest_one, short = auto_budgets(Short(16.0), Transcribes, buckets, seconds=5)
    assert (longest_one.samples, longest_one.stopped_by) == (1, "error")
    assert "at most 3 s" in longest_one.message
    assert short.samples >= 1


def test_a_measured_limit_holds_below_and_beyond_its_buckets():
    sizes = [Size(float(x)) for x in (2, 4, 8, 16)]
    buckets = tuple(estimate_buckets(sizes, 4, 1))
    counts = {b: int(64 / b.edge.input) for b in buckets}
    limit = BatchLimit(auto=True).measured(counts)
    for bucket, n in counts.items():
        assert limit.most(bucket.edge) == n
    assert limit.most(Size(32.0)) == 2
    assert limit.most(Size(640.0)) == 1
    random.seed(0)
    previous = math.inf
    for x in sorted(random.uniform(0.1, 50) for _ in range(100)):
        assert limit.most(Size(x)) <= previous
        previous = limit.most(Size(x))


@settings(max_examples=20)
@given(windows)
def test_plans_keep_to_a_measured_limit(window):
    buckets = tuple(estimate_buckets(speech(200), 4, 1))
    limit = BatchLimit(auto=True).measured({b: int(120 / b.edge.input) for b in buckets})
    for batch in plan(window, limit):
        assert len(batch.samples) <= limit.most(longest(batch.samples))
