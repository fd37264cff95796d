"""How a test, and a solution, can end; and what a judge says about a solution."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The closed set. All but `PASSED` count as not passed; `HARNESS_ERROR` is our own trouble."""

    PASSED = "passed"
    FAILED = "failed"
    RAISED = "raised"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    UNANSWERABLE = "unanswerable"
    HARNESS_ERROR = "harness_error"


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """One test: where it was decided ("judge", or "jail" for the marked fallback), and a note."""

    outcome: Outcome
    where: str = "judge"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one solution. `where` is "jail" if any of its tests had to run there."""

    task_id: str
    solution_id: str
    outcome: Outcome
    passed: int
    total: int
    tests: tuple[TestOutcome, ...]
    notes: tuple[str, ...] = ()
    cpu: float = 0.0  # seconds that the solution computed, over all its tests

    @property
    def where(self) -> str:
        """Where the tests ran."""
        return "jail" if any(test.where == "jail" for test in self.tests) else "judge"

    @property
    def score(self) -> float:
        """The fraction of tests passed; 0 where there are none."""
        return self.passed / self.total if self.total else 0.0

    def row(self) -> dict[str, Any]:
        """The verdict as plain JSON data."""
        return {
            "task_id": self.task_id,
            "solution_id": self.solution_id,
            "outcome": self.outcome.value,
            "passed": self.passed,
            "total": self.total,
            "score": self.score,
            "where": self.where,
            "notes": list(self.notes),
            "tests": [asdict(test) for test in self.tests],
        }


def overall(tests: tuple[TestOutcome, ...]) -> Outcome:
    """The first test's trouble that is not `PASSED`; no tests at all is the harness's trouble."""
    if not tests:
        return Outcome.HARNESS_ERROR
    return next((t.outcome for t in tests if t.outcome is not Outcome.PASSED), Outcome.PASSED)
