"""What an interpretation costs: calls, tokens and seconds for each unit of source."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bench.metrics.metric import Array, Metric, Row
from ...bench.stream import Interpretation


class PerUnit(Metric):
    """A cost over the length of the source: `calls`, `tokens`, or `seconds` of computing.

    What a sentence without an answer cost is not known: it is in neither sum.
    """

    columns = ("cost", "source")

    def __init__(self, cost: str, unit: str = "words") -> None:
        self.cost = cost
        self.name = f"{cost}_per_{unit.removesuffix('s')}"
        self.unit = f"{cost}/{unit.removesuffix('s')}"  # type: ignore[misc]

    def row(self, target: Any, answer: Interpretation) -> Row:
        costs = {
            "calls": answer.calls,
            "tokens": answer.tokens,
            "seconds": answer.total_seconds,
        }
        return float(costs[self.cost]), float(answer.source_length)

    def worst(self, target: Any) -> Row:
        return 0.0, 0.0

    def value(self, sums: Array) -> Array:
        cost, source = sums[..., 0], sums[..., 1]
        return np.where(source > 0, cost / np.maximum(source, 1e-12), np.nan)
