"""List what there is: tasks, splits, adapters, verifiers, leaderboards, metrics."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ..bench import registry
from ..bench.errors import unknown
from .output import print_json, print_table

KINDS = {
    "tasks": "task",
    "adapters": "adapter",
    "verifiers": "verifier",
    "leaderboards": "leaderboard",
    "splits": "",
    "metrics": "",
}


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--data", type=Path, metavar="DIR", help="for splits: local data too")


def main(args: Namespace) -> int:
    """Print one row a thing: its name, and the first line of what it says of itself."""
    if args.kind not in KINDS:
        raise unknown("list", args.kind, KINDS)
    rows = _rows(args)
    if args.json:
        print_json([{"name": name, "about": about} for name, about in rows])
    else:
        print_table([args.kind[:-1], ""], rows, left=2)
    return 0


def _rows(args: Namespace) -> list[list[str]]:
    if args.kind == "splits":
        return [
            [f"{task} {name}", about]
            for task in registry.names("task")
            for name, about in registry.load("task", task)().list_splits(args.data).items()
        ]
    if args.kind == "metrics":
        from .score import COMMANDS

        return [[name, text] for name, text in COMMANDS.items()]
    if args.kind == "leaderboards":
        from ..leaderboards.board import board_names, load_board

        return [[name, load_board(name).title] for name in board_names()]
    kind = KINDS[args.kind]
    return [[name, _about(registry.load(kind, name))] for name in registry.names(kind)]


def _about(plugin: Any) -> str:
    return (plugin.__doc__ or "").strip().partition("\n")[0]
