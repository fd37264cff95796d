from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import jiwer
import kaldialign
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.errors import UsageError
from podium.bench.metrics.normalize import normalizer
from podium.bench.metrics.wer import CharacterErrorRate, WordErrorRate

# Few words, so that many match, repeat, and spell one another when put together.
WORDS = ["white", "paper", "whitepaper", "a", "b", "ab", "abc", "c", "bc", "é", "日本", "twenty"]
sentences = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
pairs = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6)

PLAIN = WordErrorRate("none")
MERGED = WordErrorRate("none", "merge-compounds")
CHARACTERS = CharacterErrorRate("none")
METRICS = [PLAIN, MERGED, CHARACTERS, WordErrorRate(), CharacterErrorRate("basic")]


def random_pairs(n: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(0, 12))) for _ in range(2 * n)]
    return list(zip(texts[::2], texts[1::2], strict=True))


def edits_of_jiwer(found: jiwer.WordOutput | jiwer.CharacterOutput) -> tuple[int, int, int]:
    return found.substitutions, found.deletions, found.insertions


def test_plain_counts_equal_jiwer_on_thousands_of_pairs():
    for reference, hypothesis in random_pairs(4000, 1):
        expected = edits_of_jiwer(jiwer.process_words(reference, hypothesis))
        assert PLAIN.row(reference, hypothesis) == (*expected, len(reference.split()))


def test_character_counts_equal_jiwer_on_thousands_of_pairs():
    for reference, hypothesis in random_pairs(2000, 2):
        expected = edits_of_jiwer(jiwer.process_characters(reference, hypothesis))
        assert CHARACTERS.row(reference, hypothesis) == (*expected, len(reference))


def test_merged_counts_equal_kaldialign_on_thousands_of_pairs():
    for reference, hypothesis in random_pairs(4000, 3):
        found = kaldialign.edit_distance(
            reference.split(), hypothesis.split(), merge_compounds=True
        )
        expected = (found["sub"], found["del"], found["ins"], found["ref_len"])
        assert MERGED.row(reference, hypothesis) == expected


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_corpus_rates_equal_jiwer_and_kaldialign(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    if not any(references):
        return
    for metric, expected in [
        (PLAIN, jiwer.wer(references, hypotheses)),
        (CHARACTERS, jiwer.cer(references, hypotheses)),
        (
            MERGED,
            kaldialign.batch_error_rate(
                [r.split() for r in references],
                [h.split() for h in hypotheses],
                merge_compounds=True,
            )["err_rate"],
        ),
    ]:
        rows = metric.rows(references, hypotheses)
        assert float(metric.value(rows.sum(0))) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(st.text(), st.text())
def test_any_unicode_counts_as_jiwer_counts_it(reference, hypothesis):
    for name in ("none", "whisper-en", "basic"):
        texts = [normalizer(name)(reference), normalizer(name)(hypothesis)]
        words = jiwer.process_words(*texts)
        row = WordErrorRate(name).row(reference, hypothesis)
        assert row == (*edits_of_jiwer(words), len(words.references[0]))
        characters = jiwer.process_characters(*texts)
        row = CharacterErrorRate(name).row(reference, hypothesis)
        assert row == (*edits_of_jiwer(characters), len(characters.references[0]))


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_rows_are_each_rows_and_add_up(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    for metric in METRICS:
        rows = metric.rows(references, hypotheses)
        assert rows.shape == (len(pairs), len(metric.columns))
        singly = [metric.row(*pair) for pair in pairs]
        np.testing.assert_array_equal(rows, singly)
        halves = metric.rows(references[::2], hypotheses[::2]).sum(0)
        halves = halves + metric.rows(references[1::2], hypotheses[1::2]).sum(0)
        np.testing.assert_array_equal(rows.sum(0), halves)
        np.testing.assert_allclose(metric.value(rows), [metric.value(np.array(r)) for r in singly])


@settings(max_examples=200, deadline=None)
@given(sentences, sentences)
def test_the_alignment_is_what_the_row_counts(reference, hypothesis):
    for metric in (PLAIN, MERGED):
        steps = metric.alignment(reference, hypothesis)
        ops = [op for op, _, _ in steps]
        counted = tuple(ops.count(op) for op in ("substitute", "delete", "insert"))
        assert counted == metric.row(reference, hypothesis)[:3]
        # Read down one side, it is that side's text.
        assert " ".join(word for _, word, _ in steps if word is not None) == reference
        assert " ".join(word for _, _, word in steps if word is not None) == hypothesis
        for op, word, answer in steps:
            assert (word is None) == (op == "insert")
            assert (answer is None) == (op == "delete")
            if op != "insert" and op != "delete":
                same = word.replace(" ", "") == answer.replace(" ", "")
                assert same == (op == "equal")


def test_a_merged_compound_is_one_equal_step():
    steps = MERGED.alignment("a white paper", "a whitepaper")
    assert steps == [("equal", "a", "a"), ("equal", "white paper", "whitepaper")]
    assert MERGED.row("a white paper", "a whitepaper") == (0, 0, 0, 3)
    assert PLAIN.row("a white paper", "a whitepaper") == (1, 1, 0, 3)


@given(sentences, sentences)
def test_no_answer_costs_the_whole_reference(reference, hypothesis):
    for metric in METRICS:
        worst = metric.worst(reference)
        assert worst == metric.row(reference, "")
        assert worst[1] == worst[3]


@pytest.mark.parametrize("metric", METRICS)
def test_empty_texts(metric):
    assert metric.row("", "") == (0, 0, 0, 0)
    assert np.isnan(metric.value(np.array(metric.row("", ""))))
    assert metric.row("", "b")[2] == 1
    assert np.isnan(metric.value(np.array(metric.row("", "b"))))
    assert metric.value(np.array(metric.row("b", ""))) == 1
    assert metric.rows([], []).shape == (0, 4)
    assert np.isnan(metric.value(metric.rows([], []).sum(0)))


def test_a_text_that_normalises_to_nothing_is_an_empty_one():
    metric = WordErrorRate()
    assert metric.row("um, [noise] hmm", "") == (0, 0, 0, 0)
    assert metric.row("um hello", "hello") == (0, 0, 0, 1)


def test_the_normaliser_is_applied_to_both_sides():
    assert WordErrorRate().row("Mr. O'Neil's colour", "mister o'neil is color") == (0, 0, 0, 5)
    assert WordErrorRate("none").row("Hello", "hello") == (1, 0, 0, 1)


def test_value_takes_any_leading_shape():
    sums = np.arange(24.0).reshape(2, 3, 4)
    assert PLAIN.value(sums).shape == (2, 3)
    assert PLAIN.value(sums)[0, 1] == pytest.approx((4 + 5 + 6) / 7)


def test_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="2 references for 1 hypotheses"):
        PLAIN.rows(["a", "b"], ["a"])


def test_the_signature_names_what_made_the_number():
    found = WordErrorRate(rule="merge-compounds").signature()
    assert found["rule"] == "merge-compounds"
    assert found["normalizer"] == f"whisper-en@{normalizer('whisper-en').hash}"
    assert set(CharacterErrorRate().signature()) == {"normalizer"}


def test_unknown_choices_are_the_users_to_mend():
    with pytest.raises(UsageError, match='did you mean "plain"'):
        WordErrorRate(rule="plane")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="no normalizer"):
        CharacterErrorRate("wisper")


def test_a_metric_travels_to_another_process():
    metric = pickle.loads(pickle.dumps(WordErrorRate()))
    assert metric.row("it's", "it is") == (0, 0, 0, 2)


def test_declaring_a_metric_imports_no_scorer():
    code = (
        "import sys; from podium.bench.metrics.wer import WordErrorRate; WordErrorRate(); "
        "heavy = ('regex', 'rapidfuzz', 'kaldialign', 'jiwer', 'whisper_normalizer.english'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
