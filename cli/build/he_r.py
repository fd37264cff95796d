"""Make a scoring-and-ranking set from problems with tests and any pool of candidate solutions.

    podium build he-r --problems humaneval.jsonl.gz --solutions samples.jsonl -o sets/he_r.jsonl

Files are those of `podium judge`. Every distinct solution is run; the selection is the paper's
(Scoring Verifiers: HE-R, MBPP-R). Use the set with `podium run code_verification --data sets
--split he_r --model VERIFIER`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from ...bench.errors import UsageError
from ..output import note, print_json, progress_bar


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--problems", required=True, metavar="FILE", help="problems with tests")
    parser.add_argument("--solutions", required=True, metavar="FILE", help="candidate programs")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--name", help="`dataset` of every row (the file's name)")
    parser.add_argument("-k", type=int, default=5, help="candidates a problem, reference included")
    parser.add_argument("--limit", type=int, metavar="N", help="distinct candidates a problem")
    parser.add_argument("--workers", type=int, default=2, help="solutions judged at once (2)")
    parser.add_argument("--cpu", type=float, default=1.0, help="CPU seconds a test (1)")


def main(args: Namespace) -> int:
    """Judge, select, write, and say what was written and what was left out."""
    from ...bench.ranking_sets import build_set, write_set
    from ...bench.sandbox import Limits, Solution, read_problems, read_solutions

    if args.k < 2:
        raise UsageError("build he-r: -k counts the reference too, so it is at least 2")
    problems = read_problems(args.problems)
    taken: dict[str, dict[str, Solution]] = {}
    for solution in read_solutions(args.solutions, problems):
        mine = taken.setdefault(solution.task_id, {})
        if args.limit is None or len(mine) < args.limit:
            mine.setdefault(solution.source, solution)
    problems = [p for p in problems if p.task_id in taken]
    pool = [s for mine in taken.values() for s in mine.values()]
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
