"""Speaker tagging and emotion: nothing later is seen, no word is lost, wrong labels are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podium.bench.dialogue import Emotion, Segment, Session
from podium.bench.errors import UsageError
from podium.bench.metrics.classification import Accuracy, UnweightedAverageRecall
from podium.systems.dialogue.beam_search import ContextualBeamSearch
from podium.systems.dialogue.lexicon import Lexicon
from podium.systems.dialogue.prompt import named
from podium.systems.ngram import fit
from podium.tasks.gensec.emotion import LABELS, EmotionRecognition
from podium.tasks.gensec.speaker_tagging import SpeakerTagging


def turns(tmp_path: Path, n: int = 5) -> Path:
    rows = [
        {"need_prediction": "yes" if k % 2 else "no", "emotion": "sad" if k % 2 else "xxx",
         "id": f"d{k // 3}_{k:03d}", "speaker": "AB"[k % 2], "groundtruth": f"human{k}",
         "whispertiny": f"tiny{k}", "hubertlarge": f"hubert{k}"}
        for k in range(n)
    ]  # fmt: skip
    (tmp_path / "set.json").write_text(json.dumps(rows))
    return tmp_path


def test_a_request_holds_earlier_turns_of_its_dialogue_and_nothing_else(tmp_path: Path) -> None:
    task = EmotionRecognition()
    samples = list(task.samples(task.split("set", turns(tmp_path, 9))))
    assert [s.id for s in samples] == ["d0_001", "d1_003", "d1_005", "d2_007"]
    for sample in samples:
        k = int(sample.id[-3:])
        seen = sample.request.fingerprint()
        assert f"tiny{k}" in seen
        assert all(f"tiny{j}" not in seen for j in range(k + 1, 9))
        assert all(f"tiny{j}" not in seen for j in range(0, 3 * (k // 3)))
        assert "human" not in seen
        assert len(sample.request.turns) == k - 3 * (k // 3) + 1
    assert samples[0].target not in [t.transcripts for t in samples[0].request.turns]


def test_a_turn_that_needs_a_prediction_needs_a_label(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps([{"id": "a_1", "emotion": "bored", "w": "x"}]))
    with pytest.raises(UsageError, match=r"entry 1 \(a_1\): emotion is 'bored'"):
        EmotionRecognition().split("bad", tmp_path).rows()


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, "", "glad")))))
def test_accuracy_and_uar_by_their_definitions(pairs) -> None:
    accuracy, uar = Accuracy(LABELS), UnweightedAverageRecall(LABELS)
    sums = np.sum([accuracy.row(*p) for p in pairs] or [np.zeros(20)], axis=0)
    if not pairs:
        assert np.isnan(accuracy.value(sums))
        return
    assert accuracy.value(sums) == pytest.approx(np.mean([a == b for a, b in pairs]))
    recalls = [
        np.mean([b == label for a, b in pairs if a == label])
        for label in LABELS
        if any(a == label for a, _ in pairs)
    ]
    assert uar.value(sums) == pytest.approx(np.mean(recalls))


def test_a_missing_answer_and_a_foreign_label_are_wrong_never_neutral() -> None:
    metric = Accuracy(LABELS)
    assert metric.row("neu", "neutral-ish") == metric.worst("neu")
    assert metric.value(np.array(metric.worst("neu"))) == 0
    task = EmotionRecognition()
    sample = next(iter(task.samples(task.split("mini"))))
    assert task.score(sample, Emotion("neutral!")) == task.worst(sample)


@pytest.mark.parametrize(
    ("answer", "label"),
    [("Neutral.", "neu"), ("I think they are happy", "hap"), ("ANGRY", "ang"), ("glad", "glad")],
)
def test_labels_are_found_in_chatter_or_left_wrong(answer: str, label: str) -> None:
    assert named(answer, LABELS) == label


def test_the_lexicon_answers_every_turn_of_mini() -> None:
    task = EmotionRecognition()
    requests = [s.request for s in task.samples(task.split("mini"))]
    assert {e.label for e in Lexicon().classify_emotion(requests)} == set(LABELS)


@pytest.fixture
def search(tmp_path: Path) -> ContextualBeamSearch:
    fit(["how are you today", "i am fine thank you", "see you soon"] * 3, tmp_path / "lm.arpa", 4)
    return ContextualBeamSearch(str(tmp_path / "lm.arpa"))


def test_beam_search_keeps_words_and_order_and_mends_a_boundary(search) -> None:
    session = Session(
        "s",
        (
            Segment("A", "how are you", 0.0, 1.0),
            Segment("B", "today i am fine thank you", 1.0, 3.0),
        ),
    )
    (tagged,) = search.tag_speakers([session])
    assert " ".join(s.words for s in tagged.segments) == "how are you today i am fine thank you"
    assert tagged.segments[-1].end == 3.0
    eager = ContextualBeamSearch.__new__(ContextualBeamSearch)
    eager.__dict__ |= search.__dict__ | {"_peak": 0.6, "_alpha": 3.0}
    (tagged,) = eager.tag_speakers([session])
    assert tagged.segments[1].speaker == "A"
    assert tagged.segments[1].words.startswith("today")


def test_one_speaker_and_nine_come_back_as_they_were(search) -> None:
    one = Session("one", (Segment("A", "how are you"),))
    nine = Session("nine", tuple(Segment(f"s{k}", "see you soon") for k in range(9)))
    found = search.tag_speakers([one, nine])
    assert [f.segments for f in found] == [one.segments, nine.segments]
    assert [f.fell_back for f in found] == ["", "9 speakers"]


def test_the_sources_own_score_does_not_depend_on_the_answer() -> None:
    task = SpeakerTagging()
    sample = next(iter(task.samples(task.split("mini"))))
    rows = task.worst(sample)
    assert rows["cpwer_source"] != rows["cpwer"]
    assert rows["cpwer_change"] == (*rows["cpwer"], *rows["cpwer_source"])
