"""Hold runs against each other: what differs in their signatures, and paired tests of the scores.

The first run is the baseline; the others are compared with it, sample by sample.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .output import number, print_json, print_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="two run folders or more")


def main(args: Namespace) -> int:
    """Print the differences. Scores are compared only where the signatures allow it."""
    from ..bench.compare import compare
    from ..bench.errors import UsageError
    from ..bench.store import load_run

    if len(args.runs) < 2:
        raise UsageError("compare: give two run folders or more")
    baseline, *others = [load_run(path) for path in args.runs]
    found = [compare(baseline, other) for other in others]
    if args.json:
        print_json({"baseline": str(baseline.path), "comparisons": found})
        return 0
    print(f"baseline: {baseline.path}  {baseline['signature']['short']}")
    for comparison in found:
        _print(comparison)
    return 0


def _print(comparison: dict[str, Any]) -> None:
    print(f"\n{comparison['run']}")
    print("differs in: " + (", ".join(comparison["differs_in"]) or "nothing"))
    for reason in comparison["not_comparable"]:
        print(f"not comparable: {reason} differs")
    rows = []
    for name, d in comparison["scores"].items():
        scale = 100 if d["unit"] == "ratio" else 1
        between = f"[{scale * d['low']:+.2f}, {scale * d['high']:+.2f}]"
        better = {True: "better", False: "worse", None: "no clear difference"}[d["better"]]
        rows.append(
            [name, f"{scale * d['value']:+.2f} {between}", number(d["p"], digits=4), better]
        )
    if rows:
        print_table(["score", "difference [95 %]", "p", ""], rows)
