"""Moonshine tiny-en through moonshine-voice; the weights come in its wheel (MIT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Transcript
from .optional import package_version, require
from .segments import cut_at_pauses
from .weights import weights_hash


class Moonshine(Adapter):
    """One utterance at a time; greedy; text only.

    The library's voice detector is off unless `vad` is asked for: it keeps state from one
    utterance to the next and starts from memory that nobody set, so with it the same audio gives
    other words from call to call (and 17.3 % WER in place of 12.4 % on 100 utterances of
    LibriSpeech test-other, which it cuts into 253 pieces). Audio longer than `max_seconds` is
    cut at pauses.

    `model` is a folder with encoder_model.ort, decoder_model_merged.ort and tokenizer.bin, or the
    name of one in the wheel; `arch` names its architecture (tiny, base).
    Raises UsageError where the package, the folder or the architecture is not there.
    """

    sampling_rate = 16_000

    def __init__(
        self, model: str = "tiny-en", arch: str = "tiny", vad: bool = False, max_seconds: float = 30
    ):
        library = require(
            "moonshine_voice",
            adapter="moonshine",
            package="moonshine-voice",
            install="podium[asr]",
        )
        self.options = {"model": model, "arch": arch, "vad": vad, "max_seconds": max_seconds}
        embedded = Path(library.__file__ or "").parent / "assets" / model
        self._path = embedded if embedded.is_dir() else Path(model)
        if not (self._path / "encoder_model.ort").is_file():
            raise UsageError(
                f"moonshine: no model at {model}; "
                "give a folder that holds encoder_model.ort, or install moonshine-voice==0.0.73"
            )
        if max_seconds < 1:
            raise UsageError(f"moonshine: max_seconds is {max_seconds}; give 1 or more")
        if arch.upper() not in library.ModelArch.__members__:
            known = ", ".join(name.lower() for name in library.ModelArch.__members__)
            raise UsageError(f'moonshine: no architecture "{arch}"; known: {known}')
        settings = {"return_audio_data": "false", "identify_speakers": "false"}
        self._transcriber = library.Transcriber(
            model_path=self._path,
            model_arch=library.ModelArch[arch.upper()],
            options=settings if vad else settings | {"vad_threshold": "0.0"},
        )

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        return [Transcript(self._text(audio)) for audio in batch]

    def _text(self, audio: Audio) -> str:
        assert audio.samples is not None
        longest = float("inf") if self.options["vad"] else self.options["max_seconds"]
        pieces = [audio.samples]
        if audio.seconds > longest:
            pieces = cut_at_pauses(audio.samples, audio.sampling_rate, longest)
        lines = [
            line.text.strip()
            for piece in pieces
            for line in self._transcriber.transcribe_without_streaming(
                piece.tolist(), audio.sampling_rate
            ).lines
        ]
        return " ".join(line for line in lines if line)

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self._path)

    def identity(self) -> Mapping[str, Any]:
        return {
            **self.options,
            "weights": self._weights,
            "library": f"moonshine-voice {package_version('moonshine-voice')}",
        }

    def close(self) -> None:
        self._transcriber.close()
