"""Language and translation models by hub id or folder, through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapter import Adapter, Failure
from ..errors import UsageError
from ..task import Hypothesis
from ..text import Continuation, Generation, Prompt, Scored, Sentence, Translation
from ..timing import stage
from .device import torch_device, torch_dtype

NAMES = {
    "ar": "Arabic", "cs": "Czech", "de": "German", "en": "English", "es": "Spanish",
    "fr": "French", "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
    "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
"""Languages as prompts name them; a language that is not here is named by its code."""
FLORES = {
    "ar": "arb_Arab", "cs": "ces_Latn", "de": "deu_Latn", "en": "eng_Latn", "es": "spa_Latn",
    "fr": "fra_Latn", "hi": "hin_Deva", "it": "ita_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang",
    "nl": "nld_Latn", "pl": "pol_Latn", "pt": "por_Latn", "ru": "rus_Cyrl", "tr": "tur_Latn",
    "uk": "ukr_Cyrl", "zh": "zho_Hans",
}  # fmt: skip
"""NLLB's codes."""


def load(kind: str, model: str, revision: str | None, dtype: str, device: str) -> tuple[Any, Any]:
    """A model and its tokenizer. Raises UsageError, in one line, where they cannot be loaded."""
    try:
        import transformers

        place = torch_device(device)
    except ModuleNotFoundError as error:
        raise UsageError("models on the hub need pip install 'podium[hub]'") from error
    at = {} if revision is None else {"revision": revision}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, **at)
        factory = getattr(transformers, kind)
        loaded = factory.from_pretrained(model, dtype=torch_dtype(dtype), **at)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"{model}: cannot be loaded: {first}") from error
    return loaded.to(place).eval(), tokenizer


def describe(model: str, loaded: Any, dtype: str, **decoding: Any) -> dict[str, Any]:
    """For the signature: which weights, by commit or by content, and how they are decoded."""
    known: dict[str, Any] = {"model": model, "dtype": dtype}
    if commit := getattr(loaded.config, "_commit_hash", None):
        known["revision"] = commit
    elif (weights := Path(model) / "model.safetensors").is_file():
        from .gguf import digest

        known |= {"model": Path(model).name, "weights": digest(weights)}
    return known | decoding


class LanguageModel(Adapter):
    """A causal language model by hub id or folder: continues, answers, scores."""

    batched = True

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "auto",
        reuse: bool = True,
    ) -> None:
        from .decoding import Decoder

        loaded, tokenizer = load("AutoModelForCausalLM", model, revision, dtype, device)
        self._identity = describe(model, loaded, dtype)
        self._decoder = Decoder(loaded, tokenizer, reuse)

    def generate(self, batch: Sequence[Prompt]) -> Sequence[Generation | Failure]:
        """`prompt.n` continuations a prompt."""
        return self._decoder.generate(batch)

    def log_likelihood(self, batch: Sequence[Continuation]) -> Sequence[Scored | Failure]:
        """Log-probability of each text after its context."""
        return self._decoder.log_likelihood(batch)

    def identity(self) -> Mapping[str, Any]:
        return self._identity


class TranslationModel(Adapter):
    """A translation model by hub id or folder, with forced target prefixes.

    Encoder-decoders (NLLB, MADLAD, Marian, and those of `podium train mt`) and chat models that
    translate (Tower). `beams` 1 is greedy; alternatives (`Sentence.n`) are the best beams, or with
    a `temperature` above 0 samples. Sentences that share languages and prefix are decoded
    together. The output is at most 1.5 times the input and 20 tokens long, prefix included, as in
    TAF's code (owaski/TAF); NLLB and MADLAD repeat no trigram, as there.
    """

    batched = True
    forces_prefix = True

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        beams: int = 1,
        temperature: float = 0.0,
        dtype: str = "float32",
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(
                model, **({"revision": revision} if revision else {})
            )
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UsageError(f"{model}: cannot be loaded: {first}") from error
        self._chat = not config.is_encoder_decoder
        kind = "AutoModelForCausalLM" if self._chat else "AutoModelForSeq2SeqLM"
        self._model, self._tokenizer = load(kind, model, revision, dtype, device)
        self._beams, self._temperature, self._seed = beams, temperature, seed
        names = {"nllb-200", "madlad", "t5"}
        self._no_repeat = (
            3 if any(n in f"{model} {config.model_type}".lower() for n in names) else 0
        )
        decoding = {"beams": beams, "temperature": temperature, "no_repeat": self._no_repeat}
        self._identity = describe(model, self._model, dtype, **decoding)
        if self._chat:
            from .decoding import Decoder

            self._decoder = Decoder(self._model, self._tokenizer)

    def translate(self, batch: Sequence[Sentence]) -> Sequence[Translation | Failure]:
        """One translation a sentence: what comes after its prefix."""
        groups: dict[tuple, list[int]] = {}
        for k, s in enumerate(batch):
            key = (s.source_language, s.target_language, s.prefix, s.n)
            groups.setdefault(key, []).append(k)
        answers: list[Any] = [None] * len(batch)
        for places in groups.values():
            together = [batch[k] for k in places]
            found = self._answer(together) if self._chat else self._decode(together)
            for k, answer in zip(places, found, strict=True):
                answers[k] = answer
        return answers

    def identity(self) -> Mapping[str, Any]:
        return self._identity

    def _decode(self, group: Sequence[Sentence]) -> list[Translation]:
        """Sentences with the same languages, prefix and number of alternatives."""
        import torch

        first, device = group[0], self._model.device
        with stage("features"):
            texts, start = self._prepare([s.text for s in group], first)
            inputs = self._tokenizer(texts, return_tensors="pt", padding=True).to(device)
            inputs.pop("token_type_ids", None)
            prefix = self._tokenizer(text_target=first.prefix, add_special_tokens=False)
            forced = [*start, *(prefix["input_ids"] if first.prefix else [])]
        # Each sentence has its own longest output, whatever it is decoded together with.
        lengths = inputs["attention_mask"].sum(1).tolist()
        most = [max(1, int(1.5 * length + 20) - len(forced)) for length in lengths]
        sampled = self._temperature > 0
        with stage("model"), torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            out = self._model.generate(
                **inputs,
                decoder_input_ids=torch.tensor([forced] * len(group), device=device),
                max_new_tokens=max(most),
                do_sample=sampled,
                temperature=self._temperature if sampled else None,
                num_beams=1 if sampled else max(self._beams, first.n),
                num_return_sequences=first.n,
                no_repeat_ngram_size=self._no_repeat,
                forced_bos_token_id=None,
                return_dict_in_generate=True,
                output_scores=True,
            )
        with stage("detokenise"):
            ends = [len(forced) + m for m in most for _ in range(first.n)]
            rows = [
                self._tokenizer.decode(row[len(forced) : end], skip_special_tokens=True)
                for row, end in zip(out.sequences, ends, strict=True)
            ]
        scores = getattr(out, "sequences_scores", None)
        values = [None] * len(rows) if scores is None else scores.tolist()
        nbest = [Hypothesis(t.strip(), s) for t, s in zip(rows, values, strict=True)]
        parts = [nbest[k : k + first.n] for k in range(0, len(nbest), first.n)]
        return [Translation(p[0].text, tuple(p) if first.n > 1 else ()) for p in parts]

    def _prepare(self, texts: list[str], like: Sentence) -> tuple[list[str], list[int]]:
        """Input texts, and the tokens that the decoder starts with, by the model's conventions."""
        tokenizer, config = self._tokenizer, self._model.config
        begin = self._model.generation_config.decoder_start_token_id
        start = [config.decoder_start_token_id if begin is None else begin]
        vocabulary = tokenizer.get_vocab()
        source, target = like.source_language, like.target_language
        if FLORES.get(target) in vocabulary:  # NLLB: language tokens on both sides
            tokenizer.src_lang = FLORES.get(source, source)
            return texts, [*start, vocabulary[FLORES[target]]]
        for mark in (f"<2{target}>", f">>{target}<<"):  # MADLAD; Marian with many targets
            if mark in vocabulary:
                return [f"{mark} {text}" for text in texts], start
        return texts, start

    def _answer(self, group: Sequence[Sentence]) -> list[Translation | Failure]:
        """A chat model, asked as TowerInstruct is, with the prefix put into its mouth."""
        prompts = []
        for s in group:
            text = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": request(s)}],
                add_generation_prompt=True,
                tokenize=False,
            )
            most = max(1, int(1.5 * len(self._tokenizer(s.text)["input_ids"])) + 20)
            prompts.append(
                Prompt(
                    text + s.prefix,
                    n=s.n,
                    temperature=self._temperature,
                    max_new_tokens=most,
                    stop=("\n",),
                    seed=self._seed,
                )
            )
        return [as_translation(a) for a in self._decoder.generate(prompts)]


def request(sentence: Sentence) -> str:
    """The message that asks a chat model for a translation, in TowerInstruct's words."""
    source = NAMES.get(sentence.source_language, sentence.source_language)
    target = NAMES.get(sentence.target_language, sentence.target_language)
    return (
        f"Translate the following text from {source} into {target}.\n"
        f"{source}: {sentence.text}\n{target}:"
    )


def as_translation(answer: Generation | Failure) -> Translation | Failure:
    """A language model's answer as a translation."""
    if isinstance(answer, Failure):
        return answer
    texts = [t.strip() for t in answer.texts] or [""]
    nbest = tuple(Hypothesis(t) for t in texts)
    return Translation(texts[0], nbest if len(nbest) > 1 else ())
