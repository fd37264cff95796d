"""The command line as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jiwer
import pytest
from podium import cli
from podium.cli import main
from podium.cli.output import print_table

Shell = pytest.CaptureFixture[str]


def podium(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podium", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("argv", [["--help"], ["list", "tasks"], ["list", "adapters"]])
def test_nothing_heavy_is_imported_to_look_around(argv: list[str]) -> None:
    script = (
        "import sys; from podium.cli import main; status = main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'scipy', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)), status, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True)
    assert done.stderr.strip() == "[] 0"
    assert done.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rum"], 'podium: no podium command "rum"; did you mean "run"?'),
        (["run", "--modle", "x"], 'did you mean "--model"?'),
        (["run", "open_asr"], "give --model"),
        (["run", "open_assr", "--model", "moonshine"], 'did you mean "open_asr"?'),
        (["run", "open_asr", "--model", "moonshin"], 'did you mean "moonshine"?'),
        (["run", "open_asr", "--model", "x", "--limit", "0"], "leaves nothing to run"),
        (["run", "open_asr", "--model", "x", "--data", "nowhere"], "nowhere: no such folder"),
        (["run", "open_asr", "--model", "moonshine", "--batch", "0s"], "not a batch limit"),
        (["run", "open_asr", "--model", "moonshine", "--device", "tpu"], '--device "tpu"'),
        (["run", "open_asr", "--model", "moonshine", "--data", "."], "no --split"),
        (["run", "open_asr", "--model", "moonshine", "--limit", "x"], "podium: run: argument"),
        (["run", "open_asr", "--model", "moonshine(vad=3)"], "vad is 3; it takes bool"),
        (["list", "task"], 'did you mean "tasks"?'),
        (["show", "nowhere"], "nowhere: not a run folder"),
        (["score", "wre"], 'did you mean "wer"?'),
        (["score", "wer", "--ref", "nowhere", "--hyp", "nowhere"], "nowhere: cannot be read"),
        (["leaderboard", "opn_asr"], 'did you mean "open_asr"?'),
        (["compare", "one"], "two run folders or more"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(argv: list[str], message: str, capsys: Shell) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [x for x in captured.err.splitlines() if not x.startswith("loading")]
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    "mistake", [["--model", "pocketspinx"], ["--split", "mini", "--split", "minni"]]
)
def test_the_last_cell_is_looked_at_before_the_first_is_run(
    mistake: list[str], tmp_path: Path, capsys: Shell
) -> None:
    argv = ["run", "open_asr", "--model", "moonshine", *mistake, "--out", str(tmp_path / "run")]
    assert main(argv) == 2
    assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_table_too_wide_for_the_terminal_is_turned(
    monkeypatch: pytest.MonkeyPatch, capsys: Shell
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    columns, row = ["model", *"abcdefgh"], ["moonshine", *["17.31 % [14.80, 19.92]"] * 8]
    for width, lines in ((300, 1), (80, 8)):
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(columns, [row])
        shown = capsys.readouterr().out
        assert sum("17.31 % [14.80, 19.92]" in line for line in shown.splitlines()) == lines


def test_every_command_is_in_the_table_and_every_entry_is_a_command() -> None:
    here = Path(cli.__file__).parent
    files = {p.stem for p in here.glob("*.py")} | {
        p.parent.name for p in here.glob("*/__init__.py")
    }
    assert files - {"__init__", "output"} == {name.replace("-", "_") for name in cli.COMMANDS}


def test_a_traceback_never_reaches_the_user_from_the_shell() -> None:
    done = podium("score", "wer", "--ref", "/", "--hyp", "/")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


REFERENCES = ["the cat sat on the mat", "hello world", "one two three", "quite right"]
HYPOTHESES = ["the cat sat on mat", "hello word", "", "quite right"]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_score_wer_on_text_files_is_jiwers(tmp_path: Path, capsys: Shell) -> None:
    ref, hyp = write(tmp_path / "r.txt", REFERENCES), write(tmp_path / "h.txt", HYPOTHESES)
    argv = ["score", "wer", "--ref", ref, "--hyp", hyp, "--normalizer", "none", "--json"]
    assert main(list(map(str, argv))) == 0
    document = json.loads(capsys.readouterr().out)
    expected = jiwer.process_words(REFERENCES, HYPOTHESES)
    wer = document["scores"]["wer"]
    assert wer["value"] == pytest.approx(expected.wer, abs=1e-12)
    assert wer["low"] <= wer["value"] <= wer["high"]
    assert wer["sums"]["deletions"] == expected.deletions
    assert document["scores"]["cer"]["value"] == pytest.approx(jiwer.cer(REFERENCES, HYPOTHESES))
    others = {"error": 0, "timeout": 0, "out_of_memory": 0}
    assert document["outcomes"] == {"ok": 3, "empty": 1, **others}


def test_score_wer_pairs_json_lines_by_id(tmp_path: Path, capsys: Shell) -> None:
    rows = [json.dumps({"id": f"u{i}", "text": t}) for i, t in enumerate(REFERENCES)]
    guesses = [json.dumps({"id": f"u{i}", "text": t}) for i, t in enumerate(HYPOTHESES)]
    ref, hyp = write(tmp_path / "r.jsonl", rows), write(tmp_path / "h.jsonl", guesses[::-1])
    argv = ["score", "wer", "--ref", str(ref), "--hyp", str(hyp), "--normalizer", "none", "--json"]
    assert main(argv) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scores"]["wer"]["sums"]["reference_words"] == 13


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], 'the first without a match is "u3"'),
        (lambda rows: [*rows, '{"id": "extra", "text": ""}'], 'match is "extra"'),
        (lambda rows: [*rows, rows[0]], ':5: the id "u0" is there twice'),
        (lambda rows: [*rows[:2], "{", *rows[2:]], ":3: not JSON"),
        (lambda rows: ['{"id": "u0"}', *rows[1:]], ':1: needs "id" and "text"'),
        (lambda rows: ['{"id": "u0", "text": 3}', *rows[1:]], '"text" is int'),
    ],
)
def test_files_that_do_not_pair_are_refused(
    tmp_path: Path, capsys: Shell, change, message: str
) -> None:
    rows = [json.dumps({"id": f"u{i}", "text": t}) for i, t in enumerate(REFERENCES)]
    ref = write(tmp_path / "r.jsonl", rows)
    hyp = write(tmp_path / "h.jsonl", change(rows))
    assert main(["score", "wer", "--ref", str(ref), "--hyp", str(hyp)]) == 2
    assert message in capsys.readouterr().err


def test_a_byte_order_mark_and_windows_line_ends_are_no_words(
    tmp_path: Path, capsys: Shell
) -> None:
    ref, windows = write(tmp_path / "r.txt", REFERENCES), tmp_path / "w.txt"
    windows.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*REFERENCES, ""]).encode())
    argv = ["score", "wer", "--ref", ref, "--hyp", windows, "--normalizer", "none", "--json"]
    assert main(list(map(str, argv))) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["wer"]["value"] == 0


def test_files_without_an_utterance_are_refused(tmp_path: Path, capsys: Shell) -> None:
    empty = write(tmp_path / "empty.txt", [])
    assert main(["score", "wer", "--ref", str(empty), "--hyp", str(empty)]) == 2
    assert "no utterances" in capsys.readouterr().err


def test_text_files_of_different_length_are_never_cut(tmp_path: Path, capsys: Shell) -> None:
    ref, hyp = write(tmp_path / "r.txt", REFERENCES), write(tmp_path / "h.txt", HYPOTHESES[:2])
    assert main(["score", "wer", "--ref", str(ref), "--hyp", str(hyp)]) == 2
    assert "has 4 utterances" in capsys.readouterr().err
