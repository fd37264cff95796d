"""Podium: benchmarks for speech and language systems whose numbers can be trusted.

from podium import evaluate
run = evaluate("open_asr", "moonshine")
run["scores"]["wer"]["value"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bench.adapter import Adapter, Failure
    from .bench.audio import Audio
    from .bench.evaluate import evaluate
    from .bench.metrics.metric import Metric
    from .bench.runner import Settings
    from .bench.sandbox import judge
    from .bench.store import Run, load_run
    from .bench.task import Outcome, Sample, Size, Split, Task, Transcript

_PUBLIC = {
    "Adapter": "adapter",
    "Audio": "audio",
    "Failure": "adapter",
    "Metric": "metrics.metric",
    "Outcome": "task",
    "Run": "store",
    "Sample": "task",
    "Settings": "runner",
    "Size": "task",
    "Split": "task",
    "Task": "task",
    "Transcript": "task",
    "evaluate": "evaluate",
    "judge": "sandbox",
    "load_run": "store",
}
__all__ = [
    "Adapter",
    "Audio",
    "Failure",
    "Metric",
    "Outcome",
    "Run",
    "Sample",
    "Settings",
    "Size",
    "Split",
    "Task",
    "Transcript",
    "evaluate",
    "judge",
    "load_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import podium` itself costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".bench.{_PUBLIC[name]}", __name__), name)
