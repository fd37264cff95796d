"""Code verification: candidate programs to a score each, against the share of tests they pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...bench.adapter import Verifies
from ...bench.candidates import Candidates, Scores, shuffled
from ...bench.metrics.metric import Row
from ...bench.metrics.ranking import Truth, ranking_metrics, rows
from ...bench.ranking_sets import RankedProblem
from ...bench.task import Sample, Size, Split, Task
from .data import list_sets, open_set


class CodeVerification(Task):
    """Top-1, Bottom-1, rank correlations, MAE and R² of a verifier's scores.

    A sample is a problem with 2 to 5 candidates. The request holds neither their true scores nor
    the problem's tests, and its candidates stand in an order made from their texts. Splits: `mini`
    (mutants of HumanEval's solutions), HE-R, HE-R+, MBPP-R and MBPP-R+ from the hub, and files of
    `podium build he-r` in the data folder. Source: Scoring Verifiers (arXiv 2502.13820).
    """

    name = "code_verification"
    needs = Verifies
    metrics = ranking_metrics()

    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split. Raises UsageError if there is none of that name, or a row is no problem."""
        return open_set(self.name, name, data)

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """`mini`, the hub's sets, and the files of the data folder."""
        return list_sets(data)

    def samples(self, split: Split) -> Iterator[Sample]:
        """One sample a problem, in the file's order."""
        problem: RankedProblem
        for problem in split.rows():
            order = shuffled([c.solution for c in problem.candidates])
            shown = [problem.candidates[i] for i in order]
            programs = tuple(c.solution for c in shown)
            truth = Truth(tuple(c.score for c in shown), tuple(float(c.rank) for c in shown))
            request = Candidates(problem.task_id, problem.prompt, problem.entry_point, programs)
            by = {"dataset": problem.dataset} if problem.dataset else {}
            size = Size(sum(map(len, programs)) / 4, float(len(programs)))
            yield Sample(problem.task_id, request, truth, size, by)

    def score(self, sample: Sample, response: Scores) -> dict[str, Row]:
        """One row a metric. Raises ValueError unless there is a finite score a candidate."""
        truth, given = _truth(sample.target), response.scores
        k = len(truth.scores)
        if len(given) != k or not all(abs(s) < float("inf") for s in given):
            raise ValueError(f"{sample.id}: {k} candidates, but the scores are {given}")
        return rows(self.metrics, truth, given, response.reward)

    def worst(self, sample: Sample) -> dict[str, Row]:
        """The rows of a problem without an answer."""
        return {m.name: m.worst(_truth(sample.target)) for m in self.metrics}


def _truth(target: Any) -> Truth:
    """The target, which a record gives back as a mapping."""
    return target if isinstance(target, Truth) else Truth(**target)
