"""Rescoring: the reading that a language model finds most probable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...bench.adapter import Adapter, Failure, Likelihoods
from ...bench.nbest import Correction, NBest
from ...bench.text import Continuation
from ..ngram import NGram


def best(request: NBest, scores: Sequence[float], weight: float) -> Correction:
    """The reading of highest score: the language model's, plus `weight` times the recogniser's.

    A reading without a score of the recogniser's adds nothing. Ties go to the earlier reading.
    """
    given = {h.text: h.score for h in reversed(request.hypotheses)}
    total = [
        score + weight * (given[text] or 0.0)
        for text, score in zip(request.distinct, scores, strict=True)
    ]
    return Correction(request.distinct[total.index(max(total))] if total else "")


class LmRescore(Adapter):
    """`lm-rescore(lm='gguf:smollm2')`: a neural language model picks the reading.

    `weight` is that of the recogniser's own log-probability, where the list has scores.
    """

    def __init__(self, lm: Likelihoods, weight: float = 0.0) -> None:
        self._lm, self._weight = lm, weight
        self.batched = bool(getattr(lm, "batched", False))  # type: ignore[misc]

    def identity(self) -> dict[str, Any]:
        """The language model's identity and the weight."""
        return {"lm": dict(getattr(self._lm, "identity", dict)()), "weight": self._weight}

    def close(self) -> None:
        """Close the language model."""
        if isinstance(self._lm, Adapter):
            self._lm.close()

    def correct(self, batch: Sequence[NBest]) -> list[Correction | Failure]:
        """One reading a list; lists with one distinct reading are not asked about."""
        asked = [Continuation(t) for r in batch if len(r.distinct) > 1 for t in r.distinct]
        scored = iter(self._lm.log_likelihood(asked) if asked else ())
        return [
            self._pick(request, [next(scored) for _ in request.distinct])
            if len(request.distinct) > 1
            else Correction(request.first)
            for request in batch
        ]

    def _pick(self, request: NBest, scored: Sequence[Any]) -> Correction | Failure:
        failed = next((s for s in scored if isinstance(s, Failure)), None)
        return failed or best(request, [s.log_probability for s in scored], self._weight)


class NgramRescore(Adapter):
    """`ngram-rescore:lm.arpa`: an n-gram model picks the reading; make one with podium train ngram.

    `weight` is that of the recogniser's own log-probability, where the list has scores.
    """

    def __init__(self, lm: str, weight: float = 0.0) -> None:
        self._lm, self._weight = NGram(lm), weight

    def identity(self) -> dict[str, Any]:
        """The model's hash and the weight."""
        return {"lm": self._lm.hash, "weight": self._weight}

    def correct(self, batch: Sequence[NBest]) -> list[Correction]:
        """One reading a list."""
        return [
            best(r, [self._lm.sentence(t.split()) for t in r.distinct], self._weight) for r in batch
        ]
