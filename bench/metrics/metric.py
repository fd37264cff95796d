"""The shape every metric has: a fixed row of numbers a sample, and a value of the summed rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = tuple[float, ...]
Array = NDArray[np.float64]


class Metric(ABC):
    """Sufficient statistics and the score that follows from their sum.

    Nothing else in the suite knows how a metric is averaged, resampled, compared or sharded:
    `statistics.py` does that once, for every metric. (The pattern is sacreBLEU's and MeetEval's.)
    """

    name: str
    unit: str = "ratio"
    higher_is_better: bool = False
    columns: tuple[str, ...]

    @abstractmethod
    def row(self, target: Any, answer: Any) -> Row:
        """The statistics of one sample, in the order of `columns`."""

    def rows(self, targets: Sequence[Any], answers: Sequence[Any], /) -> Array:
        """The rows of n samples, shape (n, len(columns)); a metric may have a faster way."""
        rows = [self.row(t, a) for t, a in zip(targets, answers, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.columns))

    @abstractmethod
    def worst(self, target: Any) -> Row:
        """The statistics of a missing answer: those of the worst one."""

    @abstractmethod
    def value(self, sums: Array) -> Array:
        """The score of summed rows, shape (..., len(columns)) -> (...); NaN where undefined."""

    def signature(self) -> dict[str, str]:
        """The choices that made this number, for the run's signature: rule, normaliser, hashes."""
        return {}
