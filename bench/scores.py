"""Scores from records: rows gathered in the order of their ids, summed, with intervals."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import numpy as np

from .metrics.metric import Array, Metric
from .pairs import Pairs
from .plain import to_json
from .statistics import Estimate, estimates
from .task import Outcome

MOST_GROUPS = 200
"""A breakdown over more groups than this (over ids, in effect) is left out of run.json."""


class Table:
    """The rows of many samples, packed: what is left of a record once it has been read."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.ids: list[str] = []
        self._rows = {m.name: array("d") for m in metrics}
        self._by: dict[str, list[str]] = {}

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]], metrics: Sequence[Metric]) -> Table:
        """A table of all these records."""
        table = cls(metrics)
        for record in records:
            table.add(record)
        return table

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record in. Raises ValueError if a row is not as long as the metric says."""
        for metric in self.metrics:
            row = record["statistics"][metric.name]
            if len(row) != len(metric.columns):
                raise ValueError(f"{metric.name}: {row} has not the columns {metric.columns}")
            self._rows[metric.name].extend(row)
        for name, group in record["by"].items():
            column = self._by.setdefault(name, [])
            column.extend([""] * (len(self.ids) - len(column)))
            column.append(sys.intern(str(group)))
        self.ids.append(record["id"])

    def rows(self) -> dict[str, Array]:
        """Each metric's rows, shape (n, columns), sorted by sample id so that sums never wobble."""
        order = self._order()
        return {
            m.name: np.array(self._rows[m.name]).reshape(-1, len(m.columns))[order]
            for m in self.metrics
        }

    def groups(self) -> dict[str, list[str]]:
        """Each breakdown's labels, in the order of `rows`; "" where a sample names none."""
        order = self._order()
        full = {k: v + [""] * (len(self.ids) - len(v)) for k, v in sorted(self._by.items())}
        return {name: [column[i] for i in order] for name, column in full.items()}

    def scores(self) -> dict[str, Any]:
        """`scores` as `run.json` has them, and `by`: the same for every group of a breakdown."""
        rows = self.rows()
        by: dict[str, dict[str, Any]] = {}
        for name, column in self.groups().items():
            labels = np.asarray(column, dtype=object)
            groups = sorted(set(column))
            if 1 < len(groups) <= MOST_GROUPS:
                by[name] = {
                    g: _scores(self.metrics, {k: r[labels == g] for k, r in rows.items()})
                    for g in groups
                }
        return {"scores": _scores(self.metrics, rows), "by": by}

    def _order(self) -> list[int]:
        return sorted(range(len(self.ids)), key=self.ids.__getitem__)


def _scores(metrics: Sequence[Metric], rows: Mapping[str, Array]) -> dict[str, Any]:
    found = estimates(metrics, rows)
    return {m.name: describe(m, found[m.name], rows[m.name]) for m in metrics}


def describe(metric: Metric, found: Estimate, rows: Array) -> dict[str, Any]:
    """One score as `run.json` has it."""
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "sums": dict(zip(metric.columns, rows.sum(axis=0).tolist(), strict=True)),
    }


def score_texts(pairs: Pairs, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Scores, outcomes and signature of texts that some other program wrote.

    An empty hypothesis is an outcome of its own (`empty`), and stays in the denominator.
    """
    rows = {m.name: m.rows(pairs.references, pairs.hypotheses) for m in metrics}
    empty = sum(not text.strip() for text in pairs.hypotheses)
    counts = {Outcome.OK: len(pairs.ids) - empty, Outcome.EMPTY: empty}
    return _document(metrics, rows, counts, [pairs.ids, pairs.references])


def score_sessions(
    pairs: Sequence[tuple[Any, Any | None]], metrics: Sequence[Metric]
) -> dict[str, Any]:
    """Scores, outcomes and signature of conversations that some other program tagged.

    A pair is a reference `Session` and the hypothesis with its id; None where there is none, which
    is the outcome `error` and scores as the worst answer.
    """
    rows = {
        m.name: np.array(
            [m.worst(a.segments) if b is None else m.row(a.segments, b.segments) for a, b in pairs]
        )
        for m in metrics
    }
    missing = sum(b is None for _, b in pairs)
    counts = {Outcome.OK: len(pairs) - missing, Outcome.ERROR: missing}
    return _document(metrics, rows, counts, [a for a, _ in pairs])


def _document(
    metrics: Sequence[Metric],
    rows: Mapping[str, Array],
    counts: Mapping[Outcome, int],
    content: Any,
) -> dict[str, Any]:
    """What `podium score` gives; `content` is what was scored against, for its hash."""
    fields = {k: v for k, v in metrics[0].signature().items() if "hash" not in k}
    digest = blake2b(to_json(content).encode(), digest_size=6).hexdigest()
    fields |= {"n": sum(counts.values()), "ref": digest, "podium": version("podium")}
    return {
        "scores": _scores(metrics, rows),
        "outcomes": {o.value: counts.get(o, 0) for o in Outcome},
        "signature": "|".join([metrics[0].name, *(f"{k}:{v}" for k, v in fields.items())]),
        "signatures": {m.name: m.signature() for m in metrics},
    }
