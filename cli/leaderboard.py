"""Make a table out of run folders.

podium leaderboard open_asr --results runs --to md -o board.md
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .output import note


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("board", metavar="BOARD", help="a board's name, or a TOML file")
    parser.add_argument("--results", type=Path, action="append", metavar="DIR", help="runs/")
    parser.add_argument("--to", default="md", metavar="md|csv|json")
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="default: print it")


def main(args: Namespace) -> int:
    """Fill the board and render it."""
    from ..bench.errors import UsageError, unknown
    from ..leaderboards.board import fill, find_runs, load_board
    from ..leaderboards.render import RENDERERS

    to = "json" if args.json else args.to
    if to not in RENDERERS:
        raise unknown("format", to, RENDERERS)
    board = load_board(args.board)
    standings = fill(board, find_runs(args.results or [Path("runs")]))
    if not standings.lines:
        raise UsageError(f"leaderboard {board.name}: no finished run fills any of its columns")
    text = RENDERERS[to](standings)
    if args.output is None:
        print(text, end="")
    else:
        try:
            args.output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{args.output}: cannot write ({error.strerror})") from error
        note(f"wrote {args.output}")
    return 0
