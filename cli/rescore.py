"""Score a finished run again, from the responses it kept, without its model.

    podium rescore runs/RUN --task "open_asr(rule='merge-compounds')"

Options that are not named stay as they were. The run itself is left as it is; with --out the
rescored run is written to a folder of its own.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .output import interval, print_json, print_table


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--task", metavar="SPEC", help="the task with other scoring options")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the rescored run there")


def main(args: Namespace) -> int:
    """Print old and new scores side by side."""
    from ..bench.rescore import rescored, write
    from ..bench.spec import rebuild
    from ..bench.store import load_run

    run = load_run(args.run)
    document, records = rescored(run, rebuild(run.document, args.task))
    if args.out:
        write(args.out, document, records, run)
    if args.json:
        print_json(document)
        return 0
    rows = [
        [name, interval(run["scores"][name]) if name in run["scores"] else "–", interval(score)]
        for name, score in document["scores"].items()
    ]
    print_table(["score", "as run", "rescored"], rows)
    print(document["signature"]["short"])
    return 0
