"""Word and character error rates: edits that turn the reference into the hypothesis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from ..errors import unknown
from .metric import Array, Metric, Row
from .normalize import normalizer
from .opcodes import opcodes

Rule = Literal["plain", "merge-compounds"]
Step = tuple[Literal["equal", "substitute", "delete", "insert"], str | None, str | None]

_SPACES = re.compile(r"\s\s+")


class _ErrorRate(Metric):
    """(S + D + I) / N over the symbols of a text; NaN where no reference has a symbol."""

    def __init__(self, normalizer_name: str) -> None:
        self.normalizer = normalizer(normalizer_name)

    def _symbols(self, text: str) -> Sequence[str]:
        """The normalised text's symbols."""
        return text

    def row(self, target: str, answer: str) -> Row:
        """Substitutions, deletions, insertions, reference length, of one pair of raw texts."""
        return self._row(self.normalizer(target), self.normalizer(answer))

    def rows(self, targets: Sequence[str], answers: Sequence[str]) -> Array:
        """Rows of n pairs of raw texts, shape (n, 4). Raises ValueError if the counts differ."""
        if len(targets) != len(answers):
            raise ValueError(f"{len(targets)} references for {len(answers)} hypotheses")
        references, hypotheses = map(self.normalizer.batch, (targets, answers))
        rows = list(map(self._row, references, hypotheses))
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def _row(self, reference: str, hypothesis: str) -> Row:
        symbols = self._symbols(reference)
        if reference == hypothesis:
            return 0, 0, 0, len(symbols)
        return *self._edits(symbols, self._symbols(hypothesis)), len(symbols)

    def _edits(self, reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
        return _count(reference, hypothesis)

    def worst(self, target: str) -> Row:
        """Every reference symbol deleted."""
        length = float(len(self._symbols(self.normalizer(target))))
        return (0.0, length, 0.0, length)

    def value(self, sums: Array) -> Array:
        """The error rate of summed rows, (..., 4) -> (...); NaN where the references are empty."""
        sums = np.asarray(sums, dtype=np.float64)
        length = sums[..., 3]
        return np.divide(
            sums[..., :3].sum(-1), length, out=np.full(length.shape, np.nan), where=length != 0
        )

    def signature(self) -> dict[str, str]:
        """The normaliser and what defines it."""
        return {"normalizer": f"{self.normalizer.name}@{self.normalizer.hash}"}


class WordErrorRate(_ErrorRate):
    """Corpus word error rate, (S + D + I) / N.

    Rule "plain" is Levenshtein's alignment, equal to jiwer 4. Rule "merge-compounds" lets
    neighbouring words match the one word they spell ("white paper", "whitepaper"), as the Open ASR
    Leaderboard scores (normalizer/eval_utils.py); it is kaldialign's.

    Raises UsageError for a normaliser or rule that there is not.
    """

    name = "wer"
    columns = ("substitutions", "deletions", "insertions", "reference_words")

    def __init__(self, normalizer: str = "whisper-en", rule: Rule = "plain") -> None:
        super().__init__(normalizer)
        if rule not in get_args(Rule):
            raise unknown("rule", rule, get_args(Rule))
        self.rule = rule

    def _symbols(self, text: str) -> list[str]:
        if self.normalizer.name == "none" and self.rule == "plain":
            # jiwer parts words at spaces alone: a lone tab is part of a word to it.
            return [word for word in _SPACES.sub(" ", text).strip().split(" ") if word]
        return text.split()

    def _edits(self, reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
        if self.rule == "plain":
            return _count(reference, hypothesis)
        from kaldialign import edit_distance

        found = edit_distance(reference, hypothesis, merge_compounds=True)
        return int(found["sub"]), int(found["del"]), int(found["ins"])

    def alignment(self, reference: str, hypothesis: str) -> list[Step]:
        """The steps from reference to hypothesis, word by word; they are what `row` counts.

        The side that has no word is None. Where compounds merge, a step "equal" holds all the
        words of the group, parted by spaces.
        """
        words = self._symbols(self.normalizer(reference))
        answer = self._symbols(self.normalizer(hypothesis))
        return _steps(words, answer) if self.rule == "plain" else _merged_steps(words, answer)

    def signature(self) -> dict[str, str]:
        """The normaliser and the rule."""
        return {**super().signature(), "rule": self.rule}


class CharacterErrorRate(_ErrorRate):
    """Corpus character error rate, spaces between words counted as characters; equal to jiwer 4."""

    name = "cer"
    columns = ("substitutions", "deletions", "insertions", "reference_characters")

    def __init__(self, normalizer: str = "whisper-en") -> None:
        super().__init__(normalizer)

    def _symbols(self, text: str) -> str:
        return text.strip()


def _count(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
    from rapidfuzz.distance import Levenshtein

    substitutions = deletions = insertions = 0
    for tag, _, _ in Levenshtein.editops(reference, hypothesis).as_list():
        if tag == "replace":
            substitutions += 1
        elif tag == "delete":
            deletions += 1
        else:
            insertions += 1
    return substitutions, deletions, insertions


def _steps(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    steps: list[Step] = []
    for tag, i, i_end, j, j_end in opcodes(reference, hypothesis):
        if tag == "delete":
            steps.extend(("delete", word, None) for word in reference[i:i_end])
        elif tag == "insert":
            steps.extend(("insert", None, word) for word in hypothesis[j:j_end])
        else:
            sides = zip(reference[i:i_end], hypothesis[j:j_end], strict=True)
            name = "equal" if tag == "equal" else "substitute"
            steps.extend((name, word, answer) for word, answer in sides)
    return steps


def _merged_steps(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    from kaldialign import align

    steps: list[Step] = []
    for word, answer in align(reference, hypothesis, "", merge_compounds=True):
        if not word:
            steps.append(("insert", None, answer))
        elif not answer:
            steps.append(("delete", word, None))
        elif word.replace(" ", "") == answer.replace(" ", ""):
            steps.append(("equal", word, answer))
        else:
            steps.append(("substitute", word, answer))
    return steps
