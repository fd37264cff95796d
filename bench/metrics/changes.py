"""Which of the changes a correction made were right: word-level precision and recall of changes.

The target is a mapping with `reference` and `hypotheses` (the first is what was to be corrected).
A change is a span of the input's words and the words put in its place, from the alignment of the
input with a text; two changes are the same if span and words are. Needed changes are those from
input to reference, made ones those from input to answer (as ERRANT counts, without its types).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .metric import Array, Metric, Row
from .nbest import Readings, first_best
from .normalize import normalizer
from .opcodes import opcodes

Edit = tuple[int, int, tuple[str, ...]]


class _Changes(Metric):
    columns = ("right", "made", "needed")
    higher_is_better = True

    def __init__(self, normalizer_name: str = "none") -> None:
        self.normalizer = normalizer(normalizer_name)

    def row(self, target: Readings, answer: str) -> Row:
        """Changes that are both made and needed, changes made, changes needed."""
        source, reference, given = (
            self.normalizer(text).split()
            for text in (first_best(target), target["reference"], answer)
        )
        needed, made = edits(source, reference), edits(source, given)
        return (float((needed & made).total()), float(made.total()), float(needed.total()))

    def worst(self, target: Readings) -> Row:
        """Everything taken out."""
        return self.row(target, "")

    def signature(self) -> dict[str, str]:
        """The normaliser."""
        return {"normalizer": f"{self.normalizer.name}@{self.normalizer.hash}"}


class ChangePrecision(_Changes):
    """Of the changes made, the share that was needed; NaN where none was made."""

    name = "change_precision"

    def value(self, sums: Array) -> Array:
        """right / made."""
        sums = np.asarray(sums, dtype=np.float64)
        return _ratio(sums[..., 0], sums[..., 1])


class ChangeRecall(_Changes):
    """Of the changes needed, the share that was made."""

    name = "change_recall"

    def value(self, sums: Array) -> Array:
        """right / needed."""
        sums = np.asarray(sums, dtype=np.float64)
        return _ratio(sums[..., 0], sums[..., 2])


def edits(source: Sequence[str], text: Sequence[str]) -> Counter[Edit]:
    """The changes that turn source into text; substitutions stand word by word."""
    found: Counter[Edit] = Counter()
    for tag, i, i_end, j, j_end in opcodes(source, text):
        if tag == "replace":
            found.update((i + k, i + k + 1, (text[j + k],)) for k in range(i_end - i))
        elif tag != "equal":
            found[(i, i_end, tuple(text[j:j_end]))] += 1
    return found


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b != 0)
