"""Boards: what fills a cell, what may stand side by side, what a gap does."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from podium.bench import registry, spec
from podium.bench.batching import BatchLimit
from podium.bench.errors import UsageError
from podium.bench.runner import Settings, run
from podium.bench.store import Run
from podium.cli import main
from podium.leaderboards.board import fill, find_runs, load_board
from podium.leaderboards.render import as_json, comma_separated, markdown
from toys import Noisy, Repeat, rows

BOARD = """
title = "Toys"
metric = "wer"
sort = "mean"
profile = ["rtfx"]
oracles = ["best"]
[[column]]
label = "short"
task = "repeat"
split = "short"
[[column]]
label = "long"
task = "repeat"
split = "long"
[[mean]]
label = "mean"
of = ["short", "long"]
[[mean]]
label = "pooled"
pooled = true
of = ["short", "long"]
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def load(kind: str, name: str) -> type:
        return Repeat if name == "repeat" else registry.load(kind, name)

    monkeypatch.setattr(spec, "load", load)
    (tmp_path / "toys.toml").write_text(BOARD)
    return tmp_path / "toys.toml"


def measured(folder: Path, split: str, model: str, n: int, seed: int = 0) -> Run:
    adapter = Noisy()
    adapter.spec = model  # type: ignore[attr-defined]
    task = Repeat(rows(n, seed))
    how = Settings(batch=BatchLimit(samples=8))
    return run(task, adapter, task.split(split), folder, settings=how)


def test_means_are_over_sets_and_pooled_is_over_samples(board: Path, tmp_path: Path) -> None:
    short = measured(tmp_path / "runs" / "1", "short", "a", 10)
    long = measured(tmp_path / "runs" / "2", "long", "a", 60, 1)
    (line,) = fill(load_board(str(board)), find_runs([tmp_path / "runs"])).lines
    two = [r["scores"]["wer"] for r in (short, long)]
    assert line.cells["mean"]["value"] == pytest.approx(np.mean([s["value"] for s in two]))
    errors = sum(sum(s["sums"][k] for k in list(s["sums"])[:3]) for s in two)
    words = sum(s["sums"]["reference_words"] for s in two)
    assert line.cells["pooled"]["value"] == pytest.approx(errors / words)
    assert line.cells["mean"]["low"] <= line.cells["mean"]["value"] <= line.cells["mean"]["high"]


def test_a_mean_over_a_gap_is_a_gap_and_stands_last(board: Path, tmp_path: Path) -> None:
    measured(tmp_path / "runs" / "1", "short", "half", 10)
    for i, split in enumerate(("short", "long")):
        measured(tmp_path / "runs" / f"w{i}", split, "best(n=1)", 10)
    standings = fill(load_board(str(board)), find_runs([tmp_path / "runs"]))
    assert [line.model for line in standings.lines] == ["best(n=1)", "half"]
    assert standings.lines[1].cells["mean"] is None
    text = markdown(standings)
    assert "| `half` |" in text
    assert "| `best(n=1) (oracle)` |" in text
    assert "–" in text


def test_a_run_on_other_data_is_left_out_with_a_note(board: Path, tmp_path: Path) -> None:
    for i, model in enumerate("ab"):
        measured(tmp_path / "runs" / f"{i}", "short", model, 10)
    measured(tmp_path / "runs" / "odd", "short", "c", 10, seed=3)
    standings = fill(load_board(str(board)), find_runs([tmp_path / "runs"]))
    assert {line.model for line in standings.lines} == {"a", "b"}
    assert standings.notes == ["short: odd is left out: its data.content differs"]


def test_of_two_runs_for_a_cell_the_later_stands_with_a_note(board: Path, tmp_path: Path) -> None:
    measured(tmp_path / "runs" / "1", "short", "a", 10)
    measured(tmp_path / "runs" / "2", "short", "a", 10)
    standings = fill(load_board(str(board)), find_runs([tmp_path / "runs"]))
    assert standings.notes == ["short: a has several runs; the latest stands"]


def test_every_format_says_the_same(board: Path, tmp_path: Path) -> None:
    value = measured(tmp_path / "runs" / "1", "short", "a", 10)["scores"]["wer"]["value"]
    standings = fill(load_board(str(board)), find_runs([tmp_path / "runs"]))
    (row,) = csv.DictReader(io.StringIO(comma_separated(standings)))
    assert float(row["short"]) == value
    assert row["mean"] == ""
    assert json.loads(as_json(standings))["models"][0]["cells"]["short"]["value"] == value
    assert f"{100 * value:.2f} [" in markdown(standings)


def test_the_command_writes_a_file(board: Path, tmp_path: Path) -> None:
    measured(tmp_path / "runs" / "1", "short", "a", 10)
    out = tmp_path / "board.md"
    argv = ["leaderboard", str(board), "--results", str(tmp_path / "runs"), "-o", str(out)]
    assert main(argv) == 0
    assert out.read_text().startswith("# Toys")


def test_boards_that_cannot_be_filled_or_read_say_so(board: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["leaderboard", str(board), "--results", str(tmp_path / "empty")]) == 2
    (tmp_path / "bad.toml").write_text("title = ")
    with pytest.raises(UsageError, match="not TOML"):
        load_board(str(tmp_path / "bad.toml"))
    (tmp_path / "lacking.toml").write_text('title = "x"\n[[column]]\nlabel = "y"\n')
    with pytest.raises(UsageError, match="lacks or mistakes 'task'"):
        load_board(str(tmp_path / "lacking.toml"))

    column = 'title = "x"\nmetric = "wer"\n{}[[column]]\nlabel = "A"\ntask = "t"\nsplit = "s"\n'
    for text, said in [
        (column.format("") + '[[mean]]\nlabel = "m"\nof = ["A", "B"]\n', 'no column "B"'),
        (column.format('sort = "B"\n'), 'no column or mean "B"'),
        (column.format('profile = ["rtf"]\n'), 'no rate "rtf"; did you mean "rtfx"'),
        (column.format("").replace("metric", "about"), '"A" has no metric'),
    ]:
        (tmp_path / "wrong.toml").write_text(text)
        with pytest.raises(UsageError, match=said):
            load_board(str(tmp_path / "wrong.toml"))


def test_our_boards_load() -> None:
    for name in ("quick", "open_asr"):
        assert load_board(name).columns
