"""The examples of the problem's own text as tests."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.adapter import Adapter, Failure
from ..bench.candidates import Candidates, Scores
from .docstring import examples
from .running import SECONDS, fraction_passed, run_tests


class Examples(Adapter):
    """The share of the docstring's own examples that a candidate passes."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """Scores in [0, 1]; all 0 for a problem without examples."""
        tests = [[e.test for e in examples(r.prompt, r.entry_point)] for r in batch]
        return [fraction_passed(p) for p in run_tests(batch, tests, self._seconds)]
