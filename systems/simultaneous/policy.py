"""What every policy on one translation engine shares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from ...bench.adapter import Adapter, Translates
from ...bench.errors import UsageError
from ...bench.stream import Source, join_units
from .asking import Committed, close_all, describe, ending


class Policy(Adapter):
    """Read a unit, decide what to write; once the source is whole, finish the sentence."""

    def __init__(self, mt: Translates) -> None:
        self.mt = mt

    def interpret(self, source: Source) -> Iterator[str]:
        """Read the source and yield what the policy decides to write."""
        read: list[str] = []
        committed = Committed(source.target_language)
        self.begin()
        while (unit := source.read()) is not None:
            read.append(unit)
            if source.finished:
                break
            yield committed.add(self.decide(read, source, committed))
        if read:
            text = join_units(read, source.source_language)
            yield committed.add(ending(self.mt, text, source, committed))

    def begin(self) -> None:  # most policies keep nothing between units
        """Forget the sentence before."""

    @abstractmethod
    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        """The units to write now, after what is committed; none to go on reading."""

    def identity(self) -> Mapping[str, Any]:
        return describe(mt=self.mt)

    def close(self) -> None:
        close_all(self.mt)


def at_least(name: str, value: float, least: float) -> None:
    """Refuse a setting that is too small. Raises UsageError."""
    if not value >= least:
        raise UsageError(f"{name}={value:g}: must be at least {least:g}")


def share(name: str, value: float) -> None:
    """Refuse a setting that is no share. Raises UsageError."""
    if not 0 < value <= 1:
        raise UsageError(f"{name}={value:g}: must be above 0 and at most 1")
