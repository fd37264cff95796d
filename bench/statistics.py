"""From rows to scores with intervals: sums, bootstrap, paired tests, over any metric.

Everything here works on an array of rows, shape (n, columns), one row a sample. Resamples are drawn
as counts and multiplied with the rows, so that a resample costs its random numbers and a matrix
product, and memory does not grow with their number. Rows must come in an order that does not depend
on how the run went (sorted by sample id); then the same rows and seed give the same interval to the
last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics.metric import Array, Metric

RESAMPLES = 1000
LEVEL = 0.95
AT_ONCE = 1 << 16
"""Draws held in memory at once; more is slower, since they leave the processor's cache."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and its interval (percentile bootstrap); NaN where undefined, as with one sample."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """`b - a` on the same samples.

    `low`, `high`: paired bootstrap interval. `p`: two-sided paired permutation test (approximate
    randomisation, as sacreBLEU's: (count + 1) / (draws + 1)).
    """

    value: float
    low: float
    high: float
    p: float
    n: int


def cluster_sums(rows: Array, clusters: Sequence[str] | None) -> Array:
    """Rows summed within each cluster, clusters in sorted order; unchanged without clusters."""
    if clusters is None:
        return rows
    _, index = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((index.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums


def resampled_sums(rows: Array, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """Sums of `resamples` draws of n rows with replacement, shape (resamples, columns)."""
    n = len(rows)
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, rows.shape[1]))
    step = max(1, AT_ONCE // n)
    for start in range(0, resamples, step):
        some = min(step, resamples - start)
        drawn = rng.integers(0, n, (some, n)) + n * np.arange(some)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n)
        sums[start : start + some] = counts @ rows
    return sums


def estimate(
    metric: Metric,
    rows: Array,
    *,
    clusters: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A metric's score over all rows, with its interval.

    `clusters` (one name a row, a speaker say) draws whole clusters: the interval for new speakers
    rather than for new utterances of the same ones.
    """
    return estimates([metric], {metric.name: rows}, clusters, resamples, seed)[metric.name]


def estimates(
    metrics: Sequence[Metric],
    table: Mapping[str, Array],
    clusters: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The scores of several metrics over the same samples, from one set of resamples."""
    arrays = [table[m.name] for m in metrics]
    n = len(arrays[0]) if arrays else 0
    units = cluster_sums(np.hstack(arrays), clusters) if arrays else np.zeros((0, 0))
    drawn = resampled_sums(units, resamples, seed) if len(units) > 1 else None
    edges = np.cumsum([0] + [a.shape[1] for a in arrays])
    result = {}
    for metric, array, start, end in zip(metrics, arrays, edges, edges[1:], strict=False):
        value = _value(metric, array.sum(axis=0)) if n else float("nan")
        draws = None if drawn is None else _value_many(metric, drawn[:, start:end])
        result[metric.name] = Estimate(value, *_interval(draws), n)
    return result


def macro(
    metric: Metric, groups: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The unweighted mean of a metric over groups (sets), each resampled within itself."""
    values = [_value(metric, g.sum(axis=0)) for g in groups]
    drawn = None
    if all(len(g) > 1 for g in groups):
        each = [
            _value_many(metric, resampled_sums(g, resamples, seed + i))
            for i, g in enumerate(groups)
        ]
        drawn = np.mean(each, axis=0)
    return Estimate(float(np.mean(values)), *_interval(drawn), sum(map(len, groups)))


def pooled(metric: Metric, groups: Sequence[Array]) -> Estimate:
    """A metric over the rows of all groups together, as if they were one set."""
    return estimate(metric, np.vstack(groups))


def paired(
    metric: Metric, a: Array, b: Array, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """`b - a` for two systems on the same samples in the same order.

    Raises ValueError where the numbers of samples differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"{metric.name}: {len(a)} and {len(b)} samples cannot be paired")
    n, k = a.shape
    value = _value(metric, b.sum(axis=0)) - _value(metric, a.sum(axis=0))
    if n < 2:
        return Difference(value, float("nan"), float("nan"), float("nan"), n)
    sums = resampled_sums(np.hstack([a, b]), resamples, seed)
    drawn = _value_many(metric, sums[:, k:]) - _value_many(metric, sums[:, :k])
    rng = np.random.default_rng([seed, 1])
    moved = np.empty((resamples, k))
    for i in range(resamples):
        moved[i] = rng.integers(0, 2, n).astype(np.float64) @ (b - a)
    swapped = _value_many(metric, b.sum(axis=0) - moved) - _value_many(
        metric, a.sum(axis=0) + moved
    )
    extreme = int(np.sum(np.abs(swapped) >= abs(value) - 1e-12))
    return Difference(value, *_interval(drawn), (extreme + 1) / (resamples + 1), n)


def quantiles(values: Sequence[float] | NDArray[np.float64], *levels: float) -> list[float]:
    """Quantiles by linear interpolation; NaN where there is nothing to take them of."""
    if not len(values):
        return [float("nan")] * len(levels)
    return [float(q) for q in np.quantile(np.asarray(values, dtype=np.float64), levels)]


def _value(metric: Metric, sums: Array) -> float:
    return float(_value_many(metric, sums[None, :])[0])


def _value_many(metric: Metric, sums: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(metric.value(sums), dtype=np.float64)


def _interval(drawn: Array | None) -> tuple[float, float]:
    if drawn is None or np.isnan(drawn).all():
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
