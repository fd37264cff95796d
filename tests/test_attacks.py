"""No attack is passed, none leaves a trace, none slows its neighbours past their limits."""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from podium.bench.sandbox import Limits, Outcome, judge, layers
from podium.bench.sandbox.problems import Check, Problem, Solution

FOLDER = Path(__file__).parent / "attacks"
PR_SET_CHILD_SUBREAPER = 36
LIMITS = Limits(cpu=0.5, idle=1.0, memory=512 << 20)
NEIGHBOUR = "def steal(x):\n    return sum(range(200_000)) and SECRET\n"


def corpus() -> dict[str, str]:
    attacks = {}
    for file in sorted(FOLDER.glob("*.txt")):
        for part in file.read_text().split("### ")[1:]:
            name, _, source = part.partition("\n")
            attacks[name.strip()] = source
    return attacks


@dataclass
class Canary:
    """A process, a folder and a port that attacks are aimed at."""

    secret: str
    folder: Path
    process: subprocess.Popen[bytes]
    tcp: socket.socket
    udp: socket.socket

    def aimed(self, source: str) -> str:
        return (
            source.replace("@PID@", str(self.process.pid))
            .replace("@FOLDER@", str(self.folder))
            .replace("@PORT@", str(self.tcp.getsockname()[1]))
        )

    def check(self) -> None:
        assert self.process.poll() is None
        assert psutil.Process(self.process.pid).nice() == 0
        assert sorted(os.listdir(self.folder)) == ["keep", "secret"]
        assert (self.folder / "keep").read_text() == "kept"
        for listener in (self.tcp, self.udp):
            with pytest.raises(BlockingIOError):
                listener.accept() if listener is self.tcp else listener.recv(9)


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("canary")
    secret = f"secret-{secrets.token_hex(8)}"
    (folder / "keep").write_text("kept")
    (folder / "secret").write_text(secret)
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    tcp.bind(("127.0.0.1", 0))
    tcp.listen()
    udp.bind(tcp.getsockname())
    for listener in (tcp, udp):
        listener.setblocking(False)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    os.environ["PODIUM_TEST_CANARY"] = secret
    yield Canary(secret, folder, process, tcp, udp)
    del os.environ["PODIUM_TEST_CANARY"]
    process.kill()
    process.wait()
    tcp.close()
    udp.close()


def traces() -> set[str]:
    """What an attack could leave: processes, zombies, files, shared memory."""
    mine = {p.pid for p in psutil.Process().children(recursive=True)}
    left = {f"process {pid}" for pid in mine}
    for folder in ("/tmp", "/dev/shm", "/var/tmp"):
        left |= {str(p) for p in Path(folder).glob("*podium-attack*")}
    return left


@pytest.fixture(scope="module")
def verdicts(canary):
    if "namespaces" not in layers():
        pytest.skip("no namespaces here: the full jail cannot be tested")
    program = "def check(candidate):\n" + "".join(
        f"    assert candidate({argument}) == {canary.secret!r}\n"
        for argument in ("[1]", "[1, 2, 3]")
    )
    problem = Problem("attacked", "steal", Check(program))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what is orphaned shows up as ours
    before = traces()
    honest = NEIGHBOUR.replace("SECRET", repr(canary.secret))
    solutions = []
    for number, (name, source) in enumerate(corpus().items()):
        solutions.append(Solution("attacked", canary.aimed(source), name))
        neighbour = f"{honest}# neighbour {number // 4}"
        solutions.append(Solution("attacked", neighbour, f"honest-{number}"))
    judged = judge([problem], solutions, workers=2, limits=LIMITS)
    assert traces() == before
    return {verdict.solution_id: verdict for verdict in judged}


def test_the_corpus_is_large():
    assert len(corpus()) >= 60


@pytest.mark.parametrize("name", corpus())
def test_no_attack_is_passed(verdicts, name):
    verdict = verdicts[name]
    assert verdict.passed == 0
    assert verdict.outcome in set(Outcome) - {Outcome.PASSED, Outcome.HARNESS_ERROR}
    assert verdict.where == "judge"


def test_neighbours_are_untouched(verdicts):
    honest = [v for name, v in verdicts.items() if name.startswith("honest-")]
    assert {v.outcome for v in honest} == {Outcome.PASSED}


def test_the_canary_lives(verdicts, canary):
    canary.check()


@pytest.mark.parametrize(
    ("name", "outcome"),
    {
        "always_equal": Outcome.UNANSWERABLE,
        "sys_exit_zero": Outcome.RAISED,
        "os_exit_zero": Outcome.KILLED,
        "endless_loop": Outcome.TIMEOUT,
        "sleeps": Outcome.TIMEOUT,
        "allocates_100_gb": Outcome.OUT_OF_MEMORY,
        "segfault": Outcome.KILLED,
        "cyclic_answer": Outcome.UNANSWERABLE,
        "not_python": Outcome.RAISED,
        "prints_100_mb": Outcome.FAILED,
    }.items(),
)
def test_outcomes_say_what_happened(verdicts, name, outcome):
    assert verdicts[name].outcome is outcome
