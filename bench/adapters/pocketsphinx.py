"""PocketSphinx with its own en-us models; they come in its wheel (BSD)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Hypothesis, Transcript
from .optional import package_version, require
from .weights import weights_hash

PATHS = 20  # lattice paths looked at for each text wanted: most differ in pauses alone


class PocketSphinx(Adapter):
    """One utterance at a time; `nbest` texts from the lattice, the decoder's own answer first.

    `model` is a folder in the layout of the wheel's `model/en-us` (`NAME`, `NAME.lm.bin` and a
    `.dict`), or its name. Scores are natural-log path scores of the lattice; None where the
    library's own arithmetic underflows (about half a minute of audio) or where the decoder's
    answer is not among the paths.
    Raises UsageError where the package or the model is not there.
    """

    sampling_rate = 16_000

    def __init__(self, model: str = "en-us", nbest: int = 1):
        library = require(
            "pocketsphinx", adapter="pocketsphinx", package="pocketsphinx", install="podium[asr]"
        )
        if nbest < 1:
            raise UsageError(f"pocketsphinx: nbest is {nbest}; give 1 or more")
        self._path = Path(library.get_model_path(model))
        if not self._path.is_dir():
            self._path = Path(model)
        name = self._path.name
        dictionaries = sorted(self._path.glob("*.dict"))
        if not (self._path / name).is_dir() or not dictionaries:
            raise UsageError(
                f"pocketsphinx: no model at {model}; "
                f"give a folder that holds {name}/, {name}.lm.bin and a .dict file"
            )
        self.options = {"model": model, "nbest": nbest}
        self._decoder = library.Decoder(
            hmm=str(self._path / name),
            lm=str(self._path / f"{name}.lm.bin"),
            dict=str(dictionaries[0]),
            samprate=16_000.0,
            loglevel="FATAL",
        )

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        return [self._decode(audio) for audio in batch]

    def _decode(self, audio: Audio) -> Transcript:
        assert audio.samples is not None
        pcm = (np.clip(audio.samples, -1.0, 1.0) * 32767).round().astype("<i2").tobytes()
        # The cepstral mean of the last utterance would colour this one: results must not depend
        # on the order.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        text = hypothesis.hypstr.strip() if hypothesis else ""
        return Transcript(text, self._alternatives(text) if self.options["nbest"] > 1 else ())

    def _alternatives(self, text: str) -> tuple[Hypothesis, ...]:
        """Different texts, `text` first and the rest by score; each scored by its best path."""
        wanted = self.options["nbest"]
        scores: dict[str, float | None] = {}
        for path in islice(self._decoder.nbest() or (), wanted * PATHS):
            if path is None:
                continue
            score = math.log(path.score) if path.score > 0 else None
            known = scores.setdefault(path.hypstr.strip(), score)
            if score is not None and (known is None or score > known):
                scores[path.hypstr.strip()] = score
        best = Hypothesis(text, scores.pop(text, None))
        found = [Hypothesis(t, s) for t, s in scores.items()]
        found.sort(key=lambda h: -math.inf if h.score is None else h.score, reverse=True)
        return (best, *found[: wanted - 1])

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self._path)

    def identity(self) -> Mapping[str, Any]:
        return {
            **self.options,
            "weights": self._weights,
            "library": f"pocketsphinx {package_version('pocketsphinx')}",
        }
