"""Candidates judged by one another: no language model, no true test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..bench.adapter import Adapter, Failure
from ..bench.candidates import Candidates, Scores
from ..bench.sandbox import Limits
from ..bench.sandbox.answers import answers
from ..bench.sandbox.jail import Jail, JailError
from ..bench.task import Outcome
from .fuzz import inputs
from .recorded import RecordedTests
from .running import Passes, written


class Agreement(Adapter):
    """The share of other candidates that give the same answer, over `n` fuzzed inputs.

    Inputs are made from the problem's examples and type hints. An answer that is an exception, a
    timeout or no plain value agrees with nothing; inputs that no candidate answers count for
    nothing.
    """

    def __init__(self, n: int = 40, seconds: float = 1.0, seed: int = 0) -> None:
        self._n, self._seed = n, seed
        self._limits = Limits(cpu=seconds, idle=seconds + 1.0)
        self._jail: Jail | None = None

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """Scores in [0, 1]; all 0 where no inputs can be made."""
        return [self._one(request) for request in batch]

    def _one(self, request: Candidates) -> Scores | Failure:
        asked = inputs(request.prompt, request.entry_point, self._n, self._seed)
        self._jail = self._jail or Jail()
        try:
            given = [
                answers(self._jail, program, request.entry_point, asked, self._limits)
                for program in request.solutions
            ]
        except JailError as error:
            self.close()
            return Failure(Outcome.ERROR, f"the jail failed: {error}")
        columns = [c for c in zip(*given, strict=True) if any(a is not None for a in c)]
        return Scores(agreement(columns, len(request.solutions)), tests=len(columns))

    def identity(self) -> Mapping[str, Any]:
        return {"inputs": self._n, "seed": self._seed}

    def close(self) -> None:
        if self._jail is not None:
            self._jail.close()
            self._jail = None


def agreement(columns: Sequence[Sequence[str | None]], k: int) -> tuple[float, ...]:
    """For each of k candidates, the mean share of the others with its answer to an input."""
    totals = [0.0] * k
    for column in columns:
        counts = Counter(a for a in column if a is not None)
        for i, answer in enumerate(column):
            if answer is not None and k > 1:
                totals[i] += (counts[answer] - 1) / (k - 1)
    return tuple(t / len(columns) if columns else 0.0 for t in totals)


class DualAgreement(RecordedTests):
    """CodeT's dual execution agreement with tests from a file: first n, or all.

    Candidates that pass the same tests are one group, and a group's score is its size times the
    number of tests it passes: (Chen et al. 2022, section 2.2). A reward: its scale means nothing.
    """

    @staticmethod
    def _score(passes: Passes | Failure) -> Scores | Failure:
        return _dual(passes)


def _dual(passes: Passes | Failure) -> Scores | Failure:
    if isinstance(passes, Failure):
        return passes
    groups = Counter(passes)
    scores = tuple(float(groups[row] * sum(row)) for row in passes)
    return Scores(scores, reward=True, tests=len(passes[0]), passes=written(passes))
