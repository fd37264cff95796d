"""Fit an n-gram language model to text, as an ARPA file.

    podium train ngram notes.txt --order 4 -o lm.arpa

The text is plain, one sentence a line; or JSON lines, whose `text` (else `output`) is taken.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import note, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("text", type=Path, metavar="TEXT")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--order", type=int, default=4)


def main(args: Namespace) -> int:
    """Fit and write."""
    from ...bench.errors import UsageError
    from ...bench.local import lines, objects
    from ...systems.ngram import fit

    if not args.text.is_file():
        raise UsageError(f"{args.text}: no such file")
    if ".json" in args.text.name:
        found = [str(row.get("text", row.get("output", ""))) for _, row in objects(args.text)]
    else:
        found = [line for _, line in lines(args.text)]
    fit(found, args.out, args.order)
    note(f"{args.out}: order {args.order}, from {len(found)} lines")
    if args.json:
        print_json({"file": str(args.out), "order": args.order, "lines": len(found)})
    return 0
