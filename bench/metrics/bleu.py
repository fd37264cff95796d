"""BLEU, chrF and TER: sacreBLEU's own statistics for each segment, summed and resampled by us."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..errors import UsageError
from .metric import Array, Metric, Row

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""sacreBLEU's choice of BLEU tokenizer by target language; 13a for every other."""


class _SacreBLEU(Metric):
    """A sacreBLEU metric as rows; `target` is a reference, or several."""

    unit = "score"
    higher_is_better = True

    @cached_property
    def _metric(self) -> Any:
        raise NotImplementedError

    def row(self, target: str | list[str], answer: str) -> Row:
        references = [target] if isinstance(target, str) else list(target)
        # One segment of a corpus: sacreBLEU's own path from texts to statistics.
        (stats,) = self._metric._extract_corpus_statistics([answer], [[r] for r in references])
        return tuple(float(s) for s in stats)

    def worst(self, target: str | list[str]) -> Row:
        return self.row(target, "")

    def signature(self) -> dict[str, str]:
        self._metric.num_refs = 1  # sacreBLEU only knows once it has scored
        return {"sacrebleu": self._metric.get_signature().format()}


class BLEU(_SacreBLEU):
    """Corpus BLEU, Papineni et al. 2002, as sacreBLEU computes it (Post 2018).

    BP exp(1/4 sum_n log p_n), with sacreBLEU's default smoothing: the k-th order without a match
    counts as 1 / (2^k total). The tokenizer follows the target language unless it is given.
    """

    columns = (
        "output_length", "reference_length",
        "match_1", "match_2", "match_3", "match_4",
        "total_1", "total_2", "total_3", "total_4",
    )  # fmt: skip

    def __init__(self, language: str = "", tokenize: str = "") -> None:
        self.name = "bleu"
        self._tokenize = tokenize or TOKENIZERS.get(language, "13a")

    @cached_property
    def _metric(self) -> Any:
        import sacrebleu

        try:
            return sacrebleu.BLEU(tokenize=self._tokenize, force=True)
        except RuntimeError as error:  # a tokenizer whose own package is not installed
            extra = self._tokenize.partition("-")[0]
            raise UsageError(
                f"BLEU's tokenizer {self._tokenize} needs pip install 'sacrebleu[{extra}]'"
            ) from error

    def value(self, sums: Array) -> Array:
        length, reference = sums[..., 0], sums[..., 1]
        match, total = sums[..., 2:6], sums[..., 6:10]
        # sacreBLEU ends at the first order that has no n-grams, with a score of 0 for it.
        halvings = np.cumsum(match == 0, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(match > 0, match / total, 1 / (2.0**halvings * total))
            brevity = np.where(length < reference, np.exp(1 - reference / length), 1.0)
            score = 100 * brevity * np.exp(np.log(precision).mean(axis=-1))
        # No match at all, or no 4-gram at all: sacreBLEU says 0.
        return np.where(match.any(axis=-1) & (total[..., 3] > 0), score, 0.0)


class CHRF(_SacreBLEU):
    """chrF2, Popović 2015, as sacreBLEU computes it: F-score (beta 2) of character 1..6-grams."""

    orders = 6
    beta = 2.0
    columns = tuple(
        f"{what}_{n}" for n in range(1, orders + 1) for what in ("output", "reference", "match")
    )

    def __init__(self) -> None:
        self.name = "chrf"

    @cached_property
    def _metric(self) -> Any:
        import sacrebleu

        return sacrebleu.CHRF(char_order=self.orders, beta=int(self.beta))

    def value(self, sums: Array) -> Array:
        output, reference, match = (sums[..., k::3] for k in range(3))
        there = (output > 0) & (reference > 0)
        orders = there.sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(there, match / output, 0.0).sum(axis=-1) / orders
            recall = np.where(there, match / reference, 0.0).sum(axis=-1) / orders
            factor = self.beta**2
            score = 100 * (1 + factor) * precision * recall / (factor * precision + recall)
        return np.where((orders > 0) & (precision + recall > 0), score, 0.0)


class TER(_SacreBLEU):
    """Translation edit rate, Snover et al. 2006, as sacreBLEU computes it, in per cent."""

    higher_is_better = False
    columns = ("edits", "reference_length")

    def __init__(self) -> None:
        self.name = "ter"

    @cached_property
    def _metric(self) -> Any:
        import sacrebleu

        return sacrebleu.TER()

    def value(self, sums: Array) -> Array:
        edits, length = sums[..., 0], sums[..., 1]
        rate = np.divide(edits, length, out=np.zeros_like(edits), where=length > 0)
        return 100 * np.where(length > 0, rate, np.where(edits > 0, 1.0, 0.0))
