"""Hold-n: translate what is there, and hold back the last n units (Liu et al. 2020)."""

from __future__ import annotations

from ...bench.adapter import Translates
from ...bench.stream import Source, join_units
from .asking import Committed, translations
from .policy import Policy, at_least


class HoldN(Policy):
    """Write each prefix's translation but for its last `n` units.

    Source: Liu et al. 2020, arXiv 2005.11185, section 3.
    """

    def __init__(self, mt: Translates, n: int = 3) -> None:
        super().__init__(mt)
        at_least("n", n, 0)
        self.n = n

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        text = join_units(read, source.source_language)
        (units,) = translations(self.mt, [text], source, committed)
        return units[: max(0, len(units) - self.n)]
