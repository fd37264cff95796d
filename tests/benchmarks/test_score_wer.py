"""Word error rate of 5,000 pairs from raw text to a number: the plain loop, and ours."""

# ruff: noqa: SIM905 (word lists read better as text)

from __future__ import annotations

import random

import jiwer
import numpy as np
import pytest
from podium.bench.metrics.normalize import Normalizer
from podium.bench.metrics.wer import WordErrorRate
from podium.bench.statistics import estimate
from whisper_normalizer.english import EnglishTextNormalizer

PAIRS = 5000

COMMON = (
    "the of to a in that was he it his her with as for had you not be on at by i which have or from"
    " this him but all she they were my are me one their so an said them we who would been will no"
    " when there if more out up into do any your what has man could other than our some very time"
    " and and and is is is know think really going right well just like because about people"
).split(" ")
STEMS = (
    "walk talk work turn light house garden river letter market window captain doctor storm engine"
    " paper table school winter summer morning village soldier answer question picture machine road"
    " bridge mountain forest valley meeting number report system project morning kitchen station"
    " colour favour honour centre theatre travel neighbour organise realise labour model signal"
    " minister council history music language quarter promise wonder trouble silver copper iron"
    " remember believe follow carry gather listen whisper shout measure borrow deliver consider"
).split(" ")
ENDINGS = [
    "",
    "",
    "",
    "",
    "s",
    "ed",
    "ing",
    "er",
    "ers",
    "ly",
    "ful",
    "less",
    "ment",
    "able",
    "ness",
]
SYLLABLES = (
    "mar lo ben ka ri ton el vin sa dor mi hal ber ne wick ford ley an jo thur ga bri".split(" ")
)
CONTRACTED = (
    "it's don't i'm that's didn't can't i've he's we're you're they're won't there's couldn't i'll"
    " she's wasn't let's doesn't he'd we'll you'd what's isn't wouldn't they've i'd haven't who's"
    " gonna wanna kinda gotta it's been he's got y'all ma'am"
).split(" ")  # fmt: skip
FILLERS = ["um", "uh", "hmm", "mm", "oh"]
TITLES = ["Mr.", "Mrs.", "Dr.", "St.", "Prof.", "Capt.", "Col.", "Mr", "Sen."]
ONES = "zero one two three four five six seven eight nine ten eleven twelve fifteen nineteen".split(
    " "
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ")
ORDINALS = ["first", "second", "third", "fifth", "twentieth", "twenty-first", "3rd", "19th"]


def name(rng: random.Random) -> str:
    """One of some ten thousand names, as a long tail has them."""
    return "".join(rng.choices(SYLLABLES, k=rng.choice([2, 2, 3]))).title()


def spoken_number(rng: random.Random) -> str:
    small = rng.choice(
        [rng.choice(ONES), rng.choice(TENS), f"{rng.choice(TENS)} {rng.choice(ONES[1:10])}"]
    )
    return rng.choice(
        [
            small,
            small,
            f"{rng.choice(ONES[1:10])} hundred and {small}",
            f"{small} thousand {rng.choice(ONES[1:10])} hundred",
            f"nineteen {small}",
            f"{small} percent",
            f"{small} dollars",
            f"{small} and a half",
            f"{rng.choice(ONES)} point {rng.choice(ONES)}",
            f"double oh {rng.choice(ONES[1:10])}",
            rng.choice(ORDINALS),
        ]
    )


def written_number(rng: random.Random) -> str:
    n = int(10 ** rng.uniform(0, 6))
    return rng.choice([str(n), f"{n:,}", f"${n:,}", f"{n % 100}%", f"£{n}.50", str(1900 + n % 120)])


def word(rng: random.Random) -> str:
    """The next word of a sentence, at rates like those of transcribed English."""
    draw = rng.random()
    if draw < 0.55:
        return rng.choice(COMMON)
    if draw < 0.87:
        return rng.choice(STEMS) + rng.choice(ENDINGS)
    if draw < 0.91:
        return rng.choice(CONTRACTED)
    if draw < 0.94:
        return name(rng) + rng.choice(["", "", "", "'s"])
    if draw < 0.96:
        return spoken_number(rng)
    if draw < 0.97:
        return written_number(rng)
    if draw < 0.985:
        return rng.choice(FILLERS)
    if draw < 0.99:
        return f"{rng.choice(TITLES)} {name(rng)}"
    return f"{rng.choice(STEMS)}-{rng.choice(STEMS)}"


def punctuated(words: list[str], rng: random.Random) -> str:
    marked = [
        w + rng.choice([",", ",", ".", "?", ";", " -"]) if rng.random() < 0.1 else w for w in words
    ]
    text = " ".join(marked)
    return text[:1].upper() + text[1:] + rng.choice([".", ".", ".", "?", "!", ""])


def pair(rng: random.Random) -> tuple[str, str]:
    """A reference and what a recogniser with some 8 % errors makes of it, in its own style."""
    words = [word(rng) for _ in range(rng.randint(3, 40))]
    heard = []
    for spoken in words:
        draw = rng.random()
        if draw < 0.05:
            heard.append(word(rng))
        elif draw < 0.07:
            continue
        else:
            heard.append(spoken)
        if draw > 0.985:
            heard.append(word(rng))
    style = rng.random()
    if style < 0.6:
        return punctuated(words, rng), punctuated(heard, rng)
    if style < 0.8:
        return " ".join(words).upper(), punctuated(heard, rng)
    return " ".join(words).lower(), " ".join(heard).lower()


def speech(n: int, seed: int = 7) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    references, hypotheses = zip(*(pair(rng) for _ in range(n)), strict=True)
    return list(references), list(hypotheses)


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str]]:
    return speech(PAIRS)


def plain_loop(references: list[str], hypotheses: list[str]) -> float:
    normalize = EnglishTextNormalizer()
    return jiwer.wer([normalize(r) for r in references], [normalize(h) for h in hypotheses])


def ours(references: list[str], hypotheses: list[str]) -> float:
    metric = WordErrorRate()
    metric.normalizer = Normalizer("whisper-en")  # cold memos: each round is a new process's work
    return estimate(metric, metric.rows(references, hypotheses), resamples=1000).value


@pytest.fixture(scope="module")
def expected(texts) -> float:
    return plain_loop(*texts)


@pytest.mark.benchmark(group="score wer")
@pytest.mark.heavy
def test_plain_loop(benchmark, texts, expected):
    found = benchmark.pedantic(plain_loop, args=texts, rounds=2)
    assert found == expected


@pytest.mark.benchmark(group="score wer")
@pytest.mark.heavy
def test_podium_with_a_thousand_resamples(benchmark, texts, expected):
    found = benchmark.pedantic(ours, args=texts, rounds=5)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.02 < found < 0.3  # the pairs are like a recogniser's


@pytest.mark.benchmark(group="score wer")
@pytest.mark.heavy
def test_podium_without_an_interval(benchmark, texts, expected):
    def rows() -> np.ndarray:
        metric = WordErrorRate()
        metric.normalizer = Normalizer("whisper-en")
        return metric.rows(*texts)

    sums = benchmark.pedantic(rows, rounds=5).sum(0)
    assert WordErrorRate().value(sums) == pytest.approx(expected, abs=1e-12)
