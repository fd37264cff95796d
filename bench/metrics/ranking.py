"""How well scores rank and measure candidates whose true scores are known.

A target is a `Truth`, an answer one score a candidate; a row is a problem. Ties have average ranks;
a correlation that does not exist (all scores equal, one candidate) counts as 0 and is counted.
Source: Scoring Verifiers (arXiv 2502.13820), section 4, and its code, evaluate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metric import Array, Metric, Row


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a problem's candidates: scores in [0, 1], and ranks with 1 the best."""

    scores: tuple[float, ...]
    ranks: tuple[float, ...]


def average_ranks(values: Sequence[float]) -> Array:
    """Ranks from 1, the lowest value first; equal values share the mean of their ranks."""
    v = np.asarray(values, dtype=np.float64)
    below = (v[None, :] < v[:, None]).sum(axis=1)
    equal = (v[None, :] == v[:, None]).sum(axis=1)
    return below + (equal + 1) / 2


def min_max(scores: Sequence[float]) -> tuple[float, ...]:
    """One problem's scores stretched to [0, 1], as rewards are; all 0 where all are equal."""
    low, high = min(scores), max(scores)
    return tuple((s - low) / ((high - low) or 1.0) for s in scores)


def spearman(a: Array, b: Array) -> float:
    """Pearson's correlation of two rank vectors; NaN where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def kendall_tau(a: Array, b: Array) -> float:
    """Kendall's tau-b; NaN where one of the vectors is constant."""
    signs_a, signs_b = (np.sign(v[:, None] - v[None, :]) for v in (a, b))
    scale = np.sqrt((signs_a**2).sum() * (signs_b**2).sum())
    return float((signs_a * signs_b).sum() / scale) if scale else float("nan")


class Mean(Metric):
    """A number a problem, averaged over problems."""

    higher_is_better = True
    columns = ("total", "problems")

    def value(self, sums: Array) -> Array:
        """Mean over problems."""
        return sums[..., 0] / sums[..., -1]


class Top1(Mean):
    """Credit for the best candidate among the highest scores: 1 over how many share that score."""

    name = "top1"

    def row(self, target: Truth, answer: Sequence[float]) -> Row:
        """The credit, and 1."""
        return _credit(answer, max(answer), target.ranks, min(target.ranks)), 1.0

    def worst(self, target: Truth) -> Row:
        """No credit."""
        return 0.0, 1.0


class Bottom1(Mean):
    """Credit for the worst candidate among the lowest scores."""

    name = "bottom1"

    def row(self, target: Truth, answer: Sequence[float]) -> Row:
        """The credit, and 1."""
        return _credit(answer, min(answer), target.ranks, max(target.ranks)), 1.0

    def worst(self, target: Truth) -> Row:
        """No credit."""
        return 0.0, 1.0


def _credit(answer: Sequence[float], extreme: float, ranks: Sequence[float], rank: float) -> float:
    group = [r for s, r in zip(answer, ranks, strict=True) if s == extreme]
    return 1.0 / len(group) if rank in group else 0.0


class Spearman(Mean):
    """Spearman's rho between given and true ranks; `undefined` counts the problems set to 0."""

    name, unit = "spearman", "score"
    columns = ("total", "undefined", "problems")
    _correlation = staticmethod(spearman)

    def row(self, target: Truth, answer: Sequence[float]) -> Row:
        """The correlation, whether it had to be set to 0, and 1."""
        given = average_ranks([-s for s in answer])
        found = self._correlation(average_ranks(target.ranks), given)
        return (found, 0.0, 1.0) if found == found else (0.0, 1.0, 1.0)

    def worst(self, target: Truth) -> Row:
        """The ranking turned upside down."""
        return -1.0, 0.0, 1.0


class KendallTau(Spearman):
    """Kendall's tau-b between given and true ranks."""

    name = "kendall_tau"
    _correlation = staticmethod(kendall_tau)


class MeanAbsoluteError(Metric):
    """|score - true score|, over all candidates of all problems."""

    name, unit = "mae", "score"
    columns = ("error", "candidates")

    def row(self, target: Truth, answer: Sequence[float]) -> Row:
        """Summed errors, and how many."""
        pairs = zip(answer, target.scores, strict=True)
        return sum(abs(s - t) for s, t in pairs), float(len(target.scores))

    def worst(self, target: Truth) -> Row:
        """Scores at the far end of [0, 1]."""
        return sum(max(t, 1 - t) for t in target.scores), float(len(target.scores))

    def value(self, sums: Array) -> Array:
        """Mean over candidates."""
        return sums[..., 0] / sums[..., 1]


class RSquared(Metric):
    """1 - residual / total variation, over all candidates of all problems.

    NaN where the true scores do not vary (the paper's code says 1 there).
    """

    name, unit, higher_is_better = "r2", "score", True
    columns = ("residual", "true", "true_squared", "candidates")

    def row(self, target: Truth, answer: Sequence[float]) -> Row:
        """Sums of squares; true scores count from 0.5, which keeps digits."""
        pairs = list(zip(answer, target.scores, strict=True))
        return self._row(sum((s - t) ** 2 for s, t in pairs), target)

    def worst(self, target: Truth) -> Row:
        """Scores at the far end of [0, 1]."""
        return self._row(sum(max(t, 1 - t) ** 2 for t in target.scores), target)

    def _row(self, residual: float, target: Truth) -> Row:
        centred = [t - 0.5 for t in target.scores]
        return residual, sum(centred), sum(c * c for c in centred), float(len(centred))

    def value(self, sums: Array) -> Array:
        """1 - residual / total."""
        residual, true, squared, n = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        total = squared - true * true / n
        constant = total <= 1e-13 * squared  # what rounding leaves of nothing
        return 1.0 - residual / np.where(constant, np.nan, total)


def ranking_metrics() -> tuple[Metric, ...]:
    """All of the paper's, in the order of its tables."""
    return Top1(), Spearman(), Bottom1(), MeanAbsoluteError(), KendallTau(), RSquared()


ON_SCALE = ("mae", "r2")
"""The metrics that compare scores with true scores: rewards are min-max normalised for these."""


def rows(
    metrics: Sequence[Metric], truth: Truth, answer: Sequence[float], reward: bool
) -> dict[str, Row]:
    """One row a metric; the scores of a reward are stretched to [0, 1] where that matters."""
    scaled = min_max(answer) if reward else answer
    return {m.name: m.row(truth, scaled if m.name in ON_SCALE else answer) for m in metrics}
