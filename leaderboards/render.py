"""A filled board as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from ..bench.plain import to_json, to_plain
from .board import Standing, Standings


def markdown(standings: Standings) -> str:
    """A table with intervals; gaps are dashes, oracles are marked, notes stand below."""
    board = standings.board
    labels = _labels(standings)
    head = ["model", *labels, *board.profile]
    lines = [f"# {board.title}", ""]
    if board.about:
        lines += [board.about.strip(), ""]
    lines += [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for line in standings.lines:
        name = f"{line.model} (oracle)" if line.oracle else line.model
        scores = [cell(line.cells[label]) for label in labels]
        rates = [_number(line.profile[p]) for p in board.profile]
        lines.append(_row([f"`{name}`", *scores, *rates]))
    counts = [f"{label} {n}" for label, n in _counts(standings).items()]
    lines += ["", "95 % bootstrap intervals in brackets. Samples: " + ", ".join(counts) + "."]
    lines += [f"- {note}" for note in standings.notes]
    return "\n".join(lines) + "\n"


def comma_separated(standings: Standings) -> str:
    """One line a model; value, low and high of every column, as fractions; gaps are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    labels = _labels(standings)
    parts = ("value", "low", "high", "n")
    head = [f"{label} {part}".removesuffix(" value") for label in labels for part in parts]
    writer.writerow(["model", "oracle", *head, *standings.board.profile])
    for line in standings.lines:
        scores = [(line.cells[label] or {}).get(part) for label in labels for part in parts]
        writer.writerow([line.model, line.oracle, *scores, *line.profile.values()])
    return out.getvalue()


def as_json(standings: Standings) -> str:
    """Everything, machine-readable."""
    board = standings.board
    document = {"board": board.name, "title": board.title, "columns": _labels(standings)}
    document |= {"models": [to_plain(line) for line in standings.lines], "notes": standings.notes}
    return to_json(document, indent=1) + "\n"


RENDERERS: dict[str, Callable[[Standings], str]] = {
    "md": markdown,
    "csv": comma_separated,
    "json": as_json,
}


def cell(score: dict[str, Any] | None) -> str:
    """`17.31 [14.80, 19.92]`, ratios in per cent; a dash for a gap."""
    if score is None or score["value"] is None:
        return "–"
    scale = 100 if score["unit"] == "ratio" else 1
    text = f"{scale * score['value']:.2f}"
    if score["low"] is None or score["low"] != score["low"]:
        return text
    return f"{text} [{scale * score['low']:.2f}, {scale * score['high']:.2f}]"


def _labels(standings: Standings) -> list[str]:
    board = standings.board
    return [*(c.label for c in board.columns), *(m.label for m in board.means)]


def _counts(standings: Standings) -> dict[str, str]:
    """Samples a column; every line has as many, or its run would not be in the column."""
    found: dict[str, str] = {}
    for column in standings.board.columns:
        cells: list[Standing] = [s for s in standings.lines if s.cells[column.label]]
        found[column.label] = str(cells[0].cells[column.label]["n"]) if cells else "–"  # type: ignore[index]
    return found


def _row(parts: list[str]) -> str:
    return "| " + " | ".join(p.replace("|", "\\|") for p in parts) + " |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
