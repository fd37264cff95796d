"""RALCP: write what enough of the hypotheses for one prefix agree on (Wang et al. 2023)."""

from __future__ import annotations

from ...bench.adapter import Translates
from ...bench.stream import Source, join_units
from .asking import Committed, agreed, translations
from .policy import Policy, at_least, share


class RALCP(Policy):
    """The longest prefix that a share `tau` of the engine's `n` best translations agree on.

    Source: Wang et al. 2023, arXiv 2309.06706; the TAF paper's baseline without anticipation. An
    engine with a single hypothesis (greedy) agrees with itself: every translation is written whole.
    """

    def __init__(self, mt: Translates, n: int = 10, tau: float = 0.5, min_start: int = 1) -> None:
        super().__init__(mt)
        at_least("n", n, 1)
        at_least("min_start", min_start, 1)
        share("tau", tau)
        self.n, self.tau, self.min_start = n, tau, min_start

    def decide(self, read: list[str], source: Source, committed: Committed) -> list[str]:
        if len(read) < self.min_start:
            return []
        text = join_units(read, source.source_language)
        return agreed(translations(self.mt, [text], source, committed, self.n), self.tau)
