"""How good a correction is, beside the list it was made from: 1-best, oracles, gain and harm.

The target of all of these is a mapping with `reference` (a text) and `hypotheses` (a list of texts,
best first). All count words as the `WordErrorRate` they are given does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from .metric import Array, Metric, Row
from .wer import CharacterErrorRate, WordErrorRate

Rate = WordErrorRate | CharacterErrorRate


class Readings(TypedDict):
    """What a correction is scored against."""

    reference: str
    hypotheses: Sequence[str]


def first_best(target: Readings) -> str:
    """The list's first reading; an empty list reads as an empty text."""
    return target["hypotheses"][0] if target["hypotheses"] else ""


class _OverReadings(Metric):
    def __init__(self, rate: Rate, name: str | None = None) -> None:
        self.rate = rate
        self.columns = type(rate).columns
        self.name = name or f"{rate.name}{self.suffix}"

    suffix = ""

    def value(self, sums: Array) -> Array:
        """The error rate of summed rows."""
        return self.rate.value(sums)

    def signature(self) -> dict[str, str]:
        """The error rate's own choices."""
        return self.rate.signature()


class CorrectedRate(_OverReadings):
    """The error rate of the corrected text; a missing answer deletes every word."""

    def row(self, target: Readings, answer: str) -> Row:
        """The error rate's row against the reference."""
        return self.rate.row(target["reference"], answer)

    def worst(self, target: Readings) -> Row:
        """The worst answer's row."""
        return self.rate.worst(target["reference"])


class _OfTheList(_OverReadings):
    """A figure of the list alone: the answer, or its absence, does not change it."""

    def row(self, target: Readings, answer: str | None) -> Row:
        """The row of the reading that this figure is about."""
        return self.list_row(target)

    def worst(self, target: Readings) -> Row:
        """The same: the list is there whether or not the corrector answered."""
        return self.list_row(target)

    def list_row(self, target: Readings) -> Row:
        """One row from the list and the reference."""
        raise NotImplementedError


class FirstBest(_OfTheList):
    """The error rate of the list's first reading: what the corrector starts from."""

    suffix = "_first"

    def list_row(self, target: Readings) -> Row:
        """The first reading's row; an empty list's is that of an empty text."""
        return self.rate.row(target["reference"], first_best(target))


class NBestOracle(_OfTheList):
    """The error rate of choosing, utterance by utterance, the reading with the fewest errors.

    Ties go to the earlier reading. Not a system: it sees the reference. Source: Chen et al. 2023,
    HyPoradise, section 3.3 (o_nb).
    """

    suffix = "_nbest_oracle"

    def list_row(self, target: Readings) -> Row:
        """The row of the reading with the fewest errors."""
        readings = list(dict.fromkeys(target["hypotheses"])) or [""]
        rows = self.rate.rows([target["reference"]] * len(readings), readings)
        return tuple(rows[int(rows[:, :3].sum(axis=1).argmin())].tolist())


class CompositionalOracle(_OfTheList):
    """The lowest word error rate of any text written with the words that the list holds.

    Words may be used in any order and any number of times. The lowest number of errors is then the
    number of reference words that no reading has: each costs one error in any alignment, and
    the text that leaves them out costs no more. They are counted as deletions. A lower bound for
    any corrector that invents no word, not a system. Source: HyPoradise, section 3.3 (o_cp).
    """

    suffix = "_compositional_oracle"

    def __init__(self, rate: WordErrorRate, name: str | None = None) -> None:
        super().__init__(rate, name)

    def list_row(self, target: Readings) -> Row:
        """No substitutions, one deletion a reference word that no reading has."""
        normalized = self.rate.normalizer
        held = {word for text in target["hypotheses"] for word in normalized(text).split()}
        words = normalized(target["reference"]).split()
        return (0.0, float(sum(word not in held for word in words)), 0.0, float(len(words)))


class Change(Metric):
    """Corrected error rate minus the 1-best's, in points of error rate; below zero is a gain."""

    columns = ("errors_corrected", "errors_first", "reference_length")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.name = f"{rate.name}_change"

    def row(self, target: Readings, answer: str) -> Row:
        """Errors after, errors before, reference length: paired within the row."""
        return self._pair(target, self.rate.row(target["reference"], answer))

    def worst(self, target: Readings) -> Row:
        """All of the reference deleted, beside the same 1-best."""
        return self._pair(target, self.rate.worst(target["reference"]))

    def _pair(self, target: Readings, after: Row) -> Row:
        before = self.rate.row(target["reference"], first_best(target))
        return (sum(after[:3]), sum(before[:3]), after[3])

    def value(self, sums: Array) -> Array:
        """(after - before) / length."""
        after, before, length = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        return _ratio(after - before, length)

    def signature(self) -> dict[str, str]:
        """The error rate's own choices."""
        return self.rate.signature()


class RelativeReduction(Change):
    """The share of the 1-best's errors that the correction took away; negative where it added.

    Both systems' errors stand in one row, so the bootstrap interval is a paired one.
    """

    higher_is_better = True

    def __init__(self, rate: Rate) -> None:
        super().__init__(rate)
        self.name = f"{rate.name}_relative_reduction"

    def value(self, sums: Array) -> Array:
        """1 - after / before; NaN where the 1-best has no error."""
        after, before, _ = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        return _ratio(before - after, before)


class _Words(Metric):
    """Reference words by whether the 1-best and the corrected text have them right."""

    columns = ("corrected", "broken", "kept_right", "left_wrong")

    def __init__(self, rate: WordErrorRate) -> None:
        self.rate = rate

    def row(self, target: Readings, answer: str) -> Row:
        """Each reference word counted once; inserted words are the error rate's to count."""
        before = _right(self.rate, target["reference"], first_best(target))
        after = _right(self.rate, target["reference"], answer)
        counts = np.zeros(4)
        for was, is_now in zip(before, after, strict=True):
            counts[{(0, 1): 0, (1, 0): 1, (1, 1): 2, (0, 0): 3}[(was, is_now)]] += 1
        return tuple(counts.tolist())

    def worst(self, target: Readings) -> Row:
        """Every word that was right is broken."""
        return self.row(target, "")

    def signature(self) -> dict[str, str]:
        """The error rate's own choices."""
        return self.rate.signature()


class WordsCorrected(_Words):
    """Of the words that the 1-best had wrong, the share that the correction has right."""

    name = "words_corrected"
    higher_is_better = True

    def value(self, sums: Array) -> Array:
        """corrected / (corrected + left wrong)."""
        corrected, _, _, wrong = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        return _ratio(corrected, corrected + wrong)


class WordsBroken(_Words):
    """Of the words that the 1-best had right, the share that the correction has wrong."""

    name = "words_broken"

    def value(self, sums: Array) -> Array:
        """broken / (broken + kept right)."""
        _, broken, kept, _ = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        return _ratio(broken, broken + kept)


def correction_metrics(rate: WordErrorRate) -> tuple[Metric, ...]:
    """The row that a correction is reported in: never a gain without what it is measured against.

    The error rate after, before, its change and relative reduction (paired), both oracles, and the
    words corrected and broken.
    """
    return (
        CorrectedRate(rate),
        FirstBest(rate),
        Change(rate),
        RelativeReduction(rate),
        NBestOracle(rate),
        CompositionalOracle(rate),
        WordsCorrected(rate),
        WordsBroken(rate),
    )


def _right(rate: WordErrorRate, reference: str, answer: str) -> list[int]:
    """1 or 0 a reference word: whether the alignment pairs it with itself."""
    steps = rate.alignment(reference, answer)
    right: list[int] = []
    for step, word, _ in steps:
        if word is not None:
            right += [int(step == "equal")] * len(word.split())
    return right


def _ratio(a: Array, b: Array) -> Array:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.divide(a, b, out=np.full(b.shape, np.nan), where=b != 0)
