"""Show a run: scores with intervals, profile, the worst samples with their alignment, a plot."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np

from ..bench.errors import unknown
from ..bench.spec import rebuild
from ..bench.store import Run, load_run
from .output import interval, note, number, print_json, print_scores, print_table, size


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--by", metavar="NAME", help="break the scores down by speaker, set, ...")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the profile into a file")


def main(args: Namespace) -> int:
    """Print a run."""
    run = load_run(args.run)
    if args.by is not None and args.by not in run["by"]:
        raise unknown(f"breakdown of {run.path}", args.by, run["by"])
    task = rebuild(run.document)
    worst = worst_samples(run, task, args.worst)
    if args.json:
        print_json(run.document | {"worst": [_plain_worst(w) for w in worst]})
    else:
        _print_head(run)
        _print_by(run, args.by)
        _print_profile(run["profile"])
        _print_worst(worst)
    if args.plot:
        from ..bench.plot import plot_profile

        plot_profile(run.profile, args.plot)
        note(f"wrote {args.plot}")
    return 0


def worst_samples(run: Run, task: Any, count: int) -> list[dict[str, Any]]:
    """The samples that the first metric, taken alone, likes least."""
    import heapq

    metric = task.metrics[0]
    sign = -1.0 if metric.higher_is_better else 1.0

    def badness(record: dict[str, Any]) -> tuple[bool, float, str]:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(metric.value(np.array(record["statistics"][metric.name], dtype=float)))
        return (np.isfinite(value), sign * value if np.isfinite(value) else 0.0, record["id"])

    found = heapq.nlargest(count, run.records(), key=badness)
    return [_aligned(record, metric, badness(record)[1] * sign) for record in found]


def _aligned(record: dict[str, Any], metric: Any, value: float) -> dict[str, Any]:
    text = (record["response"] or {}).get("text", "")
    alignment = None
    if hasattr(metric, "alignment") and isinstance(record["target"], str):
        alignment = metric.alignment(record["target"], text)
    return {"record": record, "value": value, "alignment": alignment, "unit": metric.unit}


def _plain_worst(worst: dict[str, Any]) -> dict[str, Any]:
    record = worst["record"]
    keys = ("id", "outcome", "target", "response")
    return {k: record[k] for k in keys} | {"value": worst["value"], "alignment": worst["alignment"]}


def _print_head(run: Run) -> None:
    print(f"{run['task']} {run['split']}  {run['model']}  {run['finished']}")
    print(run["signature"]["short"])
    print("  ".join(f"{k} {n}" for k, n in run["outcomes"].items()))
    print_scores(run["scores"])
    for text in run["notes"]:
        print(f"note: {text}")


def _print_by(run: Run, name: str | None) -> None:
    if name is None:
        if run["by"]:
            print("breakdowns: " + ", ".join(f"--by {n}" for n in run["by"]))
        return
    groups = run["by"][name]
    metrics = list(run["scores"])
    rows = [
        [g, str(s[metrics[0]]["n"]), *(interval(s[m]) for m in metrics)] for g, s in groups.items()
    ]
    print_table([name, "n", *metrics], rows)


def _print_profile(profile: dict[str, Any]) -> None:
    use = profile["utilisation"]
    rows = [
        ["rtfx (model)", number(profile["rtfx"], digits=1)],
        ["rtfx total", number(profile["rtfx_total"], digits=1)],
        ["spread over repeats", number(profile["repeats"]["spread"], "ratio", 1)],
        *([f"{name}, seconds", number(s, digits=3)] for name, s in profile["stages"].items()),
        ["input padding", number(profile["padding"]["input"], "ratio", 1)],
        [
            "batches",
            f"{profile['batches']['n']}, {number(profile['batches']['mean'])} samples each",
        ],
        ["out of memory", str(profile["batches"]["out_of_memory"])],
        ["peak memory", size(use.get("peak_rss"))],
    ]
    if profile["latency"]:
        rows += [
            [f"latency {k}, seconds", number(v, digits=3)] for k, v in profile["latency"].items()
        ]
    print_table(["profile", ""], rows)


def _print_worst(worst: list[dict[str, Any]]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for entry in worst:
        record = entry["record"]
        console.print(f"{record['id']}  {number(entry['value'], entry['unit'])}", style="bold")
        if record["outcome"] not in ("ok", "empty"):
            console.print(f"  {record['outcome']}: {record['message']}", markup=False)
        if entry["alignment"] is not None:
            console.print(_coloured(entry["alignment"]), soft_wrap=True)


def _coloured(alignment: list[tuple[str, str | None, str | None]]) -> Any:
    """One line: what was right plain, what was lost in red, put in green, swapped in both."""
    from rich.text import Text

    text = Text("  ")
    for op, reference, hypothesis in alignment:
        if op == "equal":
            text.append(f"{reference} ")
            continue
        if reference is not None:
            text.append(f"[-{reference}-]", style="red")
        if hypothesis is not None:
            text.append(f"{{+{hypothesis}+}}", style="green")
        text.append(" ")
    return text
