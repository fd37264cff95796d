"""Word transition networks: several hypotheses aligned word by word, as ROVER does."""

from __future__ import annotations

from collections.abc import Sequence
from operator import contains

GAP = ""
"""The candidate that stands for "no word here"."""


def network(hypotheses: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Align hypotheses into slots: one candidate (a word or `GAP`) per hypothesis in each slot.

    The first hypothesis is the backbone; each further one is aligned to the slots built so far,
    at cost 0 where any earlier hypothesis has that word in the slot, 1 for another word, an
    insertion or a deletion (a deletion costs 0 where the slot already holds a gap).
    Reading column k of the slots, gaps left out, gives hypothesis k back.

    Source: Fiscus 1997, "A post-processing system to yield reduced word error rates: ROVER".
    """
    slots: list[tuple[str, ...]] = [(word,) for word in hypotheses[0]] if hypotheses else []
    for k, words in enumerate(hypotheses[1:], start=1):
        merged = []
        for slot, word in align(slots, words):
            merged.append((*(slot or (GAP,) * k), word))
        slots = merged
    return slots


def align(
    slots: Sequence[tuple[str, ...]], words: Sequence[str]
) -> list[tuple[tuple[str, ...] | None, str]]:
    """The cheapest pairing of slots with words; None is a new slot, `GAP` a word left out."""
    pairs_up = len(slots) == len(words) and all(map(contains, slots, words))
    if pairs_up and all(any(slot) for slot in slots):  # the usual case costs no table
        return list(zip(slots, words, strict=True))
    skip = [0 if GAP in slot else 1 for slot in slots]
    rows = [list(range(len(words) + 1))]
    for i, slot in enumerate(slots):
        above = rows[-1]
        row = [above[0] + skip[i]]
        for j, word in enumerate(words):
            row.append(min(above[j] + (word not in slot), above[j + 1] + skip[i], row[j] + 1))
        rows.append(row)
    pairs: list[tuple[tuple[str, ...] | None, str]] = []
    i, j = len(slots), len(words)
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (words[j - 1] not in slots[i - 1]):
            i, j = i - 1, j - 1
            pairs.append((slots[i], words[j]))
        elif i and rows[i][j] == rows[i - 1][j] + skip[i - 1]:
            i -= 1
            pairs.append((slots[i], GAP))
        else:
            j -= 1
            pairs.append((None, words[j]))
    return pairs[::-1]
