"""How a verifier made of tests gains from more of them: its scores with the first n, for each n.

    podium score scaling --run runs/DIR --tests 1,2,5,10,20 --plot scaling.svg

Reads finished runs of `code_verification` whose verifier ran the same tests on all candidates of a
problem (generated-tests, recorded-tests, examples). Nothing is run again. A problem with fewer than
n tests has all of its own.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ..output import interval, note, print_json, print_table

SHOWN = ("top1", "spearman", "bottom1", "mae")


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--run", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--tests", default="1,2,3,5,10,20,50,100", metavar="N,N,...")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="svg, png or pdf")


def main(args: Namespace) -> int:
    """Print a table a run; draw the curves."""
    from ...bench.store import load_run

    counts = _counts(args.tests)
    curves: dict[str, list[dict[str, Any]]] = {}
    for path in args.run:
        run = load_run(path)
        if run["task"] != "code_verification":
            raise UsageError(f"{path}: a run of {run['task']}, not of code_verification")
        curves[str(run["model"])] = _curve(list(run.records()), counts, path)
    if args.plot:
        _draw(curves, args.plot)
        note(f"{args.plot}: {', '.join(SHOWN)} over the number of tests")
    if args.json:
        print_json({"curves": curves})
        return 0
    for model, points in curves.items():
        rows = [
            [str(p["tests"]), f"{p['mean_tests']:.1f}", *(interval(p["scores"][s]) for s in SHOWN)]
            for p in points
        ]
        print_table(["tests", "had, mean", *SHOWN], rows, title=model)
    return 0


def _counts(text: str) -> list[int]:
    try:
        counts = sorted({int(n) for n in text.split(",")})
    except ValueError as error:
        raise UsageError(f"--tests {text}: whole numbers with commas between, as 1,2,5") from error
    if not counts or counts[0] < 1:
        raise UsageError(f"--tests {text}: numbers from 1")
    return counts


def _curve(records: list[Any], counts: list[int], path: Path) -> list[dict[str, Any]]:
    """Scores over all problems, for each number of tests; a problem without an answer is worst."""
    from ...bench.metrics.ranking import Truth, ranking_metrics, rows
    from ...bench.scores import Table

    answered = [r for r in records if r["response"] is not None]
    if not any(r["response"].get("passes") for r in answered):
        raise UsageError(f"{path}: its verifier did not run the same tests on all candidates")
    metrics = ranking_metrics()
    points = []
    for n in counts:
        table = Table(metrics)
        had = []
        for record in records:
            truth = Truth(**record["target"])
            if record["response"] is None:
                statistics: Any = {m.name: m.worst(truth) for m in metrics}
            else:
                passes = record["response"]["passes"]
                first = [p[:n] for p in passes]
                had.append(len(first[0]) if first else 0)
                scores = [p.count("1") / len(p) if p else 0.0 for p in first]
                statistics = rows(metrics, truth, scores, False)
            table.add({"id": record["id"], "by": {}, "statistics": statistics})
        mean = sum(had) / max(1, len(had))
        points.append({"tests": n, "mean_tests": mean, "scores": table.scores()["scores"]})
    return points


def _draw(curves: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """A panel a score, a line a run, with its interval as a band."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("plotting needs matplotlib: pip install 'podium[plot]'") from error
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    panels = figure.subplots(1, len(SHOWN))
    for panel, name in zip(panels, SHOWN, strict=True):
        for model, points in curves.items():
            x = [p["tests"] for p in points]
            scores = [p["scores"][name] for p in points]
            (line,) = panel.plot(x, [s["value"] for s in scores], marker="o", ms=3, label=model)
            low, high = ([s[end] for s in scores] for end in ("low", "high"))
            panel.fill_between(x, low, high, color=line.get_color(), alpha=0.15, lw=0)
        panel.set_xscale("log")
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("tests (first n)", fontsize=8)
        panel.grid(alpha=0.3)
    if len(curves) > 1:
        panels[-1].legend(fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "podium"}):
            figure.savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot write the plot ({error})") from error
