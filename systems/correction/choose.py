"""Correctors that need no model: the first reading, and a vote over the aligned words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...bench.adapter import Adapter
from ...bench.nbest import Correction, NBest
from .network import network


class First(Adapter):
    """The list's first reading: what every corrector is measured against."""

    def correct(self, batch: Sequence[NBest]) -> list[Correction]:
        """The 1-best texts."""
        return [Correction(request.first) for request in batch]


class Rover(Adapter):
    """ROVER: the readings aligned word by word, and in each place the word most of them have.

    Ties go to the reading that comes first in the list. Repeats vote as often as they come, since
    two systems that agree are two votes. Source: Fiscus 1997, voting by frequency of occurrence.
    """

    def correct(self, batch: Sequence[NBest]) -> list[Correction]:
        """One voted text a list; an empty list gives an empty text."""
        return [Correction(vote(request.texts)) for request in batch]


def vote(texts: Sequence[str]) -> str:
    """The text of most votes. Words are what spaces part."""
    words = []
    for slot in network([text.split() for text in texts]):
        counts = Counter(slot)
        most = max(counts.values())
        words.append(next(word for word in slot if counts[word] == most))
    return " ".join(filter(None, words))
