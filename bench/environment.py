"""The machine and the versions that a number was measured on."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "ctranslate2",
    "datasets",
    "faster-whisper",
    "jiwer",
    "kaldialign",
    "moonshine-voice",
    "numpy",
    "podium",
    "pocketsphinx",
    "rapidfuzz",
    "sacrebleu",
    "torch",
    "transformers",
    "whisper-normalizer",
)


def describe() -> dict[str, Any]:
    """Python, operating system, processor, memory (bytes), package versions. No host name."""
    import psutil

    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory": psutil.virtual_memory().total,
        "packages": {name: v for name in PACKAGES if (v := installed(name))},
        "cuda": getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None),
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def installed(package: str) -> str | None:
    """A package's version, or None. Does not import it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
