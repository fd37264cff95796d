"""Generated code, jailed and judged."""

from __future__ import annotations

from .jail import Limits, layers
from .judge import judge
from .outcomes import Outcome, TestOutcome, Verdict
from .problems import Problem, Solution, read_problems, read_solutions

__all__ = [
    "Limits",
    "Outcome",
    "Problem",
    "Solution",
    "TestOutcome",
    "Verdict",
    "judge",
    "layers",
    "read_problems",
    "read_solutions",
]
