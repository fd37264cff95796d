"""Guards between a generated answer and the user: an answer far from every reading is not used."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from ...bench.nbest import Correction, NBest


@dataclass(frozen=True, slots=True)
class Guard:
    """When an answer falls back to the 1-best reading.

    `farthest` is the largest character distance to the nearest reading, as a share of the longer
    of the two; `longest` the largest length, in multiples of the longest reading's (plus 20
    characters, so that short readings may be mended).
    """

    farthest: float = 0.5
    longest: float = 2.0

    def __call__(self, answer: str, request: NBest) -> Correction:
        """The answer, or the 1-best reading and why."""
        why = self.problem(answer, request)
        return Correction(request.first, why) if why else Correction(answer)

    def problem(self, answer: str, request: NBest) -> str:
        """What is wrong with an answer; "" if nothing is."""
        readings = request.distinct
        if not answer.strip():
            return "" if not any(r.strip() for r in readings) else "empty"
        if len(answer) > self.longest * max(map(len, readings), default=0) + 20:
            return "too long"
        nearest = min((Levenshtein.normalized_distance(answer, r) for r in readings), default=0.0)
        return "far from every reading" if nearest > self.farthest else ""
