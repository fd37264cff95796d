"""Where a model goes, and how precise it is there."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError


def torch_device(name: str) -> str:
    """A device for torch: `auto` is the GPU where there is one. Raises UsageError if it is not."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"no device {name} here; give --device cpu or auto")
    return name


def torch_dtype(name: str) -> Any:
    """torch's type of this name. Raises UsageError if it has none."""
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise UsageError(f"no dtype {name}; give float32, float16 or bfloat16")
    return found
