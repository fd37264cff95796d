"""GLEU for grammar correction: n-grams shared with the reference, less those kept from the source.

The target is a mapping with `reference` and `hypotheses` (the first is the source sentence).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .metric import Array, Metric, Row
from .nbest import Readings, first_best

ORDERS = 4


class GLEU(Metric):
    """Corpus GLEU with one reference, tokens as spaces part them.

    For each order n: matches with the reference, less the answer's n-grams that the source has and
    the reference has not, not below zero, over the answer's n-grams; geometric mean, BLEU's brevity
    penalty. Zero where an order has no match. Source: Napoles et al. 2015 and its 2016 update.
    """

    name = "gleu"
    higher_is_better = True
    columns = (
        "answer_length", "reference_length",
        *(f"match_{n}" for n in range(1, ORDERS + 1)),
        *(f"total_{n}" for n in range(1, ORDERS + 1)),
    )  # fmt: skip

    def row(self, target: Readings, answer: str) -> Row:
        """Lengths, then matches and totals by order."""
        source, reference, given = (
            text.split() for text in (first_best(target), target["reference"], answer)
        )
        matches, totals = [], []
        for n in range(1, ORDERS + 1):
            h, r, s = (_grams(words, n) for words in (given, reference, source))
            kept = Counter({gram: count for gram, count in s.items() if gram not in r})
            matches.append(max((h & r).total() - (h & kept).total(), 0))
            totals.append(max(len(given) - n + 1, 0))
        return tuple(map(float, (len(given), len(reference), *matches, *totals)))

    def worst(self, target: Readings) -> Row:
        """An empty answer."""
        return self.row(target, "")

    def value(self, sums: Array) -> Array:
        """GLEU of summed rows, in [0, 1]; 0 for an empty answer."""
        sums = np.asarray(sums, dtype=np.float64)
        length, wanted = sums[..., 0], sums[..., 1]
        matches, totals = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.exp(np.log(matches / totals).mean(-1))
            brief = np.exp(np.minimum(0, 1 - wanted / length))
        return np.where((matches > 0).all(-1), mean * brief, 0.0)


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[k:] for k in range(n)), strict=False))
