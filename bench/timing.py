"""The one timing protocol: stages on a fenced clock, the same for every adapter."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STAGES = ("decode", "features", "model", "detokenise")


class Stopwatch:
    """Seconds a stage. Nested stages are taken out of the stage around them.

    A stage that nothing entered stays None: not measured, which is not the same as zero.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float | None] = dict.fromkeys(STAGES)
        self._stack: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; the device is fenced at both edges."""
        if name not in self.seconds:
            raise ValueError(f"no stage {name!r}; stages are {', '.join(STAGES)}")
        self._switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        fence()
        now = time.perf_counter()
        if self._stack:
            name = self._stack[-1]
            self.seconds[name] = (self.seconds[name] or 0.0) + now - self._since
        self._since = now


_current: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """A fresh stopwatch that `stage` writes to, in this context."""
    watch = Stopwatch()
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Mark a block of an adapter's work as a stage; outside a measured run this does nothing."""
    watch = _current.get()
    if watch is None:
        yield
    else:
        with watch.stage(name):
            yield


def fence() -> None:
    """Wait for the accelerator, if one is in use: work that is queued is not work that is done."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.synchronize(device)
