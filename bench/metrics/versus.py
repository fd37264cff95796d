"""Any metric against the input that a system was to improve: the input's own score, and the gain.

The target is a mapping with `reference` and `source` (the uncorrected input, shaped as an answer).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .metric import Array, Metric, Row


class _Wrapped(Metric):
    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.columns = metric.columns
        self.higher_is_better = metric.higher_is_better
        self.name = metric.name

    def value(self, sums: Array) -> Array:
        """The metric's own value."""
        return self.metric.value(sums)

    def signature(self) -> dict[str, str]:
        """The metric's own choices."""
        return self.metric.signature()


class OfAnswer(_Wrapped):
    """The metric of the answer."""

    def row(self, target: Mapping[str, Any], answer: Any) -> Row:
        """The metric's row against the reference."""
        return self.metric.row(target["reference"], answer)

    def worst(self, target: Mapping[str, Any]) -> Row:
        """The metric's worst row."""
        return self.metric.worst(target["reference"])


class OfSource(_Wrapped):
    """The metric of the input as it came: the same for every system, answered or not."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self.name = f"{metric.name}_source"

    def row(self, target: Mapping[str, Any], answer: Any) -> Row:
        """The input's row."""
        return self.worst(target)

    def worst(self, target: Mapping[str, Any]) -> Row:
        """The input's row."""
        return self.metric.row(target["reference"], target["source"])


class AgainstSource(_Wrapped):
    """The answer's score minus the input's; both in one row, so its interval is a paired one."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self.name = f"{metric.name}_change"
        sides = ("answer", "source")
        self.columns = tuple(f"{side}_{c}" for side in sides for c in metric.columns)

    def row(self, target: Mapping[str, Any], answer: Any) -> Row:
        """The answer's row, then the input's."""
        source = self.metric.row(target["reference"], target["source"])
        return (*self.metric.row(target["reference"], answer), *source)

    def worst(self, target: Mapping[str, Any]) -> Row:
        """The metric's worst row, then the input's."""
        source = self.metric.row(target["reference"], target["source"])
        return (*self.metric.worst(target["reference"]), *source)

    def value(self, sums: Array) -> Array:
        """value(answer) - value(source)."""
        sums = np.asarray(sums, dtype=np.float64)
        answer, source = np.split(sums, 2, axis=-1)
        return self.metric.value(answer) - self.metric.value(source)


def against_source(metric: Metric) -> tuple[Metric, Metric, Metric]:
    """Answer, source, and the paired change."""
    return OfAnswer(metric), OfSource(metric), AgainstSource(metric)
