import os
import shlex
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from podium.bench.adapter import Failure, Generates, Transcribes, Translates
from podium.bench.adapters.worker import Worker
from podium.bench.audio import Audio
from podium.bench.errors import UsageError
from podium.bench.task import Outcome, Size, Transcript
from podium.bench.text import Sentence, Translation

ROOT = Path(__file__).resolve().parents[1]

HEAD = """
import base64, json, os, struct, subprocess, sys, time
def say(value):
    print(json.dumps(value), flush=True)
def serve(handle, **hello):
    for line in sys.stdin:
        message = json.loads(line)
        if "podium" in message:
            say({"identity": {"model": "test"}, **hello})
        else:
            say({"id": message["id"], "responses": [handle(i) for i in message["batch"]]})
"""


def worker(folder: Path, body: str, **options) -> Worker:
    script = folder / "worker.py"
    script.write_text(HEAD + textwrap.dedent(body))
    return Worker(shlex.join([sys.executable, str(script)]), **options)


def clips(*seconds: float) -> list[Audio]:
    return [Audio.synthetic(Size(s)) for s in seconds]


def gone(pid: int) -> bool:
    for _ in range(50):
        if not psutil.pid_exists(pid):
            return True
        time.sleep(0.05)
    return False


def test_the_example_in_the_documentation_works():
    script = ROOT / "docs" / "examples" / "worker_echo.py"
    model = Worker(shlex.join([sys.executable, str(script)]))
    assert isinstance(model, Transcribes)
    assert not isinstance(model, Translates)
    assert (model.batched, model.sampling_rate) == (True, 16_000)
    assert model.identity()["model"] == "echo"
    answers = model.transcribe(clips(0.5, 1.25))
    model.close()
    assert answers == [Transcript("0.50 seconds"), Transcript("1.25 seconds")]


def test_audio_arrives_exactly_by_file_and_by_value(tmp_path):
    body = """
    def handle(item):
        if "audio" in item:
            import soundfile
            samples = soundfile.read(item["audio"], dtype="float32")[0].tolist()
        else:
            data = base64.b64decode(item["samples"])
            samples = list(struct.unpack(f"<{len(data) // 4}f", data))
        return {"id": item["id"], "text": repr(samples), "nbest": [{"text": "x", "score": -1}]}
    serve(handle, audio=sys.argv[1] if len(sys.argv) > 1 else "path")
    """
    audio = Audio(samples=np.array([0.1, -0.25, 1 / 3, 1.5e-9], np.float32))
    model = worker(tmp_path, body)
    other = Worker(shlex.join([sys.executable, str(tmp_path / "worker.py"), "base64"]))
    (by_file,), (by_value,) = model.transcribe([audio]), other.transcribe([audio])
    model.close()
    other.close()
    assert by_file == by_value
    assert by_file.text == repr(audio.samples.tolist())
    assert by_file.nbest[0].score == -1.0


def test_other_capabilities_pass_through_the_same_door(tmp_path):
    body = """
    def handle(item):
        return {"id": item["id"], "text": item["text"].upper() + item["target_language"]}
    serve(handle, capabilities=["translate"], sampling_rate=None)
    """
    model = worker(tmp_path, body)
    assert isinstance(model, Translates)
    assert not isinstance(model, (Transcribes, Generates))
    assert model.sampling_rate is None
    answer = model.translate([Sentence("uma casa", source_language="pt", target_language="en")])
    model.close()
    assert [type(a) for a in answer] == [Translation]
    assert answer[0].text == "UMA CASAen"


def test_what_libraries_print_is_passed_over_and_counted(tmp_path):
    body = """
    print("loading ..."); print("{broken", flush=True); say([1]); say({"id": 99, "responses": []})
    def handle(item):
        print("50% done"); print("é" * 200_000); print("x" * 300_000, file=sys.stderr)
        return {"id": item["id"], "text": "ok"}
    serve(handle)
    """
    model = worker(tmp_path, body)
    assert model.transcribe(clips(0.1, 0.1, 0.1)) == [Transcript("ok")] * 3
    model.close()
    assert model.garbage == 10


def test_answers_in_any_order_missing_failed_or_misshapen_each_stay_in_their_place(tmp_path):
    body = """
    for line in sys.stdin:
        message = json.loads(line)
        if "podium" in message:
            say({"identity": {}})
            continue
        say({"id": message["id"], "responses": [
            {"id": 4, "text": "four"}, {"id": 0, "text": "zero"},
            {"id": 1, "error": "no speech"}, {"id": 3, "text": 7},
            {"id": 5, "error": "CUDA", "outcome": "out_of_memory"}, {"id": 6, "txt": ""}]})
    """
    model = worker(tmp_path, body)
    answers = model.transcribe(clips(*[0.1] * 7))
    model.close()
    assert answers[0] == Transcript("zero")
    assert answers[4] == Transcript("four")
    assert answers[1] == Failure(Outcome.ERROR, "no speech")
    assert answers[5] == Failure(Outcome.OUT_OF_MEMORY, "CUDA")
    assert [type(answers[i]) for i in (2, 3, 6)] == [Failure] * 3


def test_a_hung_worker_is_killed_with_its_children_and_replaced(tmp_path):
    body = f"""
    def handle(item):
        flag = {str(tmp_path / "flag")!r}
        if not os.path.exists(flag):
            child = subprocess.Popen(["sleep", "600"])
            open(flag, "w").write(f"{{os.getpid()}} {{child.pid}}")
            time.sleep(600)
        return {{"id": item["id"], "text": "back"}}
    serve(handle)
    """
    model = worker(tmp_path, body, timeout=1.0)
    first = model.transcribe(clips(0.1, 0.1))
    assert [f.outcome for f in first] == [Outcome.TIMEOUT] * 2
    assert all(gone(int(pid)) for pid in (tmp_path / "flag").read_text().split())
    assert model.transcribe(clips(0.1)) == [Transcript("back")]
    assert model.restarts == 1
    model.close()


def test_a_worker_that_does_not_even_read_is_late_too(tmp_path):
    body = """
    sys.stdin.readline()
    say({"identity": {}, "audio": "base64"})
    time.sleep(600)
    """
    model = worker(tmp_path, body, timeout=0.5)
    answers = model.transcribe(clips(60.0))  # more than a pipe holds
    model.close()
    assert answers[0].outcome is Outcome.TIMEOUT


def test_a_crashed_worker_leaves_its_status_and_last_words_and_is_replaced(tmp_path):
    body = """
    def handle(item):
        if item["seconds"] > 1:
            print("Traceback ...\\nMemoryError: 3 GiB", file=sys.stderr)
            sys.stderr.flush()
            os._exit(3)
        return {"id": item["id"], "text": "fine"}
    serve(handle)
    """
    model = worker(tmp_path, body)
    crash = Failure(Outcome.ERROR, "worker exited with status 3: MemoryError: 3 GiB")
    assert model.transcribe(clips(0.5, 2.0)) == [crash, crash]
    assert model.transcribe(clips(0.5)) == [Transcript("fine")]
    model.close()


def test_a_worker_that_ends_between_batches_costs_no_sample(tmp_path):
    body = """
    for line in sys.stdin:
        message = json.loads(line)
        if "podium" in message:
            say({"identity": {}})
        else:
            say({"id": message["id"], "responses": [{"id": 0, "text": "once"}]})
            break
    """
    model = worker(tmp_path, body)
    for _ in range(2):
        assert model.transcribe(clips(0.1)) == [Transcript("once")]
        time.sleep(0.3)
    model.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit('no weights here')", "status 1: no weights here"),
        ("time.sleep(600)", "no answer in 1 s"),
        ("say({'identity': 3}); time.sleep(600)", "not an object"),
        ("serve(None, capabilities=['transcibe'])", 'did you mean "transcribe"'),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(tmp_path, body, message):
    with pytest.raises(UsageError, match=message) as caught:
        worker(tmp_path, body, start_timeout=1.0)
    assert "\n" not in str(caught.value)


def test_a_command_that_is_not_there_or_not_one():
    with pytest.raises(UsageError, match="cannot start no-such-program: No such file"):
        Worker("no-such-program --x")
    for command in ("", "python 'x"):
        with pytest.raises(UsageError):
            Worker(command)


def test_another_model_after_a_restart_is_refused(tmp_path):
    body = """
    for line in sys.stdin:
        if "podium" in json.loads(line):
            say({"identity": {"pid": os.getpid()}})
        else:
            sys.exit(1)
    """
    model = worker(tmp_path, body)
    model.transcribe(clips(0.1))
    with pytest.raises(UsageError, match="another model"):
        model.transcribe(clips(0.1))
    model.close()


@pytest.mark.parametrize("how", ["close", "interrupt", "exit"])
def test_nothing_outlives_the_run(tmp_path, how):
    """The worker ignores its input's end and SIGTERM, and has a child."""
    (tmp_path / "worker.py").write_text(
        HEAD
        + textwrap.dedent("""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "600"])
        def handle(item):
            if sys.argv[2] == "interrupt":
                time.sleep(600)
            return {"id": item["id"], "text": "x"}
        open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
        serve(handle)
        time.sleep(600)
        """)
    )
    command = [sys.executable, str(tmp_path / "worker.py"), str(tmp_path / "pids"), how]
    program = f"""
    from podium.bench.adapters.worker import Worker
    from podium.bench.audio import Audio
    from podium.bench.task import Size
    import _thread, threading
    model = Worker({shlex.join(command)!r})
    if {how!r} == "interrupt":
        threading.Timer(0.5, _thread.interrupt_main).start()
    try:
        model.transcribe([Audio.synthetic(Size(0.1))])
    finally:
        if {how!r} != "exit":
            model.close()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )
    assert (ended.returncode == 0) == (how != "interrupt"), ended.stderr
    if how == "interrupt":
        assert "KeyboardInterrupt" in ended.stderr
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())
