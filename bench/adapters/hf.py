"""Speech recognisers of the Hugging Face hub, through transformers."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Transcript
from ..timing import stage
from .device import torch_device, torch_dtype
from .optional import package_version, require
from .weights import weights_hash

AUTO = (
    "AutoModelForCTC",
    "AutoModelForTDT",
    "AutoModelForRNNT",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForMultimodalLM",
)
"""Auto classes, the first whose table knows the configuration wins; older versions lack some."""

PADS = frozenset(
    {
        "hubert",
        "parakeet_ctc",
        "parakeet_rnnt",
        "parakeet_tdt",
        "qwen2_audio",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-bert",
        "wavlm",
        "whisper",
    }
)
"""Model types whose answers do not change when their batch is padded, as the tests measure.

Some leak, because convolutions run over the padding beside the last frame (Speech2Text, SEW,
Data2Vec, Conformer) or a norm over time (Moonshine, wav2vec 2.0 with "group"); the rest of what
transformers has was not measured, and is not padded either unless `pad` asks for it."""

PROCESSOR: Mapping[str, Mapping[str, Any]] = {"whisper": {"padding": "max_length"}}
"""What else a processor takes; the others pad to the longest of the batch."""

LONG_FORM: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "whisper": {
        "processor": {"padding": "longest", "truncation": False},
        "generate": {"return_timestamps": True},
    },
}
"""Types that see one window (the feature extractor's `n_samples`) and have a long form for more."""

LANGUAGE: Mapping[str, tuple[str, str]] = {
    "canary": ("processor", "source_language"),
    "cohere_asr": ("processor", "language"),
    "fun_asr_nano": ("processor", "language"),
    "qwen3_asr": ("processor", "language"),
    "seamless_m4t": ("generate", "tgt_lang"),
    "seamless_m4t_v2": ("generate", "tgt_lang"),
    "voxtral": ("processor", "language"),
    "whisper": ("generate", "language"),
}
"""Where a type takes the language, and by what name."""

REQUEST: Mapping[str, Callable[[str, int], dict[str, Any]]] = {
    "voxtral": lambda model, n: {"model_id": model, "format": ["wav"] * n},
}
"""What else `apply_transcription_request` asks for."""

ANSWER_TOKENS = 448  # where neither the user nor the checkpoint says: Whisper's own limit


class Transformers(Adapter):
    """`hf:ID`, a hub id or a local folder: CTC, seq2seq, transducers and audio language models.

    Decoding is greedy or a beam search of `num_beams`, never sampled. Where padding would change
    a model's answers (`PADS`), a batch is computed in groups of equal length, unpadded, so that
    scores do not depend on the batch; `pad` overrides. Audio language models are asked with the
    words of `prompt`, a text file (ours: transcribe.txt), unless their processor has a
    transcription request of its own and no file is given.

    `dtype` "auto" is float32 on a CPU, the checkpoint's own elsewhere. `revision` is resolved to
    a commit before anything is loaded, and that commit is loaded and goes into the identity; a
    local folder gives the hash of its files.
    Raises UsageError where transformers, the model, or what an option asks for is not there.
    """

    def __init__(
        self,
        model: str,
        device: str = "auto",
        revision: str | None = None,
        dtype: str = "auto",
        attn: str | None = None,
        num_beams: int = 1,
        max_new_tokens: int | None = None,
        language: str | None = None,
        prompt: str | None = None,
        pad: bool | None = None,
        trust_remote_code: bool = False,
    ):
        needs = partial(require, adapter="hf", package="transformers", install="podium[hub]")
        self._torch = require("torch", adapter="hf", package="torch", install="podium[hub]")
        library = needs("transformers")
        device = torch_device(device)
        if dtype == "auto" and device == "cpu":
            dtype = "float32"
        if dtype != "auto":
            torch_dtype(dtype)
        self._name = model
        self._revision = None if Path(model).is_dir() else _commit(model, revision)
        source = {"revision": self._revision, "trust_remote_code": trust_remote_code}
        try:
            config = library.AutoConfig.from_pretrained(model, **source)
            auto = _auto_class(library, config)
            self._processor = library.AutoProcessor.from_pretrained(model, **source)
            self._model = auto.from_pretrained(
                model, config=config, dtype=dtype, attn_implementation=attn, **source
            )
        except (OSError, ValueError, ImportError) as error:
            raise UsageError(f"hf: cannot load {model}: {_first_line(error)}") from error
        self._model.to(device).eval()
        self._type = config.model_type
        self._ctc = auto.__name__ == "AutoModelForCTC"
        self._extractor = _extractor(self._processor)
        if not hasattr(self._extractor, "sampling_rate"):
            raise UsageError(f"hf: {model} ({config.model_type}) takes no audio")
        self.sampling_rate = int(self._extractor.sampling_rate)
        self._pad = self._padding_is_safe() if pad is None else pad
        self.batched = self._pad
        self._set_prompt(prompt)
        self._extra: dict[str, dict[str, Any]] = {"processor": {}, "generate": {}}
        self._set_language(language)
        self._set_decoding(num_beams, max_new_tokens)
        self.options = {
            "num_beams": num_beams,
            "max_new_tokens": max_new_tokens,
            "language": language,
            "pad": self._pad,
            "attn": getattr(config, "_attn_implementation", attn),
        }

    def _padding_is_safe(self) -> bool:
        norms = (self._torch.nn.GroupNorm, self._torch.nn.InstanceNorm1d)
        masks = self._type in PROCESSOR or getattr(self._extractor, "return_attention_mask", True)
        leaks = any(isinstance(module, norms) for module in self._model.modules())
        return self._type in PADS and bool(masks) and not leaks

    def _set_prompt(self, file: str | None) -> None:
        """Choose how the model is asked: `request`, `chat`, or with audio alone."""
        self._asked = "audio"
        if hasattr(self._processor, "apply_transcription_request") and file is None:
            self._asked = "request"
        elif getattr(self._processor, "chat_template", None):
            self._asked = "chat"
        elif file is not None:
            raise UsageError(f"hf: {self._name} takes no prompt; leave it out")
        path = Path(file) if file else Path(__file__).with_name("transcribe.txt")
        if not path.is_file():
            raise UsageError(f"hf: no prompt file {file}")
        self._prompt = path.read_text(encoding="utf-8").strip()
        tokenizer = getattr(self._processor, "tokenizer", None)
        if self._asked != "audio" and tokenizer is not None:
            tokenizer.padding_side = "left"  # answers must follow their prompts at once

    def _set_language(self, language: str | None) -> None:
        if language is None:
            return
        if self._type not in LANGUAGE:
            raise UsageError(f"hf: {self._name} ({self._type}) takes no language; leave it out")
        if getattr(self._model.generation_config, "is_multilingual", True):
            where, name = LANGUAGE[self._type]
            self._extra[where][name] = language
        elif language != "en":
            raise UsageError(f"hf: {self._name} knows English alone, not {language}")

    def _set_decoding(self, num_beams: int, max_new_tokens: int | None) -> None:
        if self._ctc or not hasattr(self._model, "generation_config"):
            return
        own = self._model.generation_config
        if max_new_tokens is None and not (own.max_new_tokens or own.max_length):
            max_new_tokens = ANSWER_TOKENS
        if max_new_tokens is not None:
            self._extra["generate"]["max_new_tokens"] = max_new_tokens
        self._extra["generate"] |= {"num_beams": num_beams, "do_sample": False}

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        groups: dict[Any, list[int]] = defaultdict(list)
        window = getattr(self._extractor, "n_samples", None)
        for i, audio in enumerate(batch):
            n = len(audio.samples if audio.samples is not None else ())
            if self._type in LONG_FORM and window and n > window:
                groups["long", i].append(i)
            else:
                groups["short" if self._pad else n].append(i)
        texts: dict[int, str] = {}
        for key, members in groups.items():
            form = LONG_FORM[self._type] if isinstance(key, tuple) else {}
            audios = [batch[i].samples for i in members]
            texts |= zip(members, self._transcribe(audios, form), strict=True)
        return [Transcript(texts[i].strip()) for i in range(len(batch))]

    def _transcribe(self, audios: list[Any], form: Mapping[str, Mapping[str, Any]]) -> list[str]:
        with stage("features"):
            inputs = self._inputs(audios, form.get("processor", {}))
        with stage("model"), self._torch.inference_mode():
            inputs = inputs.to(self._model.device, self._model.dtype)
            tokens = self._ctc_tokens(inputs) if self._ctc else self._generated(inputs, form)
        with stage("detokenise"):
            return self._processor.batch_decode(tokens, skip_special_tokens=True)

    def _inputs(self, audios: list[Any], form: Mapping[str, Any]) -> Any:
        """What the processor makes of a group, as tensors."""
        rate = {"sampling_rate": self.sampling_rate}
        extra = self._extra["processor"]
        if self._asked == "request":
            more = REQUEST.get(self._type, lambda model, n: {})(self._name, len(audios))
            if self._type in REQUEST:
                more |= rate
            return self._processor.apply_transcription_request(audios, **more, **extra)
        settings = {"return_tensors": "pt", "padding": True, **PROCESSOR.get(self._type, {})}
        if self._asked == "chat":
            text = [self._chat] * len(audios)
            return self._processor(text=text, audio=audios, **rate, **settings, **extra)
        # Models whose features carry no mask were trained without one.
        if getattr(self._extractor, "return_attention_mask", None) is not False or form:
            settings["return_attention_mask"] = True
        return self._processor(audios, **rate, **(settings | dict(form)), **extra)

    @cached_property
    def _chat(self) -> str:
        """The prompt in the model's chat template, with its placeholder for the audio."""
        render = partial(
            self._processor.apply_chat_template, tokenize=False, add_generation_prompt=True
        )
        parts = [{"type": "audio", "audio": ""}, {"type": "text", "text": self._prompt}]
        audio_token = self._processor.audio_token
        text = render([{"role": "user", "content": parts}])
        if audio_token not in text:  # a template that knows text alone
            text = render([{"role": "user", "content": audio_token + self._prompt}])
        return text

    def _ctc_tokens(self, inputs: Any) -> Any:
        """Best token a frame; frames that are padding are blank."""
        if hasattr(self._model, "generate"):
            return self._model.generate(**inputs)
        tokens = self._model(**inputs).logits.argmax(-1)
        mask = inputs.get("attention_mask")
        if mask is not None and self._pad:
            lengths = self._model._get_feat_extract_output_lengths(mask.sum(-1))
            frames = self._torch.arange(tokens.shape[1], device=tokens.device)
            tokens[frames[None, :] >= lengths[:, None]] = self._model.config.pad_token_id
        return tokens

    def _generated(self, inputs: Any, form: Mapping[str, Mapping[str, Any]]) -> Any:
        tokens = self._model.generate(
            **inputs, **self._extra["generate"], **form.get("generate", {})
        )
        tokens = getattr(tokens, "sequences", tokens)
        if "input_ids" in inputs and not self._model.config.is_encoder_decoder:
            tokens = tokens[:, inputs["input_ids"].shape[1] :]
        return tokens

    @cached_property
    def _weights(self) -> str | None:
        return weights_hash(self._name) if self._revision is None else None

    def identity(self) -> Mapping[str, Any]:
        asked = {"asked": self._asked}
        if self._asked == "chat":
            asked["prompt"] = hashlib.sha256(self._prompt.encode()).hexdigest()
        return {
            "model": self._name if self._revision else Path(self._name).name,
            "revision": self._revision,
            "weights": self._weights,
            "precision": str(self._model.dtype).removeprefix("torch."),
            **self.options,
            **asked,
            "library": f"transformers {package_version('transformers')}, "
            f"torch {package_version('torch')}",
        }

    def close(self) -> None:
        del self._model
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()


def _commit(model: str, revision: str | None) -> str:
    """The commit that a revision of a hub model stands for now; from the cache when offline."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    if model.startswith((".", "/", "~")):
        raise UsageError(f"hf: no folder {model}; give a checkpoint's folder or a hub id")
    try:
        file = cached_file(model, "config.json", revision=revision)
    except OSError as error:
        raise UsageError(f"hf: cannot find {model}: {_first_line(error)}") from error
    commit = extract_commit_hash(file, None)
    if commit is None:
        raise UsageError(f"hf: {model}: the hub names no commit; give revision=")
    return commit


def _auto_class(library: Any, config: Any) -> Any:
    for name in AUTO:
        auto = getattr(library, name, None)
        remote = name in (getattr(config, "auto_map", None) or {})  # the checkpoint's own code
        if auto is not None and (remote or type(config) in auto._model_mapping):
            return auto
    raise UsageError(
        f"hf: {config.model_type} is no speech recogniser that transformers "
        f"{library.__version__} knows"
    )


def _extractor(processor: Any) -> Any:
    for name in ("feature_extractor", "audio_processor"):
        if hasattr(processor, name):
            return getattr(processor, name)
    return processor


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
