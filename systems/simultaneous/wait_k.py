"""Wait-k: stay k units behind the speaker (Ma et al. 2019, arXiv 1810.08398)."""

from __future__ import annotations

from ...bench.adapter import Translates
from ...bench.stream import Source, join_units
from .asking import Committed, translations
from .policy import Policy, at_least


class WaitK(Policy):
    """Read k units, then write one unit for each that is read.

    The paper's test-time wait-k: any engine, not trained for prefixes. An engine that has nothing
    to add to what is written skips its turn and writes one unit more at a later one.
    """

    def __init__(self, mt: Translates, k: int = 3) -> None:
        super().__init__(mt)
        at_least("k", k, 1)
        self.k = k

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        due = len(read) - self.k + 1 - len(committed.units)
        if due <= 0:
            return []
        text = join_units(read, source.source_language)
        (units,) = translations(self.mt, [text], source, committed)
        return units[:due]
