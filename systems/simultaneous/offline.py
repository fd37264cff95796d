"""The whole sentence first: the best quality and the worst latency of an engine."""

from __future__ import annotations

from ...bench.stream import Source
from .asking import Committed
from .policy import Policy


class Offline(Policy):
    """Write nothing until the source has ended, then its translation."""

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        return []
