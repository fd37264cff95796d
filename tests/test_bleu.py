"""BLEU, chrF and TER: equal to sacreBLEU's corpus scores, from summed rows."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.metrics.bleu import BLEU, CHRF, TER

THEIRS = {"bleu": sacrebleu.BLEU, "chrf": sacrebleu.CHRF, "ter": sacrebleu.TER}
words = st.lists(st.sampled_from(list("abcde.é東")), max_size=9).map(" ".join)
corpora = st.lists(st.tuples(words, words), min_size=1, max_size=6)


@given(corpora)
@settings(max_examples=150, deadline=None)
def test_equal_to_sacrebleu(corpus):
    references, hypotheses = map(list, zip(*corpus, strict=True))
    for metric in (BLEU(), CHRF(), TER()):
        rows = metric.rows(references, hypotheses)
        theirs = THEIRS[metric.name]().corpus_score(hypotheses, [references]).score
        assert metric.value(rows.sum(axis=0)[None])[0] == pytest.approx(theirs, abs=1e-9)


@given(corpora, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_bootstrap_is_a_corpus(corpus, seed):
    """The value of resampled sums is sacreBLEU's score of the resampled corpus."""
    references, hypotheses = map(list, zip(*corpus, strict=True))
    draws = np.random.default_rng(seed).integers(0, len(corpus), (5, len(corpus)))
    for metric in (BLEU(), CHRF(), TER()):
        rows = metric.rows(references, hypotheses)
        ours = metric.value(rows[draws].sum(axis=1))
        theirs = [
            THEIRS[metric.name]()
            .corpus_score([hypotheses[i] for i in d], [[references[i] for i in d]])
            .score
            for d in draws
        ]
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_several_references():
    hypothesis, references = "the cat sat on the mat", ["a cat sat on a mat", "the cat is on mats"]
    for metric in (BLEU(), CHRF(), TER()):
        theirs = THEIRS[metric.name]().corpus_score([hypothesis], [[r] for r in references]).score
        ours = metric.value(np.array([metric.row(references, hypothesis)]))[0]
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_languages_choose_tokenizers_and_the_signature_says_so():
    assert "tok:zh" in BLEU("zh").signature()["sacrebleu"]
    assert "tok:13a" in BLEU("pt").signature()["sacrebleu"]
    assert "version:" + sacrebleu.__version__ in TER().signature()["sacrebleu"]
    score = BLEU("zh").value(np.array([BLEU("zh").row("我喜欢猫和狗", "我喜欢猫和狗")]))
    assert score == pytest.approx([100.0])


def test_a_missing_answer_is_an_empty_one():
    for metric in (BLEU(), CHRF(), TER()):
        assert metric.worst("one two three") == metric.row("one two three", "")
