"""The judge: solutions against tests, in as many lanes as there are workers.

A lane is one jail with one tester in it and, for each solution, a fresh child. The lane's thread
only watches: it never runs a test or sees an answer. It knows how long the solution has been
computing (CPU time, whatever else the machine does) and how long it has been idle, and ends it.
A timeout stands only if it happens again alone: the first test that timed out is run once more
after all lanes are done, and where it then ends in time, the whole solution is judged again.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any

from ..errors import UsageError
from .inside.codec import CodecError
from .inside.tester import PROGRESS
from .inside.wire import Gone, Wire, send_with_fds
from .jail import Child, Jail, JailError, Limits
from .outcomes import Outcome, TestOutcome, Verdict, overall
from .problems import Calls, Problem, Solution
from .reference import expected_outputs

_TICK = 0.05  # seconds between looks at a running solution
_TESTER = Limits(cpu=30.0, memory=4 << 30)
_SLOWER = 4.0  # a solution may need this many times the reference's CPU time, if over the limit
_BATCH = 16  # solutions of one problem that a lane takes at a time
_PATIENCE = 120  # seconds for a tester to read a suite or finish a message

Judged = tuple[tuple[TestOutcome, ...], tuple[str, ...]]


def judge(
    problems: Iterable[Problem],
    solutions: Iterable[Solution],
    *,
    workers: int = 2,
    limits: Limits | None = None,
    require: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """One verdict a solution, in the order of `solutions`; equal texts are judged once.

    `require` names layers of the jail (see `jail.LAYERS`) without which nothing is run.
    `progress(done, total)` counts distinct solutions. Raises `UsageError` for a solution of no
    known problem or a missing layer, `JailError` if no jail can be had at all.
    """
    limits = limits or Limits()
    known = {problem.task_id: problem for problem in problems}
    solutions = list(solutions)
    for solution in solutions:
        if solution.task_id not in known:
            raise UsageError(f'no problem "{solution.task_id}" for a solution')
    distinct = list(dict.fromkeys((s.task_id, s.source) for s in solutions))
    wants_numpy = any("numpy" in source for _, source in distinct) or any(
        "numpy" in str(known[task].tests) for task in {task for task, _ in distinct}
    )
    settings = (limits, tuple(require), ["numpy"] if wants_numpy else [])
    judged = _run_lanes(known, distinct, settings, workers, progress)
    _recheck_timeouts(known, judged, settings)
    return [_verdict(s, *judged[s.task_id, s.source]) for s in solutions]


def _verdict(solution: Solution, tests: tuple[TestOutcome, ...], notes: tuple[str, ...]) -> Verdict:
    passed = sum(test.outcome is Outcome.PASSED for test in tests)
    return Verdict(
        solution.task_id, solution.solution_id, overall(tests), passed, len(tests), tests, notes
    )


def _run_lanes(
    known: dict[str, Problem],
    distinct: list[tuple[str, str]],
    settings: tuple[Limits, tuple[str, ...], list[str]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[tuple[str, str], Judged]:
    """Judge all pairs; batches of one problem go to whichever lane is free."""
    by_task: dict[str, list[str]] = {}
    for task, source in distinct:
        by_task.setdefault(task, []).append(source)
    batches = [
        (task, sources[i : i + _BATCH])
        for task, sources in by_task.items()
        for i in range(0, len(sources), _BATCH)
    ]
    batches.reverse()
    judged: dict[tuple[str, str], Judged] = {}
    lock = Lock()

    def work() -> None:
        with Lane(*settings) as lane:
            while True:
                with lock:
                    if not batches:
                        return
                    task, sources = batches.pop()
                for source in sources:
                    result = lane.judge(known[task], source)
                    with lock:
                        judged[task, source] = result
                        if progress:
                            progress(len(judged), len(distinct))

    lanes = max(1, min(workers, len(batches)))
    with ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(work) for _ in range(lanes)]
        try:
            for lane in running:
                lane.result()
        except BaseException:
            with lock:
                batches.clear()
            raise
    return judged


def _recheck_timeouts(
    known: dict[str, Problem],
    judged: dict[tuple[str, str], Judged],
    settings: tuple[Limits, tuple[str, ...], list[str]],
) -> None:
    late = [
        key
        for key, (tests, _) in judged.items()
        if any(test.outcome is Outcome.TIMEOUT for test in tests)
    ]
    if not late:
        return
    with Lane(*settings) as lane:
        for task, source in sorted(late):
            if not lane.times_out(known[task], source, judged[task, source][0]):
                judged[task, source] = lane.judge(known[task], source)


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
        ours.settimeout(_PATIENCE)
        self.wire = Wire(ours)
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
        self._needs: list[float] = []  # CPU seconds of the reference, a test

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_tester()
        self._jail.close()

    def judge(self, problem: Problem, source: str) -> Judged:
        """All tests of a problem on one solution; never raises for what a solution does."""
        try:
            self._load(problem)
            if self._count == 0:
                return (), (self._trouble or "the problem has no tests",)
            tests, notes = self._judge(problem, source, 0, self._count)
        except (Gone, CodecError, JailError) as error:
            self._start_again()
            trouble = TestOutcome(Outcome.HARNESS_ERROR, note=str(error))
            return (trouble,) * max(1, self._count), (f"the harness failed: {error}",)
        finally:
            if not problem.trusted:
                self._drop_tester()
        if self._trouble:
            tests = [TestOutcome(Outcome.HARNESS_ERROR, note=self._trouble) for _ in tests]
        return tuple(tests), (*notes, *([self._remark] if self._remark else []))

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
        ours, theirs = socket.socketpair()
        child = self._jail.spawn("solution", [theirs.fileno()], self._limits.plain(stop - first))
        theirs.close()
        try:
            self._tester.start(ours, first, stop, fresh)
            wire = Wire(ours)
            # (a timeout of the socket object would make the tester's end non-blocking too)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _PATIENCE, 0))
            with contextlib.suppress(Gone):  # it ended before it read: the tester sees the same
                wire.send(["load", source, problem.entry_point])
            wire.close()
            return self._watch(child, first, problem.trusted)
        finally:
            ours.close()

    def _watch(
        self, child: Child, first: int, trusted: bool
    ) -> tuple[list[TestOutcome], TestOutcome | None]:
        tester = self._tester
        assert tester is not None
        meter = Meter(self._limits, child, tester.child, self._needs, trusted)
        poller = select.poll()
        poller.register(tester.wire.sock, select.POLLIN)
        over = ""
        while not poller.poll(_TICK * 1000):
            over = over or meter.over(*tester.progress())
            if over:
                child.kill()
            if over == "tester":
                break
        at = max(first, tester.progress()[0])
        try:
            if over == "tester":
                raise Gone("timeout")
            end, verdicts, _ = tester.wire.receive()
            verdicts = [TestOutcome(Outcome(o), str(w), str(n)) for o, w, n in verdicts]
        except (Gone, CodecError, ValueError, TypeError):
            self._jail.reap(child)
            self._drop_tester()
            outcome = Outcome.TIMEOUT if over else Outcome.HARNESS_ERROR
            ended = TestOutcome(outcome, note="the test itself ended its process")
            raise TesterEnded(at, ended) from None
        status = self._jail.reap(child) if end == "done" else self._ended(child)
        if end == "done":
            return verdicts, None
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
        self._jail.close()
        self._jail = Jail(*self._settings)

    def _drop_tester(self) -> None:
        if self._tester is not None:
            self._jail.reap(self._tester.child)
            self._tester.close()
        self._tester = self._loaded = None


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
