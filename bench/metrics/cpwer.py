"""Word error rates over who said what: cpWER, tcpWER, and the word diarisation error.

The target is a session's reference as SegLST entries (a list of mappings), the answer a list of
entries or of `Segment`. MeetEval counts; here a session's count becomes a row that adds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..dialogue import Segment
from .metric import Array, Metric, Row
from .normalize import normalizer
from .opcodes import opcodes

Entries = Sequence[Mapping[str, Any] | Segment]


@dataclass(frozen=True, slots=True)
class _Words:
    """Segments as MeetEval wants them, and whether all have times."""

    segments: list[dict[str, Any]]
    timed: bool

    @property
    def count(self) -> int:
        return sum(len(s["words"].split()) for s in self.segments)


class ConcatenatedWordErrorRate(Metric):
    """cpWER: each speaker's words joined, speakers matched so that the errors are fewest.

    A speaker that the other side has not counts with all their words. Segments are taken in order
    of their start times where all have them, else in the given order, as MeetEval does. Row:
    substitutions, deletions, insertions, reference words; a session with no answer has every word
    deleted. Source: Watanabe et al. 2020 (CHiME-6); computed by MeetEval.
    """

    name = "cpwer"
    columns = ("substitutions", "deletions", "insertions", "reference_words")

    def __init__(self, normalizer_name: str = "none") -> None:
        self.normalizer = normalizer(normalizer_name)

    def row(self, target: Entries, answer: Entries) -> Row:
        """One session's counts."""
        reference, hypothesis = self._words(target), self._words(answer)
        if not reference.segments or not hypothesis.segments:
            return (0.0, float(reference.count), float(hypothesis.count), float(reference.count))
        found = self._count(reference, hypothesis)
        return tuple(
            float(n) for n in (found.substitutions, found.deletions, found.insertions, found.length)
        )

    def worst(self, target: Entries) -> Row:
        """Every reference word deleted."""
        count = float(self._words(target).count)
        return (0.0, count, 0.0, count)

    def value(self, sums: Array) -> Array:
        """(S + D + I) / N; NaN where there is no reference word."""
        sums = np.asarray(sums, dtype=np.float64)
        return _ratio(sums[..., :3].sum(-1), sums[..., 3])

    def signature(self) -> dict[str, str]:
        """The normaliser and MeetEval's version."""
        from importlib.metadata import version

        return {
            "normalizer": f"{self.normalizer.name}@{self.normalizer.hash}",
            "meeteval": version("meeteval"),
        }

    def _words(self, entries: Entries) -> _Words:
        rows = [_entry(e, self.normalizer) for e in entries]
        return _Words(rows, all("start_time" in r for r in rows))

    def _count(self, reference: _Words, hypothesis: _Words) -> Any:
        from meeteval.io import SegLST
        from meeteval.wer.wer.cp import cp_word_error_rate

        return cp_word_error_rate(
            SegLST(reference.segments),  # pyright: ignore[reportArgumentType]
            SegLST(hypothesis.segments),  # pyright: ignore[reportArgumentType]
            reference_sort=_sort(reference),  # pyright: ignore[reportArgumentType]
            hypothesis_sort=_sort(hypothesis),  # pyright: ignore[reportArgumentType]
        )


class TimeConstrainedWordErrorRate(ConcatenatedWordErrorRate):
    """tcpWER: cpWER in which words match only within `collar` seconds of each other.

    A session whose reference has no times counts nothing (a set without any is NaN); one whose
    answer has lost them counts as not answered. Source: von Neumann et al. 2023 (MeetEval).
    """

    name = "tcpwer"

    def __init__(self, normalizer_name: str = "none", collar: float = 5.0) -> None:
        super().__init__(normalizer_name)
        self.collar = collar

    def row(self, target: Entries, answer: Entries) -> Row:
        """One session's counts, or none where its reference has no times."""
        if not self._words(target).timed:
            return (0.0, 0.0, 0.0, 0.0)
        if not self._words(answer).timed:
            return self.worst(target)
        return super().row(target, answer)

    def worst(self, target: Entries) -> Row:
        """Every reference word deleted, where the reference has times."""
        return super().worst(target) if self._words(target).timed else (0.0, 0.0, 0.0, 0.0)

    def signature(self) -> dict[str, str]:
        """The normaliser, MeetEval's version and the collar in seconds."""
        return {**super().signature(), "collar": f"{self.collar:g}s"}

    def _count(self, reference: _Words, hypothesis: _Words) -> Any:
        from meeteval.io import SegLST
        from meeteval.wer.wer.time_constrained import (
            time_constrained_minimum_permutation_word_error_rate as tcp,
        )

        # It warns of word times it derived itself that cross segments; nothing a user can mend.
        logging.getLogger("preprocess").setLevel(logging.ERROR)
        sides = SegLST(reference.segments), SegLST(hypothesis.segments)  # pyright: ignore[reportArgumentType]
        return tcp(*sides, collar=self.collar)


class WordDiarizationErrorRate(Metric):
    """Of the words that both sides have in common positions, the share with the wrong speaker.

    Both sides' words are put in one sequence each (by start time where all have one) and aligned;
    speakers are matched one to one so that the most aligned words agree. Words that are inserted
    or deleted do not count. Row: wrongly tagged, aligned words. A session with no answer has every
    reference word wrong. Source: El Shafey et al. 2019, equation 1 (WDER).
    """

    name = "wder"
    columns = ("wrong_speaker", "aligned_words")

    def __init__(self, normalizer_name: str = "none") -> None:
        self.normalizer = normalizer(normalizer_name)

    def row(self, target: Entries, answer: Entries) -> Row:
        """One session's counts."""
        from scipy.optimize import linear_sum_assignment

        reference, hypothesis = self._tagged(target), self._tagged(answer)
        pairs = _aligned([w for w, _ in reference], [w for w, _ in hypothesis])
        agree = _agreement([(reference[i][1], hypothesis[j][1]) for i, j in pairs])
        right = agree[linear_sum_assignment(agree, maximize=True)].sum() if pairs else 0.0
        if reference and not hypothesis:
            return self.worst(target)
        return (len(pairs) - float(right), float(len(pairs)))

    def worst(self, target: Entries) -> Row:
        """Every reference word has the wrong speaker."""
        count = float(len(self._tagged(target)))
        return (count, count)

    def value(self, sums: Array) -> Array:
        """Wrong / aligned; NaN where nothing is aligned."""
        sums = np.asarray(sums, dtype=np.float64)
        return _ratio(sums[..., 0], sums[..., 1])

    def signature(self) -> dict[str, str]:
        """The normaliser."""
        return {"normalizer": f"{self.normalizer.name}@{self.normalizer.hash}"}

    def _tagged(self, entries: Entries) -> list[tuple[str, str]]:
        rows = [_entry(e, self.normalizer) for e in entries]
        if all("start_time" in r for r in rows):
            rows.sort(key=lambda r: r["start_time"])
        return [(word, r["speaker"]) for r in rows for word in r["words"].split()]


def speaker_metrics(normalizer_name: str = "none", collar: float = 5.0) -> tuple[Metric, ...]:
    """The row that speaker tagging is reported in: cpWER, tcpWER, word diarisation error."""
    return (
        ConcatenatedWordErrorRate(normalizer_name),
        TimeConstrainedWordErrorRate(normalizer_name, collar),
        WordDiarizationErrorRate(normalizer_name),
    )


def _entry(entry: Mapping[str, Any] | Segment, normalize: Any) -> dict[str, Any]:
    if isinstance(entry, Segment):
        speaker, words, start, end = entry.speaker, entry.words, entry.start, entry.end
    else:
        speaker, words = entry["speaker"], entry["words"]
        start, end = entry.get("start_time"), entry.get("end_time")
    times = {} if start is None or end is None else {"start_time": start, "end_time": end}
    return {"session_id": "", "speaker": speaker, "words": normalize(words), **times}


def _sort(words: _Words) -> Literal["segment", False]:
    return "segment" if words.timed else False


def _aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Positions of the words that an edit alignment pairs, equal or substituted."""
    pairs = []
    for tag, i, i_end, j, j_end in opcodes(reference, hypothesis):
        if tag in ("equal", "replace"):
            pairs += zip(range(i, i_end), range(j, j_end), strict=True)
    return pairs


def _agreement(pairs: Sequence[tuple[str, str]]) -> Array:
    rows = {name: k for k, name in enumerate(dict.fromkeys(a for a, _ in pairs))}
    columns = {name: k for k, name in enumerate(dict.fromkeys(b for _, b in pairs))}
    counts = np.zeros((len(rows), len(columns)))
    for a, b in pairs:
        counts[rows[a], columns[b]] += 1
    return counts


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b != 0)
