"""Make a scoring-and-ranking set from problems with tests and any pool of candidate solutions.

    podium build he-r --problems humaneval.jsonl.gz --solutions samples.jsonl -o sets/he_r.jsonl

Files are those of `podium judge`. Without a pool, --mutants N makes one from each reference by
small mistakes. Every distinct solution is run; the selection is the paper's
(Scoring Verifiers: HE-R, MBPP-R). Use the set with `podium run code_verification --data sets
--split he_r --model VERIFIER`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...bench.errors import UsageError
from ..output import note, print_json, progress_bar

if TYPE_CHECKING:
    from ...bench.sandbox import Problem, Solution


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--problems", required=True, metavar="FILE", help="problems with tests")
    pool = parser.add_mutually_exclusive_group(required=True)
    pool.add_argument("--solutions", metavar="FILE", help="candidate programs")
    pool.add_argument("--mutants", type=int, metavar="N", help="mutants a problem, as candidates")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--name", help="`dataset` of every row (the file's name)")
    parser.add_argument("-k", type=int, default=5, help="candidates a problem, reference included")
    parser.add_argument("--limit", type=int, metavar="N", help="distinct candidates a problem")
    parser.add_argument("--workers", type=int, default=2, help="solutions judged at once (2)")
    parser.add_argument("--cpu", type=float, default=1.0, help="CPU seconds a test (1)")


def main(args: Namespace) -> int:
    """Judge, select, write, and say what was written and what was left out."""
    from ...bench.ranking_sets import build_set, write_set
    from ...bench.sandbox import Limits, read_problems

    if args.k < 2:
        raise UsageError("build he-r: -k counts the reference too, so it is at least 2")
    problems = read_problems(args.problems)
    if args.mutants:
        problems, pool = _mutants(problems, args.mutants)
    else:
        problems, pool = _pool(problems, args.solutions, args.limit)
    with progress_bar("he-r") as progress:
        built = build_set(
            problems,
            pool,
            args.name or args.out.name.partition(".")[0],
            args.k,
            args.workers,
            Limits(cpu=args.cpu),
            lambda done, total: progress(done, total, Counter()),
        )
    write_set(args.out, built.problems)
    sizes = Counter(len(p.candidates) for p in built.problems)
    candidates = [c for p in built.problems for c in p.candidates]
    mean = sum(c.score for c in candidates) / max(1, len(candidates))
    note(f"{args.out}: {len(built.problems)} problems, {len(candidates)} candidates")
    document = {
        "file": str(args.out),
        "problems": len(built.problems),
        "candidates": len(candidates),
        "mean_score": mean,
        "candidates_a_problem": {str(k): n for k, n in sorted(sizes.items())},
        "judged": len(pool),
        "outcomes": built.outcomes,
        "without_an_answer": built.not_programs,
        "left_out": built.left_out,
    }
    if args.json:
        print_json(document)
    else:
        for key, value in document.items():
            print(f"{key}: {value}")
    return 0


def _pool(
    problems: list[Problem], path: str, limit: int | None
) -> tuple[list[Problem], list[Solution]]:
    """The file's distinct solutions, the first `limit` of each problem, and their problems."""
    from ...bench.sandbox import read_solutions

    taken: dict[str, dict[str, Solution]] = {}
    for solution in read_solutions(path, problems):
        mine = taken.setdefault(solution.task_id, {})
        if limit is None or len(mine) < limit:
            mine.setdefault(solution.source, solution)
    kept = [p for p in problems if p.task_id in taken]
    return kept, [s for mine in taken.values() for s in mine.values()]


def _mutants(problems: list[Problem], n: int) -> tuple[list[Problem], list[Solution]]:
    """Mutants of every reference; the reference is printed as they are, so as not to stand out."""
    from ...bench.sandbox import Solution
    from ...tasks.code_verification.mutants import mutants, plain_dress

    dressed = [replace(p, reference=plain_dress(p.reference)) for p in problems]
    pool = [
        Solution(p.task_id, m.source, f"{m.operators}.{i}")
        for p in dressed
        for i, m in enumerate(mutants(p.reference, p.entry_point, n))
    ]
    return dressed, pool
