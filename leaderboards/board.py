"""A board: which columns it has, which runs fill them, and what may stand side by side.

    title = "Open ASR"
    metric = "wer"                       # the default of the columns
    [[column]]
    label = "LS clean"
    task = "open_asr"
    split = "librispeech.clean"          # metric = "..." may be given too
    [[mean]]
    label = "mean"                       # unweighted over columns; `pooled = true` pools samples
    of = ["LS clean", "LS other"]
    [suite]                              # what `podium run` runs for the board
    models = ["moonshine"]

A cell that has no run is a gap, and a mean over a gap is a gap: never a mean over fewer columns.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..bench.errors import UsageError, unknown
from ..bench.registry import load, names
from ..bench.scores import Table, describe
from ..bench.signature import differences, scored
from ..bench.spec import rebuild
from ..bench.statistics import macro, pooled
from ..bench.store import RUN, Run, is_complete, load_run, read_document

HERE = Path(__file__).parent
RATES = ("rtfx", "rtfx_total")
"""What `profile` may list: amounts of input over seconds, which add up over runs."""


@dataclass(frozen=True, slots=True)
class Column:
    """One score of one split of one task."""

    label: str
    task: str
    split: str
    metric: str


@dataclass(frozen=True, slots=True)
class Mean:
    """A column made of others: their unweighted mean, or their samples pooled."""

    label: str
    of: tuple[str, ...]
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """A board as its TOML file has it."""

    name: str
    title: str
    columns: tuple[Column, ...]
    means: tuple[Mean, ...] = ()
    profile: tuple[str, ...] = ()
    sort: str = ""
    oracles: tuple[str, ...] = ()
    about: str = ""
    models: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)

    def suite(self) -> Iterator[tuple[str, str, str]]:
        """(model, task, split) for every cell that the board's own models fill."""
        for entry in self.models:
            cells = dict.fromkeys((column.task, column.split) for column in self.columns)
            for task, split in cells:
                if task in entry.get("tasks", [task]):
                    yield entry["model"], task, split


def board_names() -> list[str]:
    """Our boards and those that plugins offer."""
    return sorted({*(p.stem for p in HERE.glob("*.toml")), *names("leaderboard")})


def load_board(name: str) -> Board:
    """A board by name or by the path of its TOML file. Raises UsageError, with near names."""
    path = Path(name)
    if path.suffix != ".toml":
        path = HERE / f"{name}.toml"
        if not path.exists():
            if name not in names("leaderboard"):
                raise unknown("leaderboard", name, board_names())
            path = Path(load("leaderboard", name))
    try:
        board = _read(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML ({error})") from error
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: a column or mean lacks or mistakes {error}") from error
    try:
        _check(board)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return board


def _check(board: Board) -> None:
    """Raise UsageError where a board names what it has not: it would be a gap for ever."""
    labels = [column.label for column in board.columns]
    for column in board.columns:
        if not column.metric:
            raise UsageError(f'the column "{column.label}" has no metric, nor has the board')
    named = [("column", label, labels) for mean in board.means for label in mean.of]
    named += [("rate", name, list(RATES)) for name in board.profile]
    named += [("column or mean", board.sort, labels + [m.label for m in board.means])]
    for what, name, known in named:
        if name not in known:
            raise unknown(what, name, known)


def _read(name: str, text: Mapping[str, Any]) -> Board:
    columns = tuple(
        Column(c["label"], c["task"], c["split"], c.get("metric", text.get("metric", "")))
        for c in text["column"]
    )
    return Board(
        name=name,
        title=text["title"],
        columns=columns,
        means=tuple(
            Mean(m["label"], tuple(m["of"]), m.get("pooled", False)) for m in text.get("mean", ())
        ),
        profile=tuple(text.get("profile", ())),
        sort=text.get("sort", columns[0].label if columns else ""),
        oracles=tuple(text.get("oracles", ())),
        about=text.get("about", ""),
        models=tuple(
            {"model": m} if isinstance(m, str) else m
            for m in text.get("suite", {}).get("models", ())
        ),
    )


@dataclass
class Standing:
    """One model's line: its cells by label (None: a gap), its profile, and its marks."""

    model: str
    oracle: bool
    cells: dict[str, dict[str, Any] | None]
    profile: dict[str, float | None]
    runs: dict[str, str]


@dataclass
class Standings:
    """A board filled from run folders; `notes` say what could not stand beside the rest."""

    board: Board
    lines: list[Standing]
    notes: list[str]


def find_runs(folders: Iterable[Path]) -> list[Run]:
    """Every finished run in these folders or below them, oldest first."""
    runs = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of runs")
        for path in sorted(p.parent for p in folder.rglob(RUN)):
            if is_complete(read_document(path)):
                runs.append(load_run(path))
    return sorted(runs, key=lambda r: r["finished"])


def fill(board: Board, runs: Sequence[Run]) -> Standings:
    """Put runs into a board's cells. Of two runs for one cell the later stands, and a note says so.

    A run whose task, data or metric signature differs from that of most runs in its column is left
    out of it, with a note that names the first field that differs.
    """
    notes: list[str] = []
    cells: dict[tuple[str, str], Run] = {}
    for column in board.columns:
        for model, run in _column_runs(column, runs, notes).items():
            cells[model, column.label] = run
    models = list(dict.fromkeys(model for model, _ in cells))
    lines = [_standing(board, model, cells) for model in models]
    lines.sort(key=lambda line: _rank(board, line))
    return Standings(board, lines, notes)


def _column_runs(column: Column, runs: Sequence[Run], notes: list[str]) -> dict[str, Run]:
    mine = [
        r
        for r in runs
        if (r["task"], r["split"]) == (column.task, column.split) and column.metric in r["scores"]
    ]
    keys = [_comparable(r, column.metric) for r in mine]
    if not keys:
        return {}
    usual = max(keys, key=lambda key: sum(not list(differences(key, k)) for k in keys))
    found: dict[str, Run] = {}
    for run, key in zip(mine, keys, strict=True):
        different = next(iter(differences(usual, key)), None)
        if different:
            notes.append(f"{column.label}: {run.path.name} is left out: its {different} differs")
            continue
        if run["model"] in found:
            notes.append(f"{column.label}: {run['model']} has several runs; the latest stands")
        found[run["model"]] = run
    return found


def _comparable(run: Run, metric: str) -> dict[str, Any]:
    long = run["signature"]["long"]
    return scored(long) | {"metrics": long["metrics"][metric]}


def _standing(board: Board, model: str, found: Mapping[tuple[str, str], Run]) -> Standing:
    runs = {c.label: found[model, c.label] for c in board.columns if (model, c.label) in found}
    cells: dict[str, dict[str, Any] | None] = {
        c.label: runs[c.label]["scores"][c.metric] if c.label in runs else None
        for c in board.columns
    }
    for mean in board.means:
        cells[mean.label] = _mean(board, mean, runs)
    return Standing(
        model,
        model.partition(":")[0].partition("(")[0] in board.oracles,
        cells,
        {name: _profile(name, list(runs.values())) for name in board.profile},
        {label: run.path.name for label, run in runs.items()},
    )


def _mean(board: Board, mean: Mean, runs: Mapping[str, Run]) -> dict[str, Any] | None:
    if any(label not in runs for label in mean.of):
        return None
    metrics, groups = [], []
    for label in mean.of:
        column = next(c for c in board.columns if c.label == label)
        task = rebuild(runs[label].document)
        metric = next(m for m in task.metrics if m.name == column.metric)
        metrics.append(metric)
        groups.append(Table.of(runs[label].records(), [metric]).rows()[metric.name])
    found = pooled(metrics[0], groups) if mean.pooled else macro(metrics[0], groups)
    return describe(metrics[0], found, np.vstack(groups))


def _profile(name: str, runs: Sequence[Run]) -> float | None:
    """RTFx over several runs: all their audio over all their time, as for one long run."""
    rates = [(r["profile"][name], r["profile"]["input"]) for r in runs]
    if any(rate is None for rate, _ in rates):
        return None
    return sum(amount for _, amount in rates) / sum(amount / rate for rate, amount in rates)


def _rank(board: Board, line: Standing) -> tuple[bool, float, str]:
    score = line.cells.get(board.sort)
    if score is None or score["value"] is None:
        return True, 0.0, line.model
    return False, -score["value"] if score["higher_is_better"] else score["value"], line.model
