"""Measure models on tasks.

With no task and no model this runs the quick suite on the embedded models. A killed run, started
again with the same arguments, goes on where it was. Exit status: 0 every sample was answered,
1 some were not (they are listed), 2 the run could not be made.
"""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..bench.batching import parse_batch
from ..bench.errors import UsageError
from ..bench.spec import build, check
from ..bench.store import Run
from ..bench.task import Split, Task
from .output import interval, note, number, print_json, print_table, progress_bar, size

MOST_FAILURES = 10
MOST_METRICS = 3
DEVICE = re.compile(r"auto|cpu|(cuda|xpu|mps)(:[0-9]+)?")
QUICK = "quick"
"""The board whose cells are run when nothing is named."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="open_asr, or open_asr(rule=...)")
    parser.add_argument("--model", action="append", metavar="SPEC", help="may be given again")
    parser.add_argument("--split", action="append", metavar="NAME", help="may be given again")
    parser.add_argument("--data", type=Path, metavar="DIR", help="local data (or PODIUM_DATA)")
    parser.add_argument("--limit", type=int, metavar="N", help="a seeded random subset of N")
    parser.add_argument("--batch", default="auto", metavar="auto|N|SECONDSs")
    parser.add_argument("--repeats", type=int, default=1, metavar="R", help="passes on the clock")
    parser.add_argument("--latency", action="store_true", help="single-stream: p50 and p95")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: a folder under runs/")
    parser.add_argument("--fresh", action="store_true", help="replace what the folder holds")


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one split of one task; the task is the cell's own, set up for its split."""

    model: str
    task: Task
    split: Split


def main(args: Namespace) -> int:
    """Run every model on every split of every task."""
    _check(args)
    cells = list(_cells(args))
    runs: list[Run] = []
    try:
        for model in dict.fromkeys(cell.model for cell in cells):
            runs += _run_model(model, cells, args)
    except (UsageError, KeyboardInterrupt):
        if runs and not args.json:
            print_runs(runs)
        raise
    if args.json:
        documents = [run.document | {"folder": str(run.path)} for run in runs]
        print_json(documents[0] if len(documents) == 1 else {"runs": documents})
    else:
        print_runs(runs)
    return int(any(run["failures"] for run in runs))


def _check(args: Namespace) -> None:
    if bool(args.tasks) != bool(args.model):
        missing = "--model, as in --model moonshine" if args.tasks else "a TASK, as in open_asr"
        raise UsageError(f"run: give {missing}; or neither, for the quick suite")
    if args.limit is not None and args.limit < 1:
        raise UsageError(f"run: --limit {args.limit} leaves nothing to run")
    if args.repeats < 1:
        raise UsageError(f"run: --repeats {args.repeats}; at least 1 is needed")
    if not DEVICE.fullmatch(args.device):
        raise UsageError(f'run: --device "{args.device}"; give auto, cpu, cuda or cuda:1')
    args.batch = parse_batch(args.batch)
    _check_data(args)


def _check_data(args: Namespace) -> None:
    given = args.data is not None
    if not given and os.environ.get("PODIUM_DATA"):
        args.data = Path(os.environ["PODIUM_DATA"])
    if args.data is not None and not args.data.is_dir():
        raise UsageError(f"run: --data {args.data}: no such folder")
    if given and args.tasks and not args.split:
        raise UsageError(
            f"run: --data {args.data} is given and no --split; "
            f"podium list splits --data {args.data} names them"
        )


def _cells(args: Namespace) -> Iterator[Cell]:
    """Every cell, in order; whatever is wrong with any of them is said before the first is run."""
    for model, spec, name in _named(args):
        check("adapter", model)
        task = build("task", spec)
        yield Cell(model, task, task.split(name, args.data))


def _named(args: Namespace) -> Iterator[tuple[str, str, str]]:
    """(model, task, split) as the command line or the quick suite names them, each once."""
    if not args.tasks:
        from ..leaderboards.board import load_board

        yield from load_board(QUICK).suite()
        return
    yield from dict.fromkeys(
        (model, spec, split)
        for spec in args.tasks
        for name in args.split or ["mini"]
        for split in build("task", spec).expand(name)
        for model in args.model
    )


def _run_model(model: str, cells: list[Cell], args: Namespace) -> Iterator[Run]:
    note(f"loading {model}")
    adapter = build("adapter", model, device=args.device, seed=args.seed)
    try:
        for cell in cells:
            if cell.model == model:
                yield _run_cell(adapter, cell, args, alone=len(cells) == 1)
    finally:
        adapter.close()


def _run_cell(adapter: Any, cell: Cell, args: Namespace, alone: bool) -> Run:
    from ..bench.runner import Settings, folder_name, run

    settings = Settings(
        batch=args.batch,
        repeats=args.repeats,
        limit=args.limit,
        seed=args.seed,
        device=args.device,
        latency=args.latency,
    )
    task, split = cell.task, cell.split
    base = args.out or Path("runs")
    folder = base if args.out and alone else base / folder_name(task, adapter, split, settings)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with progress_bar(f"{task.name} {split.name} {cell.model}") as progress:
        done = run(
            task, adapter, split, folder, settings=settings, fresh=args.fresh, progress=progress
        )
    if done["finished"] < started:
        note(f"{folder}: finished on {done['finished']}; --fresh measures it again")
    return done


def print_runs(runs: list[Run]) -> None:
    """A table for each task, then what failed and where the folders are."""
    for task in dict.fromkeys(run["task"] for run in runs):
        mine = [run for run in runs if run["task"] == task]
        _print_task(task, mine)
    for run in runs:
        for failure in run["failures"][:MOST_FAILURES]:
            print(f"  {failure['outcome']}: {failure['id']}: {failure['message']}")
        if (more := len(run["failures"]) - MOST_FAILURES) > 0:
            print(f"  and {more} more: see failures in {run.path / 'run.json'}")
        for text in run["notes"]:
            print(f"note: {text}")
        print(f"{run.path}  {run['signature']['short']}")


def _print_task(task: str, runs: list[Run]) -> None:
    """One row a run; where that would be too wide, one column a run."""
    metrics = list(runs[0]["scores"])
    head = ["model", "split", "n", *metrics, "rtfx", "rtfx total", "padding", "CPU"]
    head += ["peak memory", "not ok"]
    rows = [_row(run, metrics) for run in runs]
    if len(metrics) <= MOST_METRICS:
        print_table(head, rows, task)
        return
    lines = [list(line) for line in zip(head, *rows, strict=True)]
    measured = [line for line in lines[1:] if set(line[1:]) != {"–"} or line[0] in metrics]
    print_table(lines[0], measured, task)


def _row(run: Run, metrics: list[str]) -> list[str]:
    profile, outcomes = run["profile"], run["outcomes"]
    utilisation = profile["utilisation"]
    bad = ", ".join(f"{n} {k}" for k, n in outcomes.items() if k != "ok" and n)
    return [
        run["model"],
        run["split"],
        str(sum(outcomes.values())),
        *(interval(run["scores"][m]) for m in metrics),
        number(profile["rtfx"], digits=1),
        number(profile["rtfx_total"], digits=1),
        number(profile["padding"]["input"], "ratio", 1),
        _cpu(utilisation),
        size(utilisation.get("peak_rss")),
        bad or "–",
    ]


def _cpu(utilisation: dict[str, Any]) -> str:
    found = utilisation.get("cpu")
    return "–" if not found else f"{found['mean']:.0f} %"
