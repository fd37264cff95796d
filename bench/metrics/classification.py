"""Accuracy and unweighted average recall: the confusion matrix is the row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .metric import Array, Metric, Row

OTHER = "other"
"""The column of answers that are no label of the set, and of answers that never came: wrong."""


class _Confusion(Metric):
    """Counts of (true label, given label), true labels in rows, `OTHER` the last column."""

    higher_is_better = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.columns = tuple(f"{a}>{b}" for a in self.labels for b in (*self.labels, OTHER))

    def row(self, target: str, answer: str) -> Row:
        """One count. Raises ValueError if the target itself is not in the set."""
        given = self.labels.index(answer) if answer in self.labels else len(self.labels)
        row = np.zeros((len(self.labels), len(self.labels) + 1))
        row[self.labels.index(target), given] = 1
        return tuple(row.ravel().tolist())

    def worst(self, target: str) -> Row:
        """Wrong: counted under `OTHER`, never under a label that might be right."""
        return self.row(target, "")

    def matrix(self, sums: Array) -> Array:
        """Summed rows (..., columns) as matrices (..., labels, labels + 1)."""
        sums = np.asarray(sums, dtype=np.float64)
        return sums.reshape(*sums.shape[:-1], len(self.labels), len(self.labels) + 1)

    def signature(self) -> dict[str, str]:
        """The label set, in order."""
        return {"labels": ",".join(self.labels)}


class Accuracy(_Confusion):
    """The share of samples with the right label, whatever the classes' sizes."""

    name = "accuracy"

    def value(self, sums: Array) -> Array:
        """Diagonal over total."""
        matrix = self.matrix(sums)
        right = np.trace(matrix, axis1=-2, axis2=-1)
        total = matrix.sum((-2, -1))
        return np.divide(right, total, out=np.full(total.shape, np.nan), where=total != 0)


class UnweightedAverageRecall(_Confusion):
    """The mean of the classes' recalls, over the classes that occur (UAR).

    The GenSEC notebook prints plain accuracy under the name "unweighted accuracy"; this is not it.
    """

    name = "uar"

    def value(self, sums: Array) -> Array:
        """Mean over classes of (right / samples of the class)."""
        matrix = self.matrix(sums)
        size = matrix.sum(-1)
        right = np.diagonal(matrix, axis1=-2, axis2=-1)
        recall = np.divide(right, size, out=np.zeros(size.shape), where=size != 0)
        present = (size != 0).sum(-1)
        total = recall.sum(-1)
        return np.divide(total, present, out=np.full(total.shape, np.nan), where=present != 0)
