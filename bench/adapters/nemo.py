"""NVIDIA NeMo's speech recognisers, where NeMo is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..adapter import Adapter, Failure
from ..audio import Audio
from ..errors import UsageError
from ..task import Transcript
from .device import torch_device
from .optional import package_version, require
from .weights import weights_hash


class Nemo(Adapter):
    """`nemo:ID` (a hub id) or `nemo:FILE.nemo`, through `ASRModel.transcribe` on arrays.

    NeMo gives features, model and detokenising as one step, so all of it counts as `model`.
    Raises UsageError where NeMo is absent or the file is not there.
    """

    sampling_rate = 16_000
    batched = True

    def __init__(self, model: str, device: str = "auto"):
        models = require(
            "nemo.collections.asr.models",
            adapter="nemo",
            package="nemo_toolkit",
            install="nemo_toolkit[asr]",
        )
        device = torch_device(device)
        self._file = Path(model) if model.endswith(".nemo") else None
        if self._file is not None and not self._file.is_file():
            raise UsageError(f"nemo: no file {model}; give a .nemo file or a hub id")
        load = models.ASRModel.restore_from if self._file else models.ASRModel.from_pretrained
        self._model = load(model, map_location=device)
        self._model.eval()
        self.options = {"model": model, "device": device, "dtype": "float32"}

    def transcribe(self, batch: Sequence[Audio]) -> list[Transcript | Failure]:
        answers = self._model.transcribe(
            [audio.samples for audio in batch], batch_size=len(batch), verbose=False
        )
        if isinstance(answers, tuple):  # transducers in older versions: (best, all)
            answers = answers[0]
        return [Transcript(getattr(a, "text", a).strip()) for a in answers]

    @cached_property
    def _weights(self) -> str:
        """Of the file; of the parameters where a hub id was given, whose revision NeMo hides."""
        if self._file is not None:
            return weights_hash(self._file)
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def identity(self) -> Mapping[str, Any]:
        return {
            **self.options,
            "weights": self._weights,
            "library": f"nemo_toolkit {package_version('nemo_toolkit')}",
        }
