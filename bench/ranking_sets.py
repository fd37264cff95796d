"""Scoring-and-ranking sets: problems with candidate programs of known true score, read and built.

A file is JSON lines, a problem a line, as nvidia/Scoring-Verifiers has them: `task_id`, `prompt`,
`entry_point`, and `all_solutions` with `rank`, `average_test_score`, `average_time_taken` and
`solution` each. Selection follows the paper's code (filter_solutions.py in
aleksficek/Scoring-Verifiers), which differs from its formula: arXiv 2502.13820, section 3.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .candidates import quiet
from .errors import UsageError
from .local import objects
from .metrics.ranking import Truth
from .sandbox import Limits, Outcome, Problem, Solution, Verdict, judge

K = 5
LOW = 0.1  # a bottom candidate that passes something, but less than this, is better than one at 0
CLOCK = 0.01  # seconds: run times closer than this are equal, so that a rebuild chooses the same
REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its true score in [0, 1] and run time in seconds; rank 1 is the best."""

    solution: str
    score: float
    seconds: float = 0.0
    rank: int = 0
    solution_id: str = ""


@dataclass(frozen=True, slots=True)
class RankedProblem:
    """A problem and its candidates, best first."""

    dataset: str
    task_id: str
    prompt: str
    entry_point: str
    candidates: tuple[Ranked, ...]

    @property
    def truth(self) -> Truth:
        """The candidates' true scores and ranks."""
        scores = tuple(c.score for c in self.candidates)
        return Truth(scores, tuple(float(c.rank) for c in self.candidates))

    def row(self) -> dict[str, Any]:
        """The problem as a line of a file."""
        return {
            "dataset": self.dataset,
            "task_id": self.task_id,
            "prompt": self.prompt,
            "entry_point": self.entry_point,
            "all_solutions": [
                {
                    "rank": c.rank,
                    "average_test_score": c.score,
                    "average_time_taken": c.seconds,
                    "solution_id": c.solution_id,
                    "solution": c.solution,
                }
                for c in self.candidates
            ],
        }


# ---------------------------------------------------------------------------------- reading


def read_set(path: Path, dataset: str = "") -> list[RankedProblem]:
    """The problems of a file. Raises UsageError naming file and line."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    found = [ranked_problem(row, f"{path}:{number}", dataset) for number, row in objects(path)]
    if not found:
        raise UsageError(f"{path}: no problems in it")
    return found


def ranked_problem(row: Mapping[str, Any], where: str, dataset: str = "") -> RankedProblem:
    """A problem from a line: ours, or the hub's, whose solutions are rows of their benchmark."""
    listed = row.get("all_solutions")
    if not isinstance(listed, list) or not listed or "task_id" not in row:
        raise UsageError(f'{where}: not a problem with "task_id" and "all_solutions"')
    prompt = str(row.get("prompt") or row.get("text") or "")
    entry = str(row.get("entry_point") or "")
    candidates = []
    for number, found in enumerate(listed, 1):
        inner = found.get("solution") if isinstance(found, dict) else None
        if isinstance(inner, dict):
            entry = entry or str(inner.get("entry_point") or "")
            prompt = prompt or str(inner.get("prompt") or inner.get("text") or "")
            inner = inner.get("canonical_solution") or inner.get("code")
        try:
            score, rank = float(found["average_test_score"]), int(found["rank"])
            seconds = float(found.get("average_time_taken") or 0.0)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{where}: solution {number} lacks a number: {error}") from error
        if not isinstance(inner, str):
            raise UsageError(f"{where}: solution {number} is no program")
        name = str(found.get("solution_id", number))
        candidates.append(Ranked(inner, score, seconds, rank, name))
    entry = entry or _last_function(candidates[0].solution)
    whole = [_with_program(c, prompt, entry) for c in candidates]
    name = str(row.get("dataset") or dataset)
    return RankedProblem(name, str(row["task_id"]), prompt, entry, tuple(whole))


@quiet()
def _functions(source: str) -> list[str]:
    try:
        return [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _last_function(source: str) -> str:
    return next(reversed(_functions(source)), "")


def _with_program(candidate: Ranked, prompt: str, entry: str) -> Ranked:
    """A completion of the prompt becomes a whole program."""
    if entry in _functions(candidate.solution) or entry not in _functions(prompt + "\n    pass\n"):
        return candidate
    whole = prompt + candidate.solution
    c = candidate
    return Ranked(whole, c.score, c.seconds, c.rank, c.solution_id)


def write_set(path: Path, problems: Iterable[RankedProblem]) -> None:
    """Write a file that `read_set` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(p.row(), ensure_ascii=False) + "\n" for p in problems)
    path.write_text("".join(lines), encoding="utf-8")


# ---------------------------------------------------------------------------------- building


def select(reference: Ranked, pool: Iterable[Ranked], k: int = K) -> tuple[Ranked, ...]:
    """The reference and at most k - 1 of the pool, spread over the scores, ranked from 1.

    Of equal scores the fastest stays, and none that equals the reference's. The lowest is the
    smallest score in (0, 0.1) if there is one; then, for evenly spaced targets from 1 down to it,
    the nearest candidate left (of two as near, the better).
    """
    fastest: dict[float, Ranked] = {}
    for candidate in pool:
        other = fastest.get(candidate.score)
        if candidate.score != reference.score and (
            other is None or round(candidate.seconds / CLOCK) < round(other.seconds / CLOCK)
        ):
            fastest[candidate.score] = candidate
    left = sorted(fastest.values(), key=lambda c: -c.score)
    wanted = k - 1
    chosen = left
    if len(left) > wanted:
        bottom = min(
            (c for c in left if 0 < c.score < LOW), key=lambda c: c.score, default=left[-1]
        )
        chosen, left = [bottom], [c for c in left if c is not bottom]
        for i in range(1, wanted):
            target = 1.0 - i / wanted * (1.0 - bottom.score)
            nearest = min(left, key=lambda c: abs(c.score - target))
            chosen.append(nearest)
            left.remove(nearest)
    best_first = sorted([reference, *chosen], key=lambda c: -c.score)
    return tuple(
        Ranked(c.solution, c.score, c.seconds, rank, c.solution_id)
        for rank, c in enumerate(best_first, 1)
    )


@dataclass(slots=True)
class Built:
    """A set, and what did not come into it: problems with the reason, and counts of candidates."""

    problems: list[RankedProblem] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    not_programs: int = 0


def build_set(
    problems: Sequence[Problem],
    solutions: Iterable[Solution],
    dataset: str,
    k: int = K,
    workers: int = 2,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Run every solution on its problem's tests and select candidates by the paper's rules.

    Left out: candidates whose every test ends in an error that is no wrong answer (no such
    function, exceptions, timeouts), problems whose reference fails its own tests, and problems for
    which no candidate is left beside the reference.
    """
    distinct = {(s.task_id, s.source): s for s in solutions}
    references = [Solution(p.task_id, p.reference, REFERENCE) for p in problems]
    wanted = {(s.task_id, s.source) for s in references}
    pool = [s for key, s in distinct.items() if key not in wanted]
    everything = [*references, *pool]
    verdicts = judge(problems, everything, workers=workers, limits=limits, progress=progress)
    by_task: dict[str, list[tuple[Solution, Verdict]]] = {}
    for solution, verdict in zip(everything, verdicts, strict=True):
        by_task.setdefault(solution.task_id, []).append((solution, verdict))
    built = Built()
    for problem in problems:
        (own, own_verdict), *rest = by_task[problem.task_id]
        for _, verdict in rest:
            name = verdict.outcome.value
            built.outcomes[name] = built.outcomes.get(name, 0) + 1
        kept = [(s, v) for s, v in rest if answers(v)]
        built.not_programs += len(rest) - len(kept)
        candidates = select(_ranked(own, own_verdict), [_ranked(s, v) for s, v in kept], k)
        if own_verdict.outcome is not Outcome.PASSED:
            built.left_out[problem.task_id] = f"the reference: {own_verdict.outcome.value}"
        elif len(candidates) < 2:
            built.left_out[problem.task_id] = "no candidate that differs from the reference"
        else:
            built.problems.append(
                RankedProblem(
                    dataset, problem.task_id, problem.prompt, problem.entry_point, candidates
                )
            )
    return built


def answers(verdict: Verdict) -> bool:
    """Whether some test was passed, or failed by a wrong answer rather than by an error."""
    return any(t.outcome in (Outcome.PASSED, Outcome.FAILED) for t in verdict.tests)


def _ranked(solution: Solution, verdict: Verdict) -> Ranked:
    """The true score to two decimals, as the paper has it: that is also what makes two equal."""
    seconds = verdict.cpu / max(1, verdict.total)
    return Ranked(
        solution.source,
        round(verdict.score, 2),
        round(seconds, 4),
        solution_id=solution.solution_id,
    )
