"""Local agreement: write what the translations of the last n prefixes begin with in common."""

from __future__ import annotations

from ...bench.adapter import Translates
from ...bench.stream import Source, join_units
from .asking import Committed, agreed, translations
from .policy import Policy, at_least


class LocalAgreement(Policy):
    """LA-n: the longest common prefix of `n` successive hypotheses.

    Source: Liu et al. 2020, arXiv 2005.11185; Polák et al. 2022, arXiv 2204.06028 (LA-n).
    """

    def __init__(self, mt: Translates, n: int = 2) -> None:
        super().__init__(mt)
        at_least("n", n, 1)
        self.n = n
        self._last: list[list[str]] = []

    def begin(self) -> None:
        self._last = []

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        text = join_units(read, source.source_language)
        (units,) = translations(self.mt, [text], source, committed)
        self._last = [*self._last, committed.units + units][-self.n :]
        if len(self._last) < self.n:
            return []
        return agreed(self._last, 1.0)[len(committed.units) :]
