"""Operating curves: quality over latency, a line a policy, and quality at equal latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .metrics.metric import Array, Metric
from .statistics import LEVEL, RESAMPLES, resampled_sums


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point of a policy: its settings, and two metrics' rows on the same samples."""

    policy: str
    settings: Mapping[str, Any]
    quality: Array
    lag: Array


@dataclass(frozen=True, slots=True)
class AtLatency:
    """Quality at one latency; NaN where the policy's fastest point is slower.

    `gain` is the difference to the reference policy on the same samples (paired bootstrap).
    """

    policy: str
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def at_latency(
    points: Sequence[Point],
    quality: Metric,
    lag: Metric,
    at: float,
    reference: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[AtLatency]:
    """Each policy's quality at a latency, and its gain over the reference policy.

    A policy's curve joins, with straight lines, the points that no point of its own beats at less
    latency; it goes on level to the right (a policy can always wait), and does not exist to the
    left of its fastest point. Every resample of the sentences, the same for all points, draws the
    curves anew, so the intervals hold the choice of points too.
    """
    policies = list(dict.fromkeys(p.policy for p in points))
    width = points[0].quality.shape[1]
    rows = np.hstack([np.hstack([p.quality, p.lag]) for p in points])
    sums = np.vstack([rows.sum(axis=0)[None], resampled_sums(rows, resamples, seed)])
    sums = sums.reshape(len(sums), len(points), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores, lags = quality.value(sums[..., :width]), lag.value(sums[..., width:])
    found = {
        policy: np.array([curve_at(at, lags[i, mine], scores[i, mine]) for i in range(len(sums))])
        for policy in policies
        for mine in [[k for k, p in enumerate(points) if p.policy == policy]]
    }
    base = found[reference]
    return [
        AtLatency(policy, *_spread(values), *_spread(values - base))
        for policy, values in found.items()
    ]


def curve_at(at: float, lags: Array, scores: Array) -> float:
    """The height of a policy's curve at one latency; NaN to the left of it."""
    order = np.lexsort((-scores, lags))
    x, y = lags[order], np.maximum.accumulate(scores[order])
    keep = np.concatenate([[True], np.diff(y) > 0])
    return float(np.interp(at, x[keep], y[keep], left=np.nan))


def _spread(values: Array) -> tuple[float, float, float]:
    """The first value, and the percentile interval of the others, where they exist."""
    drawn = values[1:][~np.isnan(values[1:])]
    # An interval of the few resamples in which a curve exists would be one of the lucky ones.
    if np.isnan(values[0]) or len(drawn) < 0.5 * (len(values) - 1) or not len(drawn):
        return float(values[0]), float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(values[0]), float(low), float(high)


def draw(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path,
    lags: Sequence[str] = ("al", "laal"),
    quality: str = "bleu",
    at: float | None = None,
) -> None:
    """Plot quality over each lag, a line a policy; each point is a run's `scores`."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(lags), figsize=(5.5 * len(lags), 4.4), sharey=True)
    markers = "osD^vP*X"
    unit = ""
    for panel, lag in zip(np.atleast_1d(panels), lags, strict=True):
        for k, (policy, runs) in enumerate(curves.items()):
            scores = sorted(runs, key=lambda s: s[lag]["value"])
            x, y = ([s[name]["value"] for s in scores] for name in (lag, quality))
            bars = [
                [abs((s[quality][end] or s[quality]["value"]) - s[quality]["value"])
                 for s in scores]
                for end in ("low", "high")
            ]  # fmt: skip
            unit = scores[0][lag]["unit"]
            panel.errorbar(
                x, y, bars, label=policy, marker=markers[k % 8], ms=4, lw=1.2, elinewidth=0.5
            )
        if at is not None:
            panel.axvline(at, color="grey", lw=0.6, ls=":")
        panel.set_xlabel(f"{lag.upper()} ({unit})")
        panel.grid(alpha=0.3)
    np.atleast_1d(panels)[0].set_ylabel(f"{quality.upper()} (95 % interval)")
    np.atleast_1d(panels)[-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
