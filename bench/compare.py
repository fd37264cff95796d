"""Two runs held against each other: signatures first, then paired tests of every score."""

from __future__ import annotations

from typing import Any

import numpy as np

from .plain import to_plain
from .scores import Table
from .signature import differences, scored
from .spec import rebuild
from .statistics import paired
from .store import Run


def compare(baseline: Run, other: Run) -> dict[str, Any]:
    """What differs, what forbids comparing, and `other - baseline` for every score.

    `better` is True or False where the 95 % interval of the difference excludes zero, else None.
    """
    a, b = baseline["signature"]["long"], other["signature"]["long"]
    barred = list(differences(scored(a), scored(b)))
    result: dict[str, Any] = {
        "run": str(other.path),
        "differs_in": list(differences(a, b)),
        "not_comparable": barred,
        "scores": {},
    }
    if not barred:
        task = rebuild(baseline.document)
        left, right = (Table.of(r.records(), task.metrics).rows() for r in (baseline, other))
        for metric in task.metrics:
            found = to_plain(paired(metric, left[metric.name], right[metric.name]))
            result["scores"][metric.name] = found | {
                "unit": metric.unit,
                "better": _better(found["low"], found["high"], metric.higher_is_better),
            }
    return result


def _better(low: float | None, high: float | None, higher_is_better: bool) -> bool | None:
    if low is None or high is None or low <= 0 <= high:
        return None
    return bool(np.sign(low) == (1 if higher_is_better else -1))
