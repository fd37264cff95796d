"""The runner: every sample one record, whatever happens on the way."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from podium.bench.batching import BatchLimit, parse_batch
from podium.bench.errors import UsageError
from podium.bench.evaluate import evaluate
from podium.bench.runner import Settings, run
from podium.bench.signature import differences, scored
from podium.bench.store import Run, load_run
from toys import Noisy, Repeat, rows

EIGHT = Settings(batch=BatchLimit(samples=8))


def go(data: list, folder: Path, adapter: Noisy | None = None, how: Settings = EIGHT) -> Run:
    task = Repeat(data)
    return run(task, adapter or Noisy(), task.split("all"), folder, settings=how)


def ids(done: Run) -> list[str]:
    return sorted(r["id"] for r in done.records())


@hypothesis_settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(n=st.integers(1, 60), seed=st.integers(0, 9), size=st.integers(1, 70))
def test_scores_do_not_depend_on_batch_size_or_order(
    tmp_path_factory: pytest.TempPathFactory, n: int, seed: int, size: int
) -> None:
    data = rows(n, seed)
    base = tmp_path_factory.mktemp("runs")
    one = go(data, base / "one", how=Settings(batch=BatchLimit(samples=1)))
    shuffled = random.Random(seed).sample(data, n)
    other = go(shuffled, base / "other", how=Settings(batch=BatchLimit(samples=size)))
    assert one["scores"] == other["scores"]
    assert one["by"] == other["by"]
    data_of = lambda r: r["signature"]["long"]["data"]  # noqa: E731
    assert data_of(one) == data_of(other)


def test_every_outcome_stays_in_the_denominator(tmp_path: Path) -> None:
    texts = ["a b", "boom c", "late d e", "silent f", "g h i"]
    data = [{"id": str(i), "text": t, "speaker": "x"} for i, t in enumerate(texts)]
    done = go(data, tmp_path / "run")
    assert done["outcomes"] == {"ok": 2, "empty": 1, "error": 1, "timeout": 1, "out_of_memory": 0}
    assert done["scores"]["wer"]["n"] == 5
    assert done["scores"]["wer"]["sums"]["reference_words"] == sum(len(t.split()) for t in texts)
    assert {f["id"]: f["message"] for f in done["failures"]} == {
        "1": "RuntimeError: boom went the model",
        "2": "no answer in time",
    }


def test_out_of_memory_halves_the_batch_and_changes_no_score(tmp_path: Path) -> None:
    data = rows(64)
    whole = go(data, tmp_path / "whole", Noisy(), Settings(batch=BatchLimit(samples=64)))
    tight = Noisy(most=5)
    halved = go(data, tmp_path / "halved", tight, Settings(batch=BatchLimit(samples=64)))
    assert halved["scores"] == whole["scores"]
    assert halved["outcomes"]["ok"] == 64
    assert halved["profile"]["batches"]["out_of_memory"] > 0
    assert tight.batches[-1] <= 5


def test_what_never_fits_is_recorded_so(tmp_path: Path) -> None:
    done = go(rows(3), tmp_path / "run", Noisy(most=0))
    assert done["outcomes"]["out_of_memory"] == 3
    assert done["scores"]["wer"]["value"] == 1.0


def test_what_a_model_takes_one_at_a_time_is_not_padded(tmp_path: Path) -> None:
    class Single(Noisy):
        batched = False

    assert go(rows(20), tmp_path / "single", Single())["profile"]["padding"]["input"] == 0
    assert go(rows(20), tmp_path / "padded")["profile"]["padding"]["input"] > 0


def test_a_seed_or_limit_that_chose_no_data_bars_no_comparison(tmp_path: Path) -> None:
    hows = [Settings(), Settings(seed=1), Settings(limit=99), Settings(limit=20, seed=3)]
    a, *others = (go(rows(20), tmp_path / str(i), how=how) for i, how in enumerate(hows))
    assert [differences_that_bar(a, b) for b in others] == [[], [], []]
    a, b = (
        go(rows(20), tmp_path / f"{seed}-of-5", how=Settings(limit=5, seed=seed)) for seed in (0, 1)
    )
    assert "data.content" in differences_that_bar(a, b)


def differences_that_bar(a: Run, b: Run) -> list[str]:
    return list(differences(*(scored(r["signature"]["long"]) for r in (a, b))))


def test_repeats_are_timed_and_recorded_once(tmp_path: Path) -> None:
    how = Settings(batch=BatchLimit(samples=8), repeats=3)
    done = go(rows(20), tmp_path / "run", Noisy(pause=0.001), how)
    assert len(done["profile"]["repeats"]["model"]) == 3
    assert done["profile"]["repeats"]["spread"] >= 0
    assert done["profile"]["repeats"]["differing"] == 0
    assert len(ids(done)) == 20
    assert done["profile"]["rtfx"] is None  # text has no seconds


def test_latency_is_measured_one_sample_at_a_time(tmp_path: Path) -> None:
    adapter = Noisy(pause=0.002)
    done = go(rows(10), tmp_path / "run", adapter, Settings(latency=True))
    assert set(adapter.batches) == {1}
    assert 0.002 <= done["profile"]["latency"]["p50"] <= done["profile"]["latency"]["p95"]
    assert go(rows(10), tmp_path / "batch")["profile"]["latency"] is None


def test_limit_is_a_random_subset_that_only_seed_and_ids_decide(tmp_path: Path) -> None:
    data = rows(200)
    five = [
        ids(go(d, tmp_path / f"{i}", how=Settings(batch=BatchLimit(samples=4), limit=20, seed=s)))
        for i, (d, s) in enumerate([(data, 1), (data[::-1], 1), (data, 2)])
    ]
    assert five[0] == five[1] != five[2]
    assert len(five[0]) == 20
    assert five[0] != ids_of_first(data, 20)


def ids_of_first(data: list, n: int) -> list[str]:
    return [r["id"] for r in data[:n]]


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    data = rows(3)
    with pytest.raises(UsageError, match='the id "s000001" is there twice'):
        go([*data, data[1]], tmp_path / "run")


def test_an_adapter_that_answers_too_little_is_an_error_not_a_shift(tmp_path: Path) -> None:
    class Short(Noisy):
        def generate(self, batch):  # type: ignore[no-untyped-def]
            return super().generate(batch)[:-1] if len(batch) > 1 else super().generate(batch)

    done = go(rows(9), tmp_path / "run", Short())
    assert done["outcomes"]["ok"] == 9
    assert done["scores"] == go(rows(9), tmp_path / "other")["scores"]


def test_a_model_that_cannot_do_the_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="repeat needs a model that can generate; object cannot"):
        evaluate(Repeat(rows(1)), object(), out=tmp_path / "run")


def test_a_second_run_into_the_folder_is_refused_while_the_first_writes(tmp_path: Path) -> None:
    class Nested(Noisy):
        def generate(self, batch):  # type: ignore[no-untyped-def]
            with pytest.raises(UsageError, match="another run is writing to this folder"):
                go(rows(5), tmp_path / "run")
            return super().generate(batch)

    assert go(rows(5), tmp_path / "run", Nested())["outcomes"]["ok"] == 5


def test_another_run_in_the_folder_is_refused_and_fresh_replaces_it(tmp_path: Path) -> None:
    go(rows(5), tmp_path / "run")
    task = Repeat(rows(5))
    other = Settings(batch=BatchLimit(samples=8), seed=3)
    with pytest.raises(UsageError, match=r"holds a run with another run\.seed"):
        run(task, Noisy(), task.split("all"), tmp_path / "run", settings=other)
    done = run(task, Noisy(), task.split("all"), tmp_path / "run", settings=other, fresh=True)
    assert done["signature"]["long"]["run"]["seed"] == 3


def test_changed_references_are_noticed_on_resuming(tmp_path: Path) -> None:
    data = rows(12)
    unfinish(go(data, tmp_path / "run").path, keep=8)
    first = json.loads((tmp_path / "run" / "records.jsonl").read_text().splitlines()[0])["id"]
    changed = [r | {"text": "other words"} if r["id"] == first else r for r in data]
    with pytest.raises(UsageError, match="has changed since this run"):
        go(changed, tmp_path / "run")


def unfinish(folder: Path, keep: int) -> None:
    """Take a finished run back to its first records, as a crash would have left it."""
    records = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "records.jsonl").write_bytes(b"".join(records[:keep]))
    document = json.loads((folder / "run.json").read_text())
    running = {"schema": 1, "status": "running"}
    running["signature"] = {"resume": document["signature"]["resume"]}
    (folder / "run.json").write_text(json.dumps(running))


@pytest.mark.parametrize("tail", [b"", b'{"id": "s0', b"\x00\xff garbage\n", b'{"id": 3', b"[]\n"])
@pytest.mark.parametrize("keep", [13, 16])
def test_a_damaged_end_is_repaired(tmp_path: Path, tail: bytes, keep: int) -> None:
    data = rows(30)
    whole = go(data, tmp_path / "whole")
    go(data, tmp_path / "run")
    unfinish(tmp_path / "run", keep)
    with (tmp_path / "run" / "records.jsonl").open("ab") as file:
        file.write(tail)
    again = go(data, tmp_path / "run")
    assert again["scores"] == whole["scores"]
    assert len(ids(again)) == len(set(ids(again))) == 30
    assert again["profile"]["input"] == whole["profile"]["input"]  # no batch is counted twice


def damage(records: Path) -> None:
    content = records.read_bytes().splitlines(keepends=True)
    content[11] = content[11][:20] + b"\xff" + content[11][21:]
    records.write_bytes(b"".join(content))


def shorten(records: Path) -> None:
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:16]))


@pytest.mark.parametrize("harm", [damage, shorten, Path.unlink])
def test_a_finished_run_whose_records_were_harmed_is_completed(tmp_path: Path, harm: Any) -> None:
    whole = go(rows(30), tmp_path / "run")
    harm(whole.path / "records.jsonl")
    with pytest.raises(UsageError, match=r"records\.jsonl.*"):
        list(whole.records())
    again = go(rows(30), tmp_path / "run")
    assert again["scores"] == whole["scores"]
    assert len(ids(again)) == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not what a run writes"),
        ('{"schema": 1, "status": "complete"}', "not what a run writes"),
        ('{"schema": 9, "signature": {"resume": {}}}', "schema 9"),
        ("\xff", "not JSON"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=said):
        load_run(tmp_path)
    with pytest.raises(UsageError, match=said):
        go(rows(5), tmp_path)
    with pytest.raises(UsageError, match="not a run folder"):
        load_run(tmp_path / "run.json")


SCRIPT = """
import sys, json
from pathlib import Path
from toys import Noisy, Repeat, rows
from podium.bench.runner import Settings, run
from podium.bench.batching import BatchLimit
task = Repeat(rows(400))
adapter = Noisy(pause=0.004, log=Path(sys.argv[2]))
how = Settings(batch=BatchLimit(samples=4))
run(task, adapter, task.split("all"), Path(sys.argv[1]), settings=how)
"""


def start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    support = Path(__file__).parent / "support"
    environment = {**os.environ, "PYTHONPATH": str(support)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, folder, log], env=environment)


def test_a_killed_run_resumes_to_the_same_scores(tmp_path: Path) -> None:
    whole = go(rows(400), tmp_path / "whole", how=Settings(batch=BatchLimit(samples=4)))
    folder, log = tmp_path / "run", tmp_path / "asked.txt"
    rng = random.Random(5)
    kills = 0
    while kills < 5:
        before = lines(folder / "records.jsonl")
        process = start(folder, log)
        until = before + rng.randint(8, 60)
        while lines(folder / "records.jsonl") < until and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        kills += 1
        assert len(lines_of(folder)) >= until - 4
    assert start(folder, log).wait() == 0
    done = load_run(folder)
    assert done["scores"] == whole["scores"]
    assert ids(done) == ids(whole)
    asked = len(log.read_text().splitlines())
    warm_ups = 6 * 4  # one batch before each start's first
    assert asked <= 400 + kills * 4 + warm_ups  # only the batch in flight was asked again


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "records.jsonl").read_bytes().splitlines()


FULL = """
import resource, signal, sys
from pathlib import Path
from toys import Noisy, Repeat, rows
from podium.bench.errors import UsageError
from podium.bench.runner import Settings, run
from podium.bench.batching import BatchLimit
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
task = Repeat(rows(200))
how = Settings(batch=BatchLimit(samples=8))
try:
    run(task, Noisy(), task.split("all"), Path(sys.argv[1]), settings=how)
except UsageError as error:
    print(error)
    sys.exit(2)
"""


def test_a_full_disk_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writes fail half-way, as there."""
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent / "support")}
    failed = subprocess.run(
        [sys.executable, "-c", FULL, folder], env=environment, capture_output=True, text=True
    )
    assert failed.returncode == 2, failed.stderr
    assert len(failed.stdout.splitlines()) == 1
    assert "make room, then start the same command again" in failed.stdout
    kept = [json.loads(line) for line in lines_of(folder)]
    assert kept
    done = go(rows(200), folder)
    assert done["scores"] == go(rows(200), tmp_path / "whole")["scores"]


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times the samples must not take ten times the memory: windows, not lists."""
    script = (
        "import sys, resource; from pathlib import Path; from toys import *;"
        "from podium.bench.runner import Settings, run;"
        "from podium.bench.batching import BatchLimit;"
        "n = int(sys.argv[2]); task = Repeat(rows(n), buffer=500);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "run(task, Noisy(), task.split('all'), Path(sys.argv[1]),"
        " settings=Settings(batch=BatchLimit(samples=100)));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent / "support")}
    grown = [
        int(
            subprocess.run(
                [sys.executable, "-c", script, tmp_path / str(n), str(n)],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for n in (1_000, 10_000)
    ]
    assert grown[1] - grown[0] < 20_000  # KiB: 9,000 samples more, at most 2 KiB each


def test_bad_batch_options_are_refused() -> None:
    for text in ("0", "-1", "12x", "", "s"):
        with pytest.raises(UsageError):
            parse_batch(text)


def test_peak_file_limit_is_not_left_behind() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
