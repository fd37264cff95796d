"""Judge generated code against tests, jailed: an outcome and the tests passed for every solution.

Problems are JSON lines in the format of HumanEval, EvalPlus (HumanEval+, MBPP+) or MBPP; solutions
are JSON lines with `task_id` and `solution`, `completion` or `samples`. Files may be gzipped.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Any


def arguments(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--problems", required=True, metavar="FILE", help="problems with tests")
    parser.add_argument("--solutions", required=True, metavar="FILE", help="programs to judge")
    parser.add_argument("--workers", type=int, default=2, help="solutions judged at once (2)")
    parser.add_argument("--cpu", type=float, default=1.0, help="CPU seconds a test (1)")
    parser.add_argument("--memory", type=int, default=1024, help="MiB of address space (1024)")
    parser.add_argument(
        "--require-jail",
        nargs="?",
        const="namespaces,seccomp,rlimits",
        default="",
        metavar="LAYERS",
        help="run nothing unless the jail has these layers (%(const)s)",
    )
    parser.add_argument("--tests", action="store_true", help="give each test's own outcome too")


def main(args: Namespace) -> int:
    """Judge; exit status 1 if the harness itself was in trouble with some solution."""
    from ..bench.sandbox import Limits, Outcome, judge, layers, read_problems, read_solutions

    problems = read_problems(args.problems)
    solutions = read_solutions(args.solutions, problems)
    verdicts = judge(
        problems,
        solutions,
        workers=args.workers,
        limits=Limits(cpu=args.cpu, memory=args.memory << 20),
        require=[layer for layer in args.require_jail.split(",") if layer],
        progress=_progress if sys.stderr.isatty() else None,
    )
    counts = Counter(verdict.outcome.value for verdict in verdicts)
    if args.json:
        rows: list[dict[str, Any]] = [verdict.row() for verdict in verdicts]
        for row in rows:
            if not args.tests:
                del row["tests"]
        outcomes = {outcome.value: counts[outcome.value] for outcome in Outcome}
        jail = list(layers())
        print(json.dumps({"solutions": rows, "outcomes": outcomes, "jail": jail}))
    else:
        for verdict in verdicts:
            note = "; ".join(verdict.notes)
            print(
                f"{verdict.task_id}\t{verdict.solution_id}\t{verdict.outcome}\t"
                f"{verdict.passed}/{verdict.total}{'  ' + note if note else ''}"
            )
        print(
            f"{len(verdicts)} solutions: "
            + ", ".join(f"{n} {name}" for name, n in counts.most_common())
            + f" (jail: {', '.join(layers())})",
            file=sys.stderr,
        )
    return 1 if counts[Outcome.HARNESS_ERROR.value] else 0


def _progress(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        print(f"\r{done}/{total} distinct solutions judged", end="", file=sys.stderr)
        if done == total:
            print(file=sys.stderr)
