from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.errors import UsageError
from podium.bench.metrics import normalize
from podium.bench.metrics.normalize import normalizer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

FUZZ = int(os.environ.get("PODIUM_FUZZ", "3000"))  # texts; 300,000 before a release
ENGLISH = EnglishTextNormalizer()
BASIC = BasicTextNormalizer()
OURS = normalizer("whisper-en")

NUMBERS = ENGLISH.standardize_numbers
NUMBER_WORDS = sorted(NUMBERS.words)
CONTRACTIONS = sorted(pattern.replace(r"\b", "") for pattern in ENGLISH.replacers if "'" in pattern)
SHORT_FORMS = sorted(
    pattern.replace(r"\b", "") for pattern in ENGLISH.replacers if "'" not in pattern
)
BRITISH = random.Random(0).sample(sorted(ENGLISH.standardize_spellings.mapping), 200)
PLAIN = ["the", "a", "x", "i", "he", "we", "went", "to", "house", "of", "all", "can", "won", "don",
         "t", "s", "let", "us", "is", "been", "gone", "done", "got"]  # fmt: skip
FILLERS = ["hmm", "mm", "mhm", "mmm", "uh", "um", "uhm"]
FIGURES = ["0", "1", "1s", "7", "12", "1,000", "3,4", "2.5", "10%", "%", "5%", "$", "$5", "£3",
           "¢5", "$1,200.50", "€0.99", "$0.07", "3rd", "21", "st", "1st", "1960s", "4x4", "b2b",
           "007", "1.", ".5", "5.", "1.2.3", "٣", "²", "½"]  # fmt: skip
PHRASES = [
    "and a half", "one and a half", "double oh seven", "triple five", "point five", "per cent",
    "twenty one", "nineteen eighty four", "two hundred and six", "minus four", "plus", "a half",
    "five dollars and seven cents", "$2 and ¢7", "twenty third", "oh one", "it's been", "he'd gone",
    "'s got", "'s gotta", "what 's", "rock 'n' roll", "can 't", "um 't", "x um 't", "i ' m",
    "and um a half",
    "mr. smith", "st. john's", "u.s.a.", "e.g.", "[noise]", "(laughs)", "<unk>", "(a [b) c]", "()",
    "seven and a half and a half", "and, a. half", "twenty-one", "well-known", "one-and-a-half",
    "ｈａｌｆ", "and a hálf", "naïve", "café's", "it’s", "œuvre", "Straße", "ＡＢＣ", "ΣΑΣ",
    "İstanbul", "x\u0301", "日本", "…", "—",
]  # fmt: skip
MARKS = [".", ",", "?", "!", "'", "''", "-", "--", "...", "..", '"', ")", "(", "[", "]", "<", ">",
         "%", "$", "£", "_", "*", "/", ":", ";", "’", "&", "\u0301", "s", "'s", "n't"]  # fmt: skip
SPACES = [" "] * 30 + ["  ", "\t", "\n", "\u00a0", "\u2009", "", "-", " ' ", "'"]
KINDS = [PLAIN, PLAIN, PLAIN, NUMBER_WORDS, NUMBER_WORDS, CONTRACTIONS, SHORT_FORMS, BRITISH]
KINDS += [FILLERS, FIGURES, PHRASES]


def odd_text(rng: random.Random) -> str:
    """A text in which every rule of the normaliser meets every other."""
    parts = []
    kinds = rng.sample(KINDS, rng.randint(1, len(KINDS)))
    for _ in range(rng.randint(0, rng.choice([3, 8, 25]))):
        word = rng.choice(rng.choice(kinds))
        if rng.random() < 0.15:
            word = rng.choice([str.upper, str.title])(word)
        if rng.random() < 0.15:
            word += rng.choice(MARKS)
        if rng.random() < 0.07:
            word = rng.choice(MARKS) + word
        parts += [word, rng.choice(SPACES)]
    return "".join(parts)


def assert_same(text: str) -> None:
    try:
        expected = ENGLISH(text)
    except Exception as error:  # what the package cannot do, ours does not invent
        with pytest.raises(type(error)):
            OURS(text)
        return
    assert OURS(text) == expected, repr(text)


def test_the_installed_package_is_one_the_short_cuts_were_proven_for():
    assert OURS.hash in normalize.PROVEN


def test_english_equals_the_package_on_odd_texts():
    rng = random.Random(int(os.environ.get("PODIUM_FUZZ_SEED", "20")))
    for _ in range(FUZZ):
        assert_same(odd_text(rng))


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_english_equals_the_package_on_any_unicode(text):
    assert_same(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*NUMBER_WORDS, "a", "half", "x", "5", "$3", "2.5", "%"])))
def test_english_equals_the_package_on_numbers(words):
    assert_same(" ".join(words))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*CONTRACTIONS, *FILLERS, *PLAIN, "'", "'t", "gotta"])))
def test_english_equals_the_package_on_contractions(words):
    assert_same(" ".join(words))


def test_every_single_word_with_a_rule_equals_the_package():
    for word in [*NUMBER_WORDS, *CONTRACTIONS, *SHORT_FORMS, *FILLERS, *FIGURES, *PHRASES]:
        for text in (word, f"{word} x", f"x {word}", f"x {word} x", f"{word}.", f"({word}"):
            assert_same(text)


def test_every_british_spelling_equals_the_package():
    for word in ENGLISH.standardize_spellings.mapping:
        assert OURS(word) == ENGLISH(word)


def test_every_character_equals_the_package():
    rng = random.Random(3)
    codes = [*range(0x250), *rng.sample(range(0x250, 0xD800), 600), *range(0x2000, 0x2070)]
    for code in codes:
        assert_same(f"a{chr(code)}b 5{chr(code)}6 {chr(code)} end{chr(code)}")


@pytest.mark.parametrize("text", ["", " ", "\n", "'", ".", "%", "$ x", "x %", "um", "x um x", "()"])
def test_edges(text):
    assert_same(text)
    assert normalizer("basic")(text) == BASIC(text)


@pytest.mark.parametrize(
    "text",
    [
        "mhm %and a half ",
        "%and a half x",
        "$and  a half",
        "and a half",
        "and a hálf",
        "it's been't x",
    ],
)
def test_texts_that_once_differed(text):
    assert_same(text)


def test_a_neighbour_that_looks_like_the_wall_is_not_taken_for_it():
    for text in ["it's x um cat", "foo um cat", "x um it's", "foo um it's", "x 't", "foo 't"]:
        assert_same(text)


def test_real_references_and_hypotheses_equal_the_package(data_dir):
    texts = []
    for path in sorted((data_dir / "asr_nbest").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                texts += [row["output"], *row["input"]]
    for text in random.Random(5).sample(texts, min(1500, len(texts))):
        assert_same(text)
        assert_same(text.upper())


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_basic_equals_the_package(text):
    assert normalizer("basic")(text) == BASIC(text)


def test_basic_equals_the_package_on_odd_texts():
    rng = random.Random(8)
    for _ in range(FUZZ):
        text = odd_text(rng)
        assert normalizer("basic")(text) == BASIC(text)


@given(st.text())
def test_none_changes_nothing(text):
    assert normalizer("none")(text) == text


def test_a_batch_is_its_texts_one_by_one():
    rng = random.Random(9)
    texts = [odd_text(rng) for _ in range(100) for _ in range(2)]
    for name in normalize.NAMES:
        assert normalizer(name).batch(texts) == [normalizer(name)(text) for text in texts]


def test_a_full_memo_is_emptied_and_nothing_changes(monkeypatch):
    monkeypatch.setattr(normalize, "_MEMO", 8)
    rng = random.Random(10)
    ours = normalize._English()
    for _ in range(300):
        text = odd_text(rng)
        assert ours(text) == OURS(text)
    assert len(ours._spans) <= 8
    assert len(ours._inert) <= 8


def test_an_unknown_version_of_the_package_is_obeyed_by_its_own_code(monkeypatch):
    monkeypatch.setattr(normalize, "PROVEN", frozenset())
    slow = normalize.Normalizer("whisper-en")
    assert isinstance(slow._one, EnglishTextNormalizer)
    assert slow("Mr. Smith's twenty-one") == "mister smith is 21"


def test_names_and_hashes():
    assert {normalizer(name).name for name in normalize.NAMES} == set(normalize.NAMES)
    assert len(OURS.hash) == 12
    assert pickle.loads(pickle.dumps(OURS)) is OURS
    with pytest.raises(UsageError, match="whisper-en"):
        normalizer("whisper-enn")


def test_a_normalizer_that_is_not_used_imports_nothing_heavy():
    code = (
        "import sys; from podium.bench.metrics.normalize import normalizer; "
        "normalizer('whisper-en').hash; normalizer('basic')('x'); "
        "print([m for m in ('regex', 'whisper_normalizer.english') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
