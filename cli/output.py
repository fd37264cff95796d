"""What commands share in printing: JSON to standard output, tables people read, progress."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..bench.plain import to_json
from ..bench.runner import Progress

if TYPE_CHECKING:
    from rich.table import Table

PERCENT = ("ratio",)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(to_json(document, indent=1))


def note(text: str) -> None:
    """A line for people, on standard error."""
    print(text, file=sys.stderr, flush=True)


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number as people read it: ratios in per cent, nothing measured as a dash."""
    if value is None or value != value:
        return "–"
    if unit in PERCENT:
        return f"{100 * value:.{digits}f} %"
    return f"{value:.{digits}f}{' ' + unit if unit and unit != 'score' else ''}"


def interval(score: Mapping[str, Any]) -> str:
    """`17.31 % [14.80, 19.92]`."""
    text = number(score["value"], score["unit"])
    if score["low"] is None or score["low"] != score["low"]:
        return text
    scale = 100 if score["unit"] in PERCENT else 1
    return f"{text} [{scale * score['low']:.2f}, {scale * score['high']:.2f}]"


def size(count: float | None) -> str:
    """Bytes in MiB."""
    return "–" if count is None else f"{count / 2**20:.0f} MiB"


def print_scores(scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Scores as `run.json` has them: value, interval, and the sums that they are made of."""
    rows = [
        [name, interval(s), "  ".join(f"{k} {v:g}" for k, v in s["sums"].items())]
        for name, s in scores.items()
    ]
    print_table(["score", "value [95 % interval]", "sums"], rows)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: int = 1
) -> None:
    """A table on standard output; the first `left` columns to the left, the rest to the right.

    On a terminal too narrow for it, rows and columns are swapped if that makes it fit.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:  # a pipe has no width: lines must not be cut for it
        console = Console(width=max(console.width, 200))
    table = _table(columns, rows, title, left)
    free = console.options.update(max_width=10_000)
    if console.measure(table, options=free).maximum > console.width:
        head, *others = zip(columns, *rows, strict=True)
        turned = _table(head, others, title, 1)
        if console.measure(turned, options=free).maximum <= console.width:
            table = turned
    console.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, left: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for i, name in enumerate(columns):
        table.add_column(Text(name), justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as text: brackets in cells are not markup
    return table


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A live bar on standard error; where that is no terminal, a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[outcomes]}"),
        console=Console(stderr=True),
    ) as bars:
        bar = bars.add_task(label, total=None, outcomes="")

        def update(done: int, total: int | None, outcomes: Counter[str]) -> None:
            bars.update(bar, completed=done, total=total, outcomes=_bad(outcomes))

        yield update


def _lines(label: str) -> Any:
    said = time.monotonic()

    def update(done: int, total: int | None, outcomes: Counter[str]) -> None:
        nonlocal said
        if time.monotonic() - said >= 10 or done == total:
            said = time.monotonic()
            note(f"{label}: {done} of {total or '?'} {_bad(outcomes)}".rstrip())

    return update


def _bad(outcomes: Mapping[str, int]) -> str:
    return " ".join(f"{k} {v}" for k, v in sorted(outcomes.items()) if k != "ok" and v)
