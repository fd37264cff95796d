"""Scores of a finished run under other scoring options: records keep the responses."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import signature
from .adapter import response_type
from .errors import UsageError
from .plain import from_plain, to_plain
from .scores import Table
from .store import Run, RunFolder
from .task import Outcome, Request, Sample, Task


def rescored(run: Run, task: Task) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The run's document with new scores and signature, and its records with new rows.

    Raises UsageError if the task is not the one that was run.
    """
    if task.name != run["task"]:
        raise UsageError(f"{run.path}: is a run of {run['task']}, not of {task.name}")
    kind = response_type(task.needs)
    records = [_again(record, task, kind) for record in run.records()]
    long, resume = (_signed(run["signature"][part], task) for part in ("long", "resume"))
    document = run.document | Table.of(records, task.metrics).scores()
    short = signature.short(long, task.metrics[0].name)
    document["signature"] = {"short": short, "long": long, "resume": resume}
    document["notes"] = [*run["notes"], "rescored"]
    return document, records


def _signed(old: dict[str, Any], task: Task) -> dict[str, Any]:
    """A long signature as it would be had this task been run in the first place."""
    spec = {"spec": signature.spec_of(task), "version": task.version}
    return old | {
        "task": old["task"] | spec | {"options": to_plain(task.options())},
        "metrics": {m.name: m.signature() for m in task.metrics},
    }


def write(
    folder: Path, document: dict[str, Any], records: Iterable[dict[str, Any]], run: Run
) -> None:
    """A run folder of its own for a rescored run. Raises UsageError if there is one there."""
    with RunFolder(folder, document["signature"]["resume"]) as store:
        if store.done or store.complete:
            raise UsageError(f"{folder}: holds a run already; give another --out")
        store.append(list(records))
        store.finish(document, run.profile)


def _again(record: dict[str, Any], task: Task, kind: type) -> dict[str, Any]:
    sample = Sample(record["id"], Request(), record["target"], by=record["by"])
    if Outcome(record["outcome"]).answered:
        rows = task.score(sample, from_plain(kind, record["response"]))
    else:
        rows = task.worst(sample)
    return record | {"statistics": rows}
