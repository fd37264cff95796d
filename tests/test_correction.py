"""Correction: oracles by brute force, networks that lose nothing, guards, refusals."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.errors import UsageError
from podium.bench.metrics.changes import ChangePrecision, ChangeRecall
from podium.bench.metrics.gleu import GLEU
from podium.bench.metrics.nbest import (
    CompositionalOracle,
    FirstBest,
    NBestOracle,
    correction_metrics,
)
from podium.bench.metrics.wer import WordErrorRate
from podium.bench.nbest import Correction, NBest, nbest_of, read_nbest
from podium.bench.nbest_lists import held_out
from podium.bench.task import Hypothesis
from podium.systems.correction.choose import First, Rover
from podium.systems.correction.fusion import Fusion, train
from podium.systems.correction.guard import Guard
from podium.systems.correction.network import network
from podium.systems.correction.prompt import without_chatter
from podium.systems.ngram import NGram, fit
from podium.tasks.correction.tasks import PostOCR
from podium.tasks.gensec.correction import GenSECCorrection
from rapidfuzz.distance import Levenshtein

WER = WordErrorRate("none")
words = st.lists(st.sampled_from("abc"), max_size=4).map(" ".join)
lists = st.lists(words, max_size=4)


def request(*texts: str, systems: tuple[str, ...] = ()) -> NBest:
    return NBest(tuple(Hypothesis(t) for t in texts), systems)


def errors(row) -> float:
    return sum(row[:3])


@settings(max_examples=60, deadline=None)
@given(words, lists)
def test_compositional_oracle_is_the_best_of_all_texts_of_the_lists_words(reference, texts) -> None:
    held = sorted({w for t in texts for w in t.split()})
    wanted = reference.split()
    best = min(
        Levenshtein.distance(wanted, candidate)
        for n in range(len(wanted) + 2)
        for candidate in itertools.product(held, repeat=n)
    )
    row = CompositionalOracle(WER).row({"reference": reference, "hypotheses": texts}, None)
    assert (errors(row), row[3]) == (best, len(wanted))


@given(words, lists)
def test_nbest_oracle_is_the_best_of_the_list_and_lies_between(reference, texts) -> None:
    target = {"reference": reference, "hypotheses": texts}
    best = min(Levenshtein.distance(reference.split(), t.split()) for t in texts or [""])
    oracle = errors(NBestOracle(WER).row(target, None))
    assert oracle == best
    assert errors(CompositionalOracle(WER).row(target, None)) <= oracle
    assert oracle <= errors(FirstBest(WER).row(target, None))


@given(words, lists, words)
def test_words_are_counted_once_and_a_kept_first_breaks_nothing(reference, texts, answer) -> None:
    target = {"reference": reference, "hypotheses": texts}
    rows = {m.name: m.row(target, answer) for m in correction_metrics(WER)}
    assert sum(rows["words_corrected"]) == len(reference.split())
    kept = {m.name: m for m in correction_metrics(WER)}["words_broken"]
    assert kept.row(target, texts[0] if texts else "")[:2] == (0, 0)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=5))
def test_a_network_gives_every_hypothesis_back(hypotheses) -> None:
    slots = network(hypotheses)
    for k, hypothesis in enumerate(hypotheses):
        assert [slot[k] for slot in slots if slot[k]] == hypothesis


@given(words, st.integers(1, 4))
def test_rover_keeps_what_all_agree_on(text, n) -> None:
    assert Rover().correct([request(*[text] * n)]) == [Correction(text)]


def test_rover_takes_the_most_frequent_word_and_first_breaks_ties() -> None:
    answers = Rover().correct(
        [request("a x c", "a b c", "a b d"), request("a b", "a c"), request()]
    )
    assert [a.text for a in answers] == ["a b c", "a b", ""]
    assert First().correct([request()]) == [Correction("")]


def test_fusion_learns_whom_to_believe(tmp_path: Path) -> None:
    pairs = [
        (request(f"x {w}", f"y {w}", f"x {w}", systems=("p", "q", "r")), f"y {w}") for w in "abcdef"
    ]
    train(pairs).save(tmp_path / "w.json")
    answers = Fusion(str(tmp_path / "w.json")).correct([pairs[0][0]])
    assert answers == [Correction("y a")]
    (failure,) = Fusion(str(tmp_path / "w.json")).correct([request("a", systems=("new",))])
    assert "new" in failure.message
    with pytest.raises(UsageError, match="podium train fusion"):
        Fusion(str(tmp_path / "absent.json"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("the weather is fine", ""),
        ("", "empty"),
        ("Bitte geben Sie mir den Text noch einmal", "far from every reading"),
        ("the whether is find " * 10, "too long"),
    ],
)
def test_guards(answer: str, why: str) -> None:
    found = Guard()(answer, request("the whether is find", "the weather is find"))
    assert found.fell_back == why
    assert found.text == ("the whether is find" if why else answer)


@pytest.mark.parametrize(
    "answer",
    [
        "it is fine",
        '"it is fine"',
        "Sure! Corrected text: it is fine\nI hope this helps.",
        "1. it is fine\n2. it is find",
        "\n\nit is fine\n",
    ],
)
def test_chatter_is_cut(answer: str) -> None:
    assert without_chatter(answer) == "it is fine"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"input": "a", "output": "b"}', "list of texts"),
        ('{"input": ["a"]}', '"output"'),
        ('{"input": ["a"], "output": "b", "scores": [1, 2]}', "1 hypotheses but 2 scores"),
        ("{", "not JSON"),
        ("3", "expected an object"),
    ],
)
def test_bad_lists_name_file_and_line(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text('{"input": ["a"], "output": "b"}\n' + line + "\n")
    with pytest.raises(UsageError, match=r"lists\.jsonl:2") as caught:
        list(read_nbest(path))
    assert what in str(caught.value)


def test_hyporadise_arrays_and_numbered_inputs_read(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps([{"input": ["a", "b"], "output": "c"}]))
    assert [nbest_of(r).texts for r in read_nbest(path)] == [("a", "b")]
    path.write_text(json.dumps([{"input2": "b", "input1": "a", "output": "c"}]))
    assert [nbest_of(r).texts for r in read_nbest(path)] == [("a", "b")]


def test_held_out_speakers_are_whole() -> None:
    rows = [{"speaker": f"s{k % 7}", "id": k} for k in range(70)]
    fit_rows, test_rows = held_out(rows, 0.3)
    assert len(fit_rows) + len(test_rows) == 70
    assert not {r["speaker"] for r in fit_rows} & {r["speaker"] for r in test_rows}


def test_changes_and_gleu_of_a_perfect_and_an_idle_answer() -> None:
    target = {"reference": "he goes to the school", "hypotheses": ["he go to school"]}
    assert ChangePrecision().row(target, target["reference"]) == (2, 2, 2)
    assert ChangeRecall().row(target, "he go to school") == (0, 0, 2)
    assert ChangePrecision().row(target, "he goes to a school") == (1, 2, 2)
    gleu = GLEU()
    assert gleu.value(np.array(gleu.row(target, target["reference"]))) == pytest.approx(1)
    assert gleu.value(np.array(gleu.row(target, ""))) == 0


def test_gleu_takes_off_what_the_source_should_not_have_kept() -> None:
    target = {"reference": "a b c d e", "hypotheses": ["a b c d x"]}
    row = GLEU().row(target, "a b c d x")
    assert row[2:6] == (4 - 1, 3 - 1, 2 - 1, 1 - 1)
    assert row[6:] == (5, 4, 3, 2)


def test_ngram_probabilities_sum_to_one(tmp_path: Path) -> None:
    text = ["a b c", "a b d", "b c a a", "d"]
    fit(text, tmp_path / "lm.arpa", 3)
    model = NGram(str(tmp_path / "lm.arpa"))
    known = ["a", "b", "c", "d", "</s>", "<unk>"]
    for before in ((), ("a",), ("a", "b"), ("<s>",), ("<s>", "a"), ("never", "b")):
        total = sum(math.exp(model.word(w, before)) for w in known)
        assert total == pytest.approx(1, abs=1e-5)
    assert model.sentence(["a", "b", "c"]) > model.sentence(["c", "b", "a"])
    (tmp_path / "bad.arpa").write_text("\\1-grams:\nx y\n")
    with pytest.raises(UsageError, match=r"bad\.arpa:2"):
        NGram(str(tmp_path / "bad.arpa"))


def test_the_first_system_and_the_oracle_of_test_other(data_dir: Path) -> None:
    path = data_dir / "asr_nbest" / "librispeech_test_other_7systems.jsonl.gz"
    targets = [{"reference": r["output"], "hypotheses": r["hypotheses"]} for r in read_nbest(path)]
    first = FirstBest(WER).value(np.sum([FirstBest(WER).list_row(t) for t in targets], axis=0))
    oracle = NBestOracle(WER).value(np.sum([NBestOracle(WER).list_row(t) for t in targets], axis=0))
    assert round(100 * float(first), 2) == 5.86
    assert round(100 * float(oracle), 2) == 4.97


def test_a_request_never_holds_the_reference() -> None:
    task = GenSECCorrection()
    for sample in task.samples(task.split("mini")):
        assert set(sample.request.texts) == set(sample.target["hypotheses"])


def test_hipe_rows_and_icdar_files(tmp_path: Path, data_dir: Path) -> None:
    task = PostOCR()
    name = "hipe-ocrepair-bench_v0.9_dta19-l0_v0.1_test_de"
    samples = list(task.samples(task.split(name, data_dir)))
    assert len(samples) == 80
    assert samples[0].request.language == "de"
    (tmp_path / "doc.txt").write_text(
        "[OCR_toInput] tbe cat\n[OCR_aligned] tbe c@at##\n[ GS_aligned] the c@at##\n"
    )
    (sample,) = task.samples(task.split("doc", tmp_path))
    assert (sample.request.first, sample.target["reference"]) == ("tbe cat", "the cat")
    (tmp_path / "bad.txt").write_text("[OCR_toInput] x\n")
    with pytest.raises(UsageError, match=r"bad\.txt"):
        list(task.samples(task.split("bad", tmp_path)))


@pytest.mark.heavy
def test_the_corrector_learns_saves_and_answers(tmp_path: Path) -> None:
    from podium.systems.correction.corrector import ByteCorrector, Example, Plan
    from podium.systems.correction.corrector import train as train_corrector

    numbers = ["one", "two", "three", "four", "five", "six", "seven"]
    rng = np.random.default_rng(0)
    examples = []
    for k in range(120):
        said = list(rng.choice(numbers, 2))
        heard = ["to" if w == "two" else "for" if w == "four" else w for w in said]
        examples.append(Example(request(" ".join(heard)), " ".join(said), f"s{k % 12}"))
    model, notes = train_corrector(examples, Plan(epochs=40, minutes=3), print)
    model.save(str(tmp_path / "c.pt"), **notes)
    corrector = ByteCorrector(str(tmp_path / "c.pt"))
    answers = corrector.correct([request("to three"), request(), request("five for")])
    assert [a.text for a in answers] == ["two three", "", "five four"]
    one_by_one = [corrector.correct([r])[0] for r in (request("to three"), request("five for"))]
    assert one_by_one == [answers[0], answers[2]]
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="not a corrector"):
        ByteCorrector(str(tmp_path / "bad.pt"))
