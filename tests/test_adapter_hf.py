import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from podium.bench.audio import Audio
from podium.bench.errors import UsageError
from podium.bench.task import Transcript
from podium.bench.timing import stopwatch

pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent / "support"))
import tiny_models as tiny
import torch
from podium.bench.adapters.hf import Transformers

FAMILY = ["Wav2Vec2", "Hubert", "WavLM", "UniSpeech", "UniSpeechSat"]
PADDED = {
    "whisper": tiny.whisper,
    **{name: tiny.wav2vec2(name) for name in FAMILY},
    "wav2vec2-bert": tiny.wav2vec2_bert,
    **{f"parakeet-{name}": tiny.parakeet(name) for name in ("CTC", "RNNT", "TDT")},
    "qwen2_audio": tiny.qwen2_audio,
}
GROUPED = {
    "wav2vec2-group": tiny.wav2vec2(norm="group"),
    "SEW": tiny.wav2vec2("SEW"),
    "Wav2Vec2Conformer": tiny.wav2vec2("Wav2Vec2Conformer"),
    "Data2VecAudio": tiny.wav2vec2("Data2VecAudio"),
    "speech_to_text": tiny.speech_to_text,
    "speech-encoder-decoder": tiny.speech_encoder_decoder,
    "moonshine": tiny.moonshine,
}
SAVERS = PADDED | GROUPED


def chirp(seconds: float, seed: int = 0) -> Audio:
    """A wandering tone in noise: no two seconds sound alike to a random model."""
    n = round(16_000 * seconds)
    time = np.arange(n) / 16_000
    noise = np.random.default_rng(seed).standard_normal(n)
    tone = np.sin(2 * np.pi * (200 + 300 * np.sin(2 * time + seed)) * time)
    return Audio(samples=(0.3 * tone + 0.05 * noise).astype(np.float32))


CLIPS = [chirp(s, i) for i, s in enumerate((1.0, 2.37, 0.71, 1.9, 3.33, 1.0, 0.5, 2.0))]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Models this small run a hundred times slower on threads that others want too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folders: dict[str, str] = {}

    def get(name: str) -> str:
        if name not in folders:
            folders[name] = tiny.save(SAVERS[name], tmp_path_factory.mktemp("hf") / name)
        return folders[name]

    return get


@pytest.mark.parametrize("name", SAVERS)
def test_answers_do_not_depend_on_the_batch_or_the_order(checkpoint, name):
    long = name == "moonshine"  # where the checkpoint itself sets no bound
    model = Transformers(checkpoint(name), device="cpu", max_new_tokens=12 if long else None)
    assert model.batched == (name in PADDED)
    alone = [model.transcribe([clip])[0] for clip in CLIPS]
    threes = [a for i in range(0, 8, 3) for a in model.transcribe(CLIPS[i : i + 3])]
    eight = model.transcribe(CLIPS)
    backwards = model.transcribe(CLIPS[::-1])[::-1]
    model.close()
    assert alone == threes == eight == backwards
    assert all(isinstance(a, Transcript) for a in alone)
    assert len({a.text for a in alone}) > 1, "a model that hears nothing proves nothing"


def test_padding_where_it_leaks_would_change_answers(checkpoint):
    """The reason for the groups: forced together, a model with a norm over time mishears."""
    model = Transformers(checkpoint("wav2vec2-group"), device="cpu", pad=True)
    together = model.transcribe(CLIPS)
    assert together != [model.transcribe([clip])[0] for clip in CLIPS]


def test_equal_lengths_share_a_batch_even_where_padding_leaks(checkpoint):
    model = Transformers(checkpoint("wav2vec2-group"), device="cpu")
    sizes = []
    model._model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["input_values"])), with_kwargs=True
    )
    model.transcribe([chirp(1.0, 0), chirp(2.0), chirp(1.0, 1)])
    assert sorted(sizes) == [1, 2]


def test_whisper_hears_more_than_its_window(checkpoint):
    model = Transformers(checkpoint("whisper"), device="cpu")
    long, longer = chirp(40.0), chirp(75.0)
    mixed = model.transcribe([longer, CLIPS[0], long])
    assert mixed == [model.transcribe([a])[0] for a in (longer, CLIPS[0], long)]
    cut = Audio(samples=longer.samples[: 30 * 16_000])
    assert len(mixed[0].text) > len(model.transcribe([cut])[0].text)


@pytest.mark.parametrize("name", ["whisper", "Wav2Vec2"])
def test_stages_are_marked(checkpoint, name):
    model = Transformers(checkpoint(name), device="cpu")
    with stopwatch() as watch:
        model.transcribe(CLIPS[:2])
    measured = {stage for stage, seconds in watch.seconds.items() if seconds}
    assert measured == {"features", "model", "detokenise"}


def test_an_audio_language_model_is_asked_in_words_that_can_be_replaced(checkpoint, tmp_path):
    ours = Transformers(checkpoint("qwen2_audio"), device="cpu")
    assert "<|AUDIO|>" in ours._chat
    assert ours.transcribe(CLIPS[:1]) == ours.transcribe(CLIPS[:1]), "nothing is sampled"
    (tmp_path / "mine.txt").write_text("cat sat on the mat, how much wood?")
    theirs = Transformers(
        checkpoint("qwen2_audio"), device="cpu", prompt=str(tmp_path / "mine.txt")
    )
    assert ours.identity()["prompt"] != theirs.identity()["prompt"]
    assert ours.transcribe(CLIPS) != theirs.transcribe(CLIPS)


def test_identity_names_the_weights_of_a_folder(checkpoint):
    folder = checkpoint("Wav2Vec2")
    one, two = Transformers(folder, device="cpu").identity(), Transformers(folder).identity()
    assert one == two
    assert one["revision"] is None
    assert len(one["weights"]) == 64
    assert one["precision"] == "float32"
    assert Transformers(folder, device="cpu", dtype="bfloat16").identity() != one


def test_a_hub_model_is_pinned_to_the_commit_that_was_loaded(checkpoint, tmp_path):
    """The cache's own layout, offline: `main` is resolved, and its commit is in the identity."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).symlink_to(checkpoint("Wav2Vec2"))
    program = (
        "import json\n"
        "from podium.bench.adapters.hf import Transformers\n"
        "print(json.dumps(dict(Transformers('someone/tiny', device='cpu').identity())))\n"
    )
    env = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    identity = json.loads(done.stdout)
    assert identity["model"] == "someone/tiny"
    assert identity["revision"] == commit
    assert identity["weights"] is None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Wav2Vec2", {"language": "en"}, "takes no language"),
        ("whisper", {"language": "fr"}, "knows English alone"),
        ("whisper", {"prompt": "x.txt"}, "takes no prompt"),
        ("qwen2_audio", {"prompt": "nowhere.txt"}, "no prompt file nowhere.txt"),
        ("Wav2Vec2", {"dtype": "float99"}, "no dtype"),
        ("Wav2Vec2", {"attn": "magic"}, "cannot load"),
    ],
)
def test_what_a_model_cannot_do_is_said_in_one_line(checkpoint, name, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        Transformers(checkpoint(name), **{"device": "cpu", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(checkpoint):
    with pytest.raises(UsageError, match="no device cuda here"):
        Transformers(checkpoint("whisper"), device="cuda")


def test_what_is_no_recogniser_is_refused(tmp_path):
    import transformers

    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="bert is no speech recogniser"):
        Transformers(str(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        Transformers(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="cannot load"):
        Transformers(str(tmp_path / "empty"))
