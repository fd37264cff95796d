"""One call from Python: what `podium run` does for one task, one model and one split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .runner import Progress, Settings, folder_name, run
from .spec import build
from .store import Run
from .task import Task


def evaluate(
    task: Task | str,
    model: Any,
    split: str = "mini",
    *,
    data: Path | str | None = None,
    out: Path | str | None = None,
    fresh: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Run:
    """Measure a model on a task; `task` and `model` are specs, or objects made by hand.

    The run folder is `out`, or one under `runs/` that the same call finds again. An adapter that
    was built here is closed here. Raises UsageError where the run cannot be made.
    """
    settings = settings or Settings()
    chosen = build("task", task) if isinstance(task, str) else task
    built = isinstance(model, str)
    context = {"device": settings.device, "seed": settings.seed}
    adapter = build("adapter", model, **context) if built else model
    try:
        opened = chosen.split(split, Path(data) if data else None)
        folder = Path(out or Path("runs") / folder_name(chosen, adapter, opened, settings))
        return run(
            chosen, adapter, opened, folder, settings=settings, fresh=fresh, progress=progress
        )
    finally:
        if built:
            adapter.close()
