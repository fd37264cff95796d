"""Rank correlations, Top-1, Bottom-1, MAE and R² of a verifier's scores of candidate solutions.

The input is JSON lines or a JSON list, a row a candidate: `dataset`, `task_id`, `rank` (true; 1 is
best), `ground_average_test_score` (true), and the score given: `average_test_score` (--method utg)
or `reward.reward_score` (--method reward; min-max normalised per problem for MAE and R²). A problem
with a null score has no answer, and scores as the worst one.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, Namespace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError
from ...bench.local import objects
from ..output import interval, print_json, print_table

Problem = tuple[str, str]


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--input", type=Path, required=True, metavar="FILE")
    parser.add_argument("--method", choices=["utg", "reward"], default="utg")


def main(args: Namespace) -> int:
    """Print the scores; exit status 1 if some problem has no answer."""
    document = score(read(args.input), args.method, args.input)
    missing = document["outcomes"]["error"]
    if args.json:
        print_json(document)
        return int(bool(missing))
    tables = document["by"].get("dataset", {}) or {"": document["scores"]}
    for name, scores in tables.items():
        rows = [[k, interval(s)] for k, s in scores.items()]
        print_table(["score", "value [95 % interval]"], rows, title=name)
    undefined = document["undefined_as_zero"]
    print(", ".join(f"{k}: {n} undefined, counted as 0" for k, n in undefined.items()))
    print(f"{document['outcomes']['ok']} problems ok, {missing} without an answer")
    print(document["signature"])
    return int(bool(missing))


def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows, each with where it stands. Raises UsageError for a file that holds none."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    with path.open("rb") as file:
        is_list = file.read(64).lstrip().startswith(b"[")
    if not is_list:
        rows: list[tuple[str, Any]] = [(f"{path}:{n}", row) for n, row in objects(path)]
    else:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{path}: invalid JSON ({error})") from error
        rows = [(f"{path}: row {n}", row) for n, row in enumerate(found, 1)]
    if not rows:
        raise UsageError(f"{path}: no rows in it")
    for where, row in rows:
        if not isinstance(row, dict) or "task_id" not in row:
            raise UsageError(f'{where}: not an object with a "task_id"')
    return rows


def score(rows: list[tuple[str, dict[str, Any]]], method: str, path: Path) -> dict[str, Any]:
    """The document: scores over all problems, and by data set where there are several."""
    from importlib.metadata import version

    from ...bench.metrics.ranking import ranking_metrics
    from ...bench.scores import Table

    groups: dict[Problem, list[tuple[str, dict[str, Any]]]] = {}
    for where, row in rows:
        problem = (str(row.get("dataset", "")), str(row["task_id"]))
        groups.setdefault(problem, []).append((where, row))
    metrics = ranking_metrics()
    table = Table(metrics)
    missing = 0
    for (dataset, task_id), candidates in groups.items():
        found = _rows(candidates, method, metrics)
        missing += found is None
        statistics = found or {m.name: m.worst(_truth(candidates)) for m in metrics}
        name = json.dumps([dataset, task_id])
        table.add({"id": name, "by": {"dataset": dataset}, "statistics": statistics})
    document = table.scores()
    sums = {name: s["sums"] for name, s in document["scores"].items()}
    content = blake2b(path.read_bytes(), digest_size=6).hexdigest()
    fields = {"method": method, "problems": len(groups), "candidates": len(rows)}
    fields |= {"input": content, "podium": version("podium")}
    return document | {
        "undefined_as_zero": {k: int(v["undefined"]) for k, v in sums.items() if "undefined" in v},
        "outcomes": {"ok": len(groups) - missing, "error": missing},
        "signature": "|".join(["ranking", *(f"{k}:{v}" for k, v in fields.items())]),
    }


def _truth(candidates: list[tuple[str, dict[str, Any]]]) -> Any:
    from ...bench.metrics.ranking import Truth

    columns = [
        tuple(_number(row, key, where) for where, row in candidates)
        for key in ("ground_average_test_score", "rank")
    ]
    return Truth(*columns)


def _rows(
    candidates: list[tuple[str, dict[str, Any]]], method: str, metrics: Any
) -> dict[str, Any] | None:
    """A row a metric; None where a score is null."""
    from ...bench.metrics.ranking import rows

    truth = _truth(candidates)
    given: list[float] = []
    for where, row in candidates:
        key = "average_test_score"
        if method == "reward":
            inner = row.get("reward")
            row = (
                inner
                if isinstance(inner, dict)
                else {"reward_score": row.get("reward.reward_score")}
            )
            key = "reward_score"
        if key in row and row[key] is None:
            return None
        given.append(_number(row, key, where))
    return rows(metrics, truth, given, method == "reward")


def _number(row: dict[str, Any], key: str, where: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f'{where}: "{key}" is {value!r}, not a number')
    return float(value)
