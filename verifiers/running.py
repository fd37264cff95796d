"""Tests that nobody vouches for, run on candidates: which candidate passes which test."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ..bench.adapter import Failure
from ..bench.candidates import Candidates, Scores, quiet
from ..bench.sandbox import Limits, Outcome, Problem, Solution, Verdict, judge
from ..bench.sandbox.problems import Asserts
from ..bench.task import Outcome as SampleOutcome

SECONDS = 3.0  # CPU time a test, the paper's limit
Passes = list[tuple[bool, ...]]
"""For each candidate, whether it passes each test."""


def run_tests(
    batch: Sequence[Candidates], tests: Sequence[Sequence[str]], seconds: float = SECONDS
) -> list[Passes | Failure]:
    """The passes of each problem's candidates; a failure where the harness itself failed.

    Tests run on the judge's side, in a jail of their own; those that do not parse pass nowhere.
    """
    problems, solutions = [], []
    for i, (request, asserts) in enumerate(zip(batch, tests, strict=True)):
        if asserts:
            problems.append(_problem(str(i), request, asserts))
            solutions += [Solution(str(i), s, str(c)) for c, s in enumerate(request.solutions)]
    by_problem: dict[str, list[Verdict]] = {}
    for verdict in judge(problems, solutions, limits=Limits(cpu=seconds)) if problems else ():
        by_problem.setdefault(verdict.task_id, []).append(verdict)
    return [
        _passes(by_problem[str(i)]) if asserts else [() for _ in request.solutions]
        for i, (request, asserts) in enumerate(zip(batch, tests, strict=True))
    ]


def _problem(name: str, request: Candidates, tests: Sequence[str]) -> Problem:
    prompt = request.prompt if parses(request.prompt) else ""
    return Problem(name, request.entry_point, Asserts(tuple(tests)), prompt, trusted=False)


@quiet()
def parses(text: str) -> bool:
    """Whether a prompt is a program: HumanEval's are, MBPP's are prose."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _passes(verdicts: Sequence[Verdict]) -> Passes | Failure:
    for verdict in verdicts:
        if verdict.outcome is Outcome.HARNESS_ERROR:
            note = next((t.note for t in verdict.tests if t.note), "; ".join(verdict.notes))
            return Failure(SampleOutcome.ERROR, f"the judge failed: {note}")
    return [tuple(t.outcome is Outcome.PASSED for t in v.tests) for v in verdicts]


def fraction_passed(passes: Passes | Failure) -> Scores | Failure:
    """The paper's score: tests passed over tests; 0 without tests."""
    if isinstance(passes, Failure):
        return passes
    tests = len(passes[0])
    scores = tuple(sum(row) / tests if tests else 0.0 for row in passes)
    return Scores(scores, tests=tests, passes=written(passes))


def written(passes: Passes) -> tuple[str, ...]:
    """The passes as a record keeps them."""
    return tuple("".join("01"[passed] for passed in row) for row in passes)
