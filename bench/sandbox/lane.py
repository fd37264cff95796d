"""A lane: one jail, one tester in it and, for each solution, a fresh child.

The lane's thread only watches: it never runs a test or sees an answer. It knows how long the
solution has been computing (CPU time, whatever else the machine does) and how long it has been
idle, and ends it. While one solution is judged, the jail makes the child for the next.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .inside.codec import CodecError
from .inside.tester import PROGRESS
from .inside.wire import Gone, Wire, send_with_fds
from .jail import Child, Jail, JailError, Limits
from .outcomes import Outcome, TestOutcome
from .problems import Calls, Problem
from .reference import expected_outputs

_TICK = 0.05  # seconds between looks at a running solution
_TESTER = Limits(cpu=30.0, memory=4 << 30)
_SLOWER = 4.0  # a solution may need this many times the reference's CPU time, if over the limit
_PATIENCE = 120  # seconds for a tester to read a suite or finish a message
_TESTS = 2000  # that the kernel's own limit on CPU time allows for; the lane's is a test's

Judged = tuple[tuple[TestOutcome, ...], tuple[str, ...], float]  # the last: CPU seconds


class Meter:
    """How much of its limits the test under way has used."""

    def __init__(
        self,
        limits: Limits,
        solution: Child,
        tester: Child,
        needs: Sequence[float],
        trusted: bool,
    ):
        self._limits, self._sides, self._needs = limits, (solution, tester), needs
        self._tester_cpu = _TESTER.cpu if trusted else limits.cpu
        self._test = -2
        self._last = (0.0, 0.0, 0.0, 0.0, 0.0)
        self._used = [0.0, 0.0, 0.0]  # CPU of the solution, of the tester, idle

    def over(self, test: int, waiting: bool) -> str:
        """Which limit is passed: "solution", "tester", or nothing."""
        solution, tester = self._sides
        now = (time.monotonic(), solution.cpu(), tester.cpu(), solution.queued(), tester.queued())
        wall, ran, tested, *queues = (n - o for n, o in zip(now, self._last, strict=True))
        same = test == self._test
        self._last, self._test = now, test
        if not same:
            self._used = [0.0, 0.0, 0.0]
            return ""
        self._used[0] += ran if waiting else 0.0
        self._used[1] += tested
        self._used[2] += max(0.0, wall - ran - tested - sum(queues))
        need = self._needs[test] if 0 <= test < len(self._needs) else 0.0
        if self._used[0] > max(self._limits.cpu, _SLOWER * need):
            return "solution"
        if self._used[1] > self._tester_cpu:
            return "tester"
        if self._used[2] > self._limits.idle:
            return "solution" if waiting else "tester"
        return ""


class Tester:
    """A jailed tester with one suite loaded."""

    def __init__(self, jail: Jail):
        ours, theirs = socket.socketpair()
        self._channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memory = os.memfd_create("progress")
        os.ftruncate(memory, mmap.PAGESIZE)
        self._page = mmap.mmap(memory, mmap.PAGESIZE)
        _be_patient(ours, socket.SO_SNDTIMEO, socket.SO_RCVTIMEO)
        self.wire = Wire(ours.detach())
        fds = [theirs.fileno(), channel.fileno(), memory]
        self.child = jail.spawn("test", fds, _TESTER.plain(100_000))
        theirs.close()
        channel.close()
        os.close(memory)

    def load(self, suite: dict[str, Any]) -> tuple[int, str]:
        """Give it a suite: the number of tests, and what is wrong with the suite, if anything."""
        for name in ("inputs", "expected"):  # tens of megabytes, for some problems
            for text in suite.pop(name, ()):
                self.wire.send(["more", name, text])
        self.wire.send(["suite", suite])
        tag, count, problem = self.wire.receive()
        if tag != "ready":
            raise JailError(f"a child could not be confined: {count}")
        return int(count), str(problem)

    def start(self, solution: socket.socket, first: int, stop: int, fresh: bool) -> None:
        """Have it judge tests `first` to `stop` of the solution at the socket's other end."""
        send_with_fds(self._channel, "solution", [solution.fileno()])
        self.wire.send(["judge", first, stop, fresh])

    def progress(self) -> tuple[int, bool]:
        """The test under way, and whether the solution is being waited for."""
        test, waiting = PROGRESS.unpack_from(self._page, 0)
        return test, bool(waiting)

    def close(self) -> None:
        """Close our ends; the jail reaps the process."""
        self.wire.close()
        self._channel.close()
        self._page.close()


class TesterEnded(Exception):
    """The tester did not live through a test: its number, and the outcome that makes."""

    def __init__(self, test: int, outcome: TestOutcome):
        super().__init__(outcome.note)
        self.test, self.outcome = test, outcome


class Lane:
    """One jail, one tester, one solution at a time."""

    def __init__(self, limits: Limits, require: Sequence[str], preload: list[str]):
        self._limits = limits
        self._settings = (preload, require)
        self._jail = Jail(preload, require)
        self._tester: Tester | None = None
        self._loaded: Problem | None = None
        self._count, self._trouble, self._remark = 0, "", ""
        self._next: socket.socket | None = None  # our end of the child on order
        self._cpu = 0.0  # what the solution has used so far
        self._needs: list[float] = []  # CPU seconds of the reference, a test

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_tester()
        self._drop_next()
        self._jail.close()

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None

    def judge(self, problem: Problem, source: str) -> Judged:
        """All tests of a problem on one solution; never raises for what a solution does."""
        self._cpu = 0.0
        try:
            self._load(problem)
            if self._count == 0:
                return (), (self._trouble or "the problem has no tests",), 0.0
            tests, notes = self._judge(problem, source, 0, self._count)
        except (Gone, CodecError, JailError) as error:
            self._start_again()
            trouble = TestOutcome(Outcome.HARNESS_ERROR, note=str(error))
            return (trouble,) * max(1, self._count), (f"the harness failed: {error}",), 0.0
        finally:
            if not problem.trusted:
                self._drop_tester()
        if self._trouble:
            tests = [TestOutcome(Outcome.HARNESS_ERROR, note=self._trouble) for _ in tests]
        return tuple(tests), (*notes, *([self._remark] if self._remark else [])), self._cpu

    def times_out(self, problem: Problem, source: str, tests: tuple[TestOutcome, ...]) -> bool:
        """Whether the first test that timed out does so again."""
        late = next(i for i, test in enumerate(tests) if test.outcome is Outcome.TIMEOUT)
        first = late if isinstance(problem.tests, Calls) else 0  # pieces build on earlier ones
        try:
            self._load(problem)
            again, _ = self._judge(problem, source, first, late + 1)
        except (Gone, CodecError, JailError):
            self._start_again()
            return True
        finally:
            if not problem.trusted:
                self._drop_tester()
        return bool(again) and again[-1].outcome is Outcome.TIMEOUT

    def _load(self, problem: Problem) -> None:
        if self._loaded is problem and self._tester is not None:
            return
        if self._tester is None:
            self._tester = Tester(self._jail)
        suite, self._remark, self._needs = problem.tests.suite(problem), "", []
        if isinstance(problem.tests, Calls):
            outputs = expected_outputs(self._jail, problem, problem.tests)
            known = [(i, o) for i, o in enumerate(outputs) if o.text is not None]
            suite["inputs"] = [suite["inputs"][i] for i, _ in known]
            suite["expected"] = [o.text for _, o in known]
            self._needs = [o.cpu for _, o in known]
            if left := len(outputs) - len(known):
                self._remark = f"{left} tests left out: the reference has no answer to them"
        self._loaded = None
        self._count, self._trouble = self._tester.load(suite)
        self._loaded = problem

    def _judge(
        self, problem: Problem, source: str, first: int, stop: int
    ) -> tuple[list[TestOutcome], list[str]]:
        """Tests `first` to `stop`, in a new child wherever one ended."""
        tests: list[TestOutcome] = []
        notes: list[str] = []
        timeouts, fresh = 0, True
        while first + len(tests) < stop:
            at = first + len(tests)
            try:
                some, end = self._session(problem, source, at, stop, fresh)
            except TesterEnded as ended:
                # what it had found is lost with it: once more, up to there
                some, _ = self._judge(problem, source, at, ended.test)
                end = ended.outcome
            tests += some
            fresh = False
            if end is None:
                continue
            tests.append(end)
            timeouts += end.outcome is Outcome.TIMEOUT
            left = stop - first - len(tests)
            if left and (timeouts >= self._limits.timeouts or end.note.startswith("on loading")):
                notes.append(f"{left} tests not run: {end.outcome.value} before")
                tests += [replace(end, note="not run")] * left
        return tests, notes

    def _session(
        self, problem: Problem, source: str, first: int, stop: int, fresh: bool
    ) -> tuple[list[TestOutcome], TestOutcome | None]:
        """One child of the solution: the outcomes it lived for, and the one it ended in."""
        self._load(problem)
        assert self._tester is not None
        child, ours = self._solution()
        try:
            self._tester.start(ours, first, stop, fresh)
            _be_patient(ours, socket.SO_SNDTIMEO)
            wire = Wire(ours.fileno())
            with contextlib.suppress(Gone):  # it ended before it read: the tester sees the same
                wire.send(["load", source, problem.entry_point])
            ours.close()
            self._order()
            return self._watch(child, first, problem.trusted)
        finally:
            ours.close()

    def _order(self) -> None:
        """Have the jail begin a child for the next solution."""
        if self._next is None:
            self._next, theirs = socket.socketpair()
            with theirs:
                self._jail.order("solution", [theirs.fileno()], self._limits.plain(_TESTS))

    def _solution(self) -> tuple[Child, socket.socket]:
        self._order()
        assert self._next is not None
        ours, self._next = self._next, None
        return self._jail.collect(), ours

    def _watch(
        self, child: Child, first: int, trusted: bool
    ) -> tuple[list[TestOutcome], TestOutcome | None]:
        tester = self._tester
        assert tester is not None
        meter = Meter(self._limits, child, tester.child, self._needs, trusted)
        poller = select.poll()
        poller.register(tester.wire.fd, select.POLLIN)
        over = ""
        while not poller.poll(_TICK * 1000):
            over = over or meter.over(*tester.progress())
            if over:
                child.kill()
            if over == "tester":
                break
        self._cpu += child.cpu()
        at = max(first, tester.progress()[0])
        try:
            if over == "tester":
                raise Gone("timeout")
            end, verdicts, _ = tester.wire.receive()
            verdicts = [TestOutcome(Outcome(o), str(w), str(n)) for o, w, n in verdicts]
        except (Gone, CodecError, ValueError, TypeError):
            self._jail.discard(child)
            self._drop_tester()
            outcome = Outcome.TIMEOUT if over else Outcome.HARNESS_ERROR
            ended = TestOutcome(outcome, note="the test itself ended its process")
            raise TesterEnded(at, ended) from None
        if end == "done":
            self._jail.discard(child)
            return verdicts, None
        status = self._ended(child)
        loading = "on loading: " if tester.progress()[0] < 0 else ""
        return verdicts, _cause(over, status, loading)

    def _ended(self, child: Child) -> int:
        """The status of a child whose connection closed: give it a moment to end by itself."""
        poller = select.poll()
        poller.register(child.pidfd, select.POLLIN)
        ended = poller.poll(200)
        status = self._jail.reap(child)
        return status if ended else -1

    def _start_again(self) -> None:
        with contextlib.suppress(JailError):
            self._drop_tester()
        self._tester = self._loaded = None
        self._drop_next()
        self._jail.close()
        self._jail = Jail(*self._settings)

    def _drop_tester(self) -> None:
        if self._tester is not None:
            self._jail.discard(self._tester.child)
            self._tester.close()
        self._tester = self._loaded = None


def _be_patient(sock: socket.socket, *options: int) -> None:
    """Bound reads or writes in the kernel: the other end's user must not see a non-blocking one."""
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _PATIENCE, 0))


def _cause(over: str, status: int, loading: str) -> TestOutcome:
    """Why a solution's process ended in the middle of a test."""
    if over:
        return TestOutcome(Outcome.TIMEOUT, note=f"{loading}CPU or idle time")
    if status == -1:
        return TestOutcome(Outcome.KILLED, note=f"{loading}broke the connection")
    if os.WIFSIGNALED(status):
        signal = os.WTERMSIG(status)
        if signal == 9:  # nothing of ours did it, so the kernel did: memory, or total CPU
            return TestOutcome(Outcome.OUT_OF_MEMORY, note=f"{loading}killed by the kernel")
        return TestOutcome(Outcome.KILLED, note=f"{loading}signal {signal}")
    if os.WEXITSTATUS(status) == 97:
        return TestOutcome(Outcome.HARNESS_ERROR, note="could not be confined")
    return TestOutcome(Outcome.KILLED, note=f"{loading}exit {os.WEXITSTATUS(status)}")
