"""The edits that turn one sequence into another, by rapidfuzz's Levenshtein alignment."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

Edit = tuple[str, int, int, int, int]


def opcodes(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Edit]:
    """(tag, start and end in `a`, start and end in `b`); tags: equal, replace, delete, insert."""
    from rapidfuzz.distance import Levenshtein

    return [
        (e.tag, e.src_start, e.src_end, e.dest_start, e.dest_end) for e in Levenshtein.opcodes(a, b)
    ]
