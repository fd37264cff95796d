"""Statistics against independent implementations: scipy, sacreBLEU's scheme, brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podium.bench.metrics.metric import Array, Metric, Row
from podium.bench.statistics import (
    cluster_sums,
    estimate,
    estimates,
    macro,
    paired,
    pooled,
    resampled_sums,
)
from scipy import stats


class Ratio(Metric):
    name = "ratio"
    columns = ("errors", "words")

    def row(self, target: str, answer: str) -> Row:
        return float(target != answer), 1.0

    def worst(self, target: str) -> Row:
        return 1.0, 1.0

    def value(self, sums: Array) -> Array:
        return sums[..., 0] / sums[..., 1]


def sample(n: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 30, n)
    return np.stack([rng.binomial(words, 0.2), words], axis=1).astype(float)


@given(st.integers(2, 200), st.integers(0, 5))
def test_the_value_is_that_of_the_sums_and_lies_where_it_should(n: int, seed: int) -> None:
    rows = sample(n, seed)
    found = estimate(Ratio(), rows, resamples=200)
    assert found.value == rows[:, 0].sum() / rows[:, 1].sum()
    assert found.low <= found.high
    assert found.n == n


def test_the_interval_is_scipys() -> None:
    rows = sample(300)
    ours = estimate(Ratio(), rows, resamples=4000)
    theirs = stats.bootstrap(
        (rows[:, 0], rows[:, 1]),
        lambda e, w, axis=-1: e.sum(axis) / w.sum(axis),
        paired=True, n_resamples=4000, method="percentile", rng=1, vectorized=True,
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        found = estimate(Ratio(), sample(100, seed), resamples=300, seed=seed)
        covered += found.low <= 0.2 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_resamples_are_draws_of_n_with_replacement() -> None:
    rows = np.eye(3)
    counts = resampled_sums(rows, 6000, 3)
    assert set(counts.sum(axis=1)) == {3.0}
    seen = {tuple(c) for c in counts}
    assert len(seen) == 10  # all multisets of 3 out of 3
    share = np.mean((counts == 1).all(axis=1))
    assert share == pytest.approx(6 / 27, abs=0.02)


def test_memory_at_once_does_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sample(500)
    whole = resampled_sums(rows, 50)
    monkeypatch.setattr("podium.bench.statistics.AT_ONCE", 700)
    assert np.array_equal(whole, resampled_sums(rows, 50))


def test_one_sample_or_none_has_no_interval() -> None:
    one = estimate(Ratio(), np.array([[1.0, 4.0]]))
    assert one.value == 0.25
    assert np.isnan(one.low)
    assert np.isnan(estimate(Ratio(), np.zeros((0, 2))).value)
    assert np.isnan(estimate(Ratio(), np.zeros((5, 2))).value)  # no words at all


def test_clusters_widen_the_interval_when_speakers_differ() -> None:
    rng = np.random.default_rng(0)
    speakers = [f"s{i // 20}" for i in range(400)]
    rate = np.repeat(rng.uniform(0, 0.6, 20), 20)
    rows = np.stack([rng.binomial(10, rate), np.full(400, 10)], axis=1).astype(float)
    alone = estimate(Ratio(), rows)
    clustered = estimate(Ratio(), rows, clusters=speakers)
    assert clustered.value == alone.value
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
    assert cluster_sums(rows, speakers).shape == (20, 2)


def test_macro_is_the_mean_of_sets_and_pooled_is_not() -> None:
    small, large = np.array([[9.0, 10.0]] * 5), np.array([[1.0, 10.0]] * 95)
    assert macro(Ratio(), [small, large]).value == pytest.approx(0.5)
    assert pooled(Ratio(), [small, large]).value == pytest.approx(0.14)


def test_paired_permutation_is_the_exact_test_on_few_samples() -> None:
    rng = np.random.default_rng(4)
    a = np.stack([rng.integers(0, 6, 10), np.full(10, 6)], axis=1).astype(float)
    b = np.stack([rng.integers(0, 4, 10), np.full(10, 6)], axis=1).astype(float)
    observed = abs((b - a)[:, 0].sum())
    signs = itertools.product((1, -1), repeat=10)
    exact = np.mean([abs(np.dot(s, (b - a)[:, 0])) >= observed - 1e-9 for s in signs])
    found = paired(Ratio(), a, b, resamples=5000)
    assert found.p == pytest.approx(exact, abs=0.02)
    assert found.value == pytest.approx((b - a)[:, 0].sum() / 60)


def test_equal_systems_do_not_differ_and_unequal_counts_are_refused() -> None:
    rows = sample(50)
    same = paired(Ratio(), rows, rows)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="cannot be paired"):
        paired(Ratio(), rows, rows[:-1])


def test_several_metrics_share_their_resamples() -> None:
    class Same(Ratio):
        name = "same"

    rows = sample(40)
    both = estimates([Ratio(), Same()], {"ratio": rows, "same": rows})
    assert both["ratio"] == both["same"] == estimate(Ratio(), rows)
