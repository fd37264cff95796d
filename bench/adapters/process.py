"""A program that answers JSON lines with JSON lines, and neither hangs nor outlives its owner."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

TICK = 0.2  # seconds between looks at whether the program is still there
GRACE = 2.0  # seconds that a program has to end by itself
MOST_LINE = 256 * 2**20  # bytes of one answer
MOST_STDERR = 16 * 2**20  # bytes kept of what it says on standard error


class Exited(Exception):
    """The program is gone: its status and the last line of its standard error."""


class Late(Exception):
    """The program gave no answer in time."""


class LineProcess:
    """A child in a session of its own, so that it dies with all its children.

    Its standard error goes to a file, which never blocks it. Raises OSError where it cannot be
    started.
    """

    def __init__(self, command: Sequence[str]):
        self.garbage = 0
        self._stderr = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (closed by `kill`)
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            bufsize=0,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._stdin, self._stdout = self._child.stdin.fileno(), self._child.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._received = bytearray()

    @property
    def alive(self) -> bool:
        """Whether the program is still there."""
        return self._child.poll() is None

    def ask(
        self, line: str, wanted: Callable[[dict[str, Any]], bool], seconds: float
    ) -> dict[str, Any]:
        """Send a line and return the first object that is `wanted`; other lines are garbage.

        Raises Exited or Late, after either of which the process is of no more use.
        """
        if os.fstat(self._stderr.fileno()).st_size > MOST_STDERR:
            self._stderr.truncate(0)
        unsent = memoryview(line.encode() + b"\n")
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as ready:
            ready.register(self._stdin, selectors.EVENT_WRITE)
            ready.register(self._stdout, selectors.EVENT_READ)
            while True:
                alive = self.alive  # before reading: what a dying program wrote counts
                left = deadline - time.monotonic()
                for key, _ in ready.select(min(TICK, max(0.0, left)) if alive else 0.0):
                    if key.fd == self._stdin:
                        unsent = self._write(unsent)
                        if not unsent:
                            ready.unregister(self._stdin)
                    elif not self._read():
                        ready.unregister(self._stdout)
                        alive = self._ended()
                for message in self._messages():
                    if wanted(message):
                        return message
                    self.garbage += 1
                if not alive:
                    status = self._child.returncode
                    how = "closed its output" if status is None else f"exited with status {status}"
                    raise Exited(how + self._last_words())
                if left <= 0:
                    raise Late(f"gave no answer in {seconds:g} s{self._last_words()}")

    def _write(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[os.write(self._stdin, unsent) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:  # it stopped listening; what it still says tells why
            return unsent[:0]

    def _read(self) -> bytes:
        chunk = os.read(self._stdout, 2**20)
        self._received += chunk
        return chunk

    def _messages(self) -> list[dict[str, Any]]:
        """The objects among the whole lines received so far."""
        if len(self._received) > MOST_LINE:
            self._received.clear()
            self.garbage += 1
        *lines, rest = self._received.split(b"\n") if b"\n" in self._received else [self._received]
        self._received = bytearray(rest)
        messages = [_object(line) for line in lines if line.strip()]
        found = [m for m in messages if m is not None]
        self.garbage += len(messages) - len(found)
        return found

    def _ended(self) -> bool:
        """Wait for a program that closed its output to exit; always False, for "not alive"."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(GRACE)
        return False

    def _last_words(self) -> str:
        """`: ` and the last line of standard error, if it said anything."""
        self._stderr.seek(max(0, os.fstat(self._stderr.fileno()).st_size - 4096))
        lines = self._stderr.read().decode(errors="replace").split("\n")
        return next((f": {line.strip()[:300]}" for line in reversed(lines) if line.strip()), "")

    def end(self) -> None:
        """Close its input, the sign to finish, and give it a moment."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._ended()

    def kill(self) -> None:
        """End it and all its children now, and leave no zombie."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._stderr):
            assert pipe is not None
            pipe.close()


def _object(line: bytes | bytearray) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
