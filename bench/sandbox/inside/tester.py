"""The test's side: holds the tests, calls the solution over a socket, compares what comes back.

It is jailed too, in a jail of its own, since generated tests deserve no more trust than solutions;
it never shares a process with a solution.
"""

from __future__ import annotations

import mmap
import os
import random
import socket
import struct
from typing import Any, NoReturn

from . import suites
from .codec import CodecError, Handle, Unanswerable, Unplain, decode, encode
from .wire import Gone, Wire, receive_with_fds

PROGRESS = struct.Struct("<ii")  # number of the test, and whether the solution is being waited for
Verdict = list[str]  # outcome, where, note


class SolutionGone(BaseException):
    """The solution's process ended or broke the protocol: who watches it knows why."""


class NeedsJail(Exception):
    """An argument that cannot cross: the piece of test must run beside the solution."""


class FromSolution(Exception):
    """Mixed into every exception that the solution raised."""


class Link:
    """Calls into a solution."""

    def __init__(self, wire: Wire, page: mmap.mmap):
        self.wire, self.page = wire, page
        self.gone = False
        self.test = 0

    def at(self, test: int, waiting: bool = False) -> None:
        """Tell the watcher which test runs, and whose turn it is."""
        self.test = test
        PROGRESS.pack_into(self.page, 0, test, waiting)

    def ask(self, *message: Any) -> list[Any]:
        """One question, one answer: `[tag, ...]`. Raises `NeedsJail`, `SolutionGone`."""
        try:
            encoded = encode(list(message))
        except Unplain as error:
            raise NeedsJail(str(error)) from None
        self.send(encoded)
        return self.answer()

    def send(self, encoded: bytes) -> None:
        """Send a question that is already encoded."""
        if self.gone:
            raise SolutionGone
        self.at(self.test, waiting=True)
        try:
            self.wire.send_bytes(encoded)
        except Gone:
            self._lost()

    def answer(self) -> list[Any]:
        """The next answer; a solution that answers nonsense counts as gone."""
        try:
            message = self.wire.receive_bytes()
        except (Gone, CodecError):
            self._lost()
        self.at(self.test, waiting=False)
        try:
            answer = decode(message)
        except CodecError:
            self._lost()
        if type(answer) is not list or not answer or answer[0] not in _ANSWERS:
            self._lost()
        return answer

    def _lost(self) -> NoReturn:
        self.gone = True
        raise SolutionGone

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the solution; lists, dicts, ... it changed are changed here too."""
        values = (*args, *kwargs.values())
        watch = any(isinstance(value, _MUTABLE) for value in values)
        if watch and any(type(v) is not Handle and hasattr(v, "__next__") for v in values):
            watch = False  # looking for changes would use the iterator up
        action = "watched" if watch else "call"
        tag, *rest = self.ask(action, name, list(args), kwargs)
        if tag != "value":
            raise _exception(tag, rest)
        result, changed = rest
        if changed is not None:
            for old, new in zip(args, changed[0], strict=False):
                _change(old, new)
            for key, new in changed[1].items():
                _change(kwargs.get(key), new)
        return result


_ANSWERS = ("value", "raised", "memory", "unplain")
_MUTABLE = (list, dict, set, bytearray, suites.deque)


def _change(old: Any, new: Any) -> None:
    """Make `old` equal `new` in place, where both are of one mutable kind."""
    if type(old) is not type(new):
        return
    if isinstance(old, (list, bytearray)):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)
    elif isinstance(old, suites.deque):
        old.clear()
        old.extend(new)


def _exception(tag: str, rest: list[Any]) -> Exception:
    """What a test may catch: the nearest built-in exception class, marked as the solution's."""
    if tag == "memory":
        return _marked(MemoryError)("out of memory")
    if tag == "unplain":
        return Unanswerable(str(rest[0])[:200])
    names, text = (rest[0] if isinstance(rest[0], list) else []), str(rest[1])[:300]
    for name in names:
        kind = _EXCEPTIONS.get(name) if isinstance(name, str) else None
        if kind is not None:
            break
    else:
        names, kind = ["Exception"], Exception
    error = _marked(kind)(text)
    error.note = f"{names[0]}: {text}"  # type: ignore[attr-defined]
    return error


_EXCEPTIONS = {
    name: kind
    for name, kind in vars(__import__("builtins")).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, (UnicodeError, BaseExceptionGroup))
}
_MARKED: dict[type, type] = {}


def _marked(kind: type) -> type:
    if kind not in _MARKED:
        try:
            _MARKED[kind] = type(kind.__name__, (FromSolution, kind), {})
        except TypeError:
            _MARKED[kind] = type(kind.__name__, (FromSolution,), {})
    return _MARKED[kind]


# ---------------------------------------------------------------------------------- one test


def _run_unit(link: Link, suite: suites.Units, number: int, names: dict[str, Any]) -> Verdict:
    """Run one piece of a test here; in the jail only if its own arguments cannot cross."""
    try:
        exec(suite.code[number], names)
    except NeedsJail:
        return _run_in_jail(link, suite, number)
    except BaseException as error:
        return _judged(link, error)
    if link.gone:
        raise SolutionGone
    return ["passed", "judge", ""]


def _judged(link: Link, error: BaseException) -> Verdict:
    if link.gone or isinstance(error, SolutionGone):
        raise SolutionGone
    if isinstance(error, Unanswerable):
        return ["unanswerable", "judge", str(error)[:200]]
    if isinstance(error, FromSolution):
        outcome = "out_of_memory" if isinstance(error, MemoryError) else "raised"
        return [outcome, "judge", getattr(error, "note", "")[:200]]
    if isinstance(error, AssertionError):
        return ["failed", "judge", ""]
    return ["failed", "judge", f"the test raised {type(error).__name__}"]


def _run_in_jail(link: Link, suite: suites.Units, number: int) -> Verdict:
    tag, *rest = link.ask("unit", suite.prelude, suite.jailed(number))
    if tag == "value":
        return ["passed", "jail", ""] if rest[0] is True else ["failed", "jail", ""]
    if tag == "raised" and isinstance(rest[0], list) and rest[0][:1] == ["AssertionError"]:
        return ["failed", "jail", ""]
    verdict = _judged(link, _exception(tag, rest))
    return [verdict[0], "jail", verdict[2]]


def _bind(link: Link, suite: suites.Units) -> dict[str, Any]:
    """The test's names: the trusted helpers of the problem, and proxies into the solution."""
    names: dict[str, Any] = {"__name__": "test", **suite.namespace()}
    wanted = [n for n in suite.free if n not in names]
    kinds = {}
    if wanted:
        tag, *rest = link.ask("describe", wanted)
        kinds = rest[0] if tag == "value" and isinstance(rest[0], dict) else {}
    for name in wanted:
        if kinds.get(name) == "callable":
            names[name] = _proxy(link, name)
        elif kinds.get(name) == "value":
            tag, *rest = link.ask("get", name)
            names[name] = rest[0] if tag == "value" else Handle(-1, name)
    if suite.entry:
        names["candidate"] = names[suite.entry] = _proxy(link, suite.entry)
    return names


def _proxy(link: Link, name: str) -> Any:
    def candidate(*args: Any, **kwargs: Any) -> Any:
        return link.call(name, args, kwargs)

    candidate.__name__ = name
    return candidate


def _units(link: Link, suite: suites.Units, tests: range, names: dict[str, Any]) -> Any:
    for number in tests:
        link.at(number)
        yield _run_unit(link, suite, number, names)


def _calls(link: Link, suite: suites.Calls, tests: range) -> Any:
    """Stream a suite of plain calls: many inputs a message, one answer each."""
    for numbers, message in suite.messages(tests):
        link.at(numbers[0])
        link.send(message)
        for number in numbers:
            link.at(number, waiting=True)
            tag, *rest = link.answer()
            if tag == "value":
                try:
                    good = suite.good(number, rest[0])
                    yield ["passed" if good else "failed", "judge", ""]
                except Exception as error:
                    yield _judged(link, error)
            else:
                yield _judged(link, _exception(tag, rest))


# ---------------------------------------------------------------------------------- the server


def main(wire_fd: int, channel_fd: int, page_fd: int) -> None:
    """Hold one suite at a time and judge solutions against it until the other side closes."""
    wire = Wire(wire_fd)
    channel = socket.socket(fileno=channel_fd)
    page = mmap.mmap(page_fd, mmap.PAGESIZE)
    os.close(page_fd)
    suite: Any = None
    parts: dict[str, list[str]] = {}
    names: dict[str, Any] | None = None
    while True:
        try:
            action, *rest = wire.receive()
            if action == "more":
                parts.setdefault(rest[0], []).append(rest[1])
                continue
            if action == "suite":
                suite = suites.make(rest[0] | parts)
                parts = {}
                wire.send(["ready", len(suite), suite.problem])
                continue
            start, stop, fresh = rest
            _, fds = receive_with_fds(channel)
        except Gone:
            return
        link = Link(Wire(fds[0]), page)
        names = None if fresh else names
        verdicts: list[Verdict] = []
        try:
            names = _judge(link, suite, range(start, stop), names, verdicts)
            wire.send(["done", verdicts, ""])
        except SolutionGone:
            wire.send(["gone", verdicts, link.test])
        link.wire.close()


def _judge(link: Link, suite: Any, tests: range, names: Any, verdicts: list[Verdict]) -> Any:
    """Append a verdict for each of `tests`. Raises `SolutionGone` part way."""
    random.seed(0)
    link.at(-1, waiting=True)
    tag, *rest = link.answer()  # to the solution, which the watcher has sent
    link.at(tests.start)
    if tag != "value":
        verdict = _judged(link, _exception(tag, rest))
        verdicts.extend([[verdict[0], "judge", f"on loading: {verdict[2]}"]] * len(tests))
        return names
    if rest[0] is not True:
        note = "the solution does not define the function"
        verdicts.extend([["raised", "judge", note]] * len(tests))
        return names
    if isinstance(suite, suites.Calls):
        verdicts_from = _calls(link, suite, tests)
    else:
        if names is None:
            names = _bind(link, suite)
        else:
            suite.rebind(names, _bind(link, suite))
        verdicts_from = _units(link, suite, tests, names)
    for verdict in verdicts_from:
        verdicts.append(verdict)
    return names
