"""Ranking metrics: equal to scipy, on ties and constants too; and the command that scores files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.metrics.ranking import Truth, average_ranks, min_max, ranking_metrics, rows
from scipy.stats import kendalltau, rankdata, spearmanr

TENTHS = st.integers(0, 10).map(lambda n: n / 10)
PROBLEM = st.integers(1, 6).flatmap(
    lambda k: st.tuples(
        st.lists(TENTHS, min_size=k, max_size=k),
        st.lists(TENTHS | st.floats(-50, 50), min_size=k, max_size=k),
    )
)
PROBLEMS = st.lists(PROBLEM, min_size=1, max_size=6)


def truth_of(scores: list[float]) -> Truth:
    return Truth(tuple(scores), tuple(rankdata([-s for s in scores], method="min").tolist()))


def direct(problems: list[Any], reward: bool) -> dict[str, float]:
    """The scores by the textbook: scipy for ranks, loops for the rest."""
    found: dict[str, list[float]] = {n: [] for n in ("top1", "bottom1", "spearman", "kendall_tau")}
    true, scaled = [], []
    for truth, given_scores in problems:
        top = [i for i, s in enumerate(given_scores) if s == max(given_scores)]
        low = [i for i, s in enumerate(given_scores) if s == min(given_scores)]
        best = {i for i, r in enumerate(truth.ranks) if r == min(truth.ranks)}
        worst = {i for i, r in enumerate(truth.ranks) if r == max(truth.ranks)}
        found["top1"].append(1 / len(top) if best & set(top) else 0.0)
        found["bottom1"].append(1 / len(low) if worst & set(low) else 0.0)
        a, b = rankdata(truth.ranks), rankdata([-s for s in given_scores])
        constant = len(set(a)) == 1 or len(set(b)) == 1
        found["spearman"].append(0.0 if constant else spearmanr(a, b).statistic)
        found["kendall_tau"].append(0.0 if constant else kendalltau(a, b).statistic)
        if reward:
            low_score, high = min(given_scores), max(given_scores)
            width = high - low_score if high != low_score else 1.0
            given_scores = [(s - low_score) / width for s in given_scores]
        true += truth.scores
        scaled += given_scores
    scores = {name: float(np.mean(values)) for name, values in found.items()}
    scores["mae"] = float(np.mean(np.abs(np.subtract(true, scaled))))
    total = float(np.sum((np.array(true) - np.mean(true)) ** 2))
    residual = float(np.sum(np.subtract(true, scaled) ** 2))
    scores["r2"] = 1 - residual / total if len(set(true)) > 1 else math.nan
    return scores


@given(PROBLEMS, st.booleans())
@settings(deadline=None, max_examples=300)
def test_equals_a_direct_computation(problems: list[Any], reward: bool) -> None:
    problems = [(truth_of(t), s) for t, s in problems]
    metrics = ranking_metrics()
    table = [rows(metrics, truth, answer, reward) for truth, answer in problems]
    expected = direct(problems, reward)
    for metric in metrics:
        sums = np.sum([row[metric.name] for row in table], axis=0)
        value = float(metric.value(sums))
        assert value == pytest.approx(expected[metric.name], rel=1e-12, abs=1e-12, nan_ok=True)


@given(st.lists(TENTHS | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_average_ranks_are_scipys(values: list[float]) -> None:
    assert average_ranks(values).tolist() == rankdata(values, method="average").tolist()


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_min_max_lies_between_nought_and_one(values: list[float]) -> None:
    assert all(0 <= v <= 1 for v in min_max(values))


@given(st.integers(2, 7))
def test_a_constant_verifier_gets_one_kth_and_no_correlation(k: int) -> None:
    truth = truth_of([i / k for i in range(k)])
    found = rows(ranking_metrics(), truth, [0.3] * k, False)
    assert found["top1"] == found["bottom1"] == (1 / k, 1.0)
    assert found["spearman"] == found["kendall_tau"] == (0.0, 1.0, 1.0)


@given(PROBLEM)
def test_no_answer_is_never_better_than_an_answer(problem: Any) -> None:
    truth, answer = truth_of(problem[0]), min_max(problem[1])
    found = rows(ranking_metrics(), truth, answer, False)
    for metric in ranking_metrics():
        sign = 1 if metric.higher_is_better else -1
        answered, missing = (
            metric.value(np.array(r)) for r in (found[metric.name], metric.worst(truth))
        )
        assert math.isnan(missing) or sign * missing <= sign * answered + 1e-12


# ---------------------------------------------------------------------------------- the command


def podium(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podium", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def candidates(seed: int, method: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found = []
    for problem in range(30):
        k = int(rng.integers(1, 6))
        true = sorted((rng.integers(0, 11, k) / 10).tolist(), reverse=True)
        for i, score in enumerate(true):
            row: dict[str, Any] = {"dataset": "HE_plus" if problem % 2 else "MBPP_base"}
            row |= {"task_id": f"T/{problem // 2}", "rank": i + 1}
            row["ground_average_test_score"] = score
            value = float(rng.integers(0, 4))
            row |= (
                {"average_test_score": value / 3}
                if method == "utg"
                else {"reward": {"reward_score": value * 7 - 9}}
            )
            found.append(row)
    return found


@pytest.mark.parametrize("method", ["utg", "reward"])
@pytest.mark.parametrize("as_list", [False, True])
def test_the_command_equals_a_direct_computation(
    tmp_path: Path, method: str, as_list: bool
) -> None:
    found = candidates(3, method)
    path = tmp_path / "scored.json"
    path.write_text(json.dumps(found) if as_list else "\n".join(map(json.dumps, found)))
    done = podium("score", "ranking", "--input", path, "--method", method, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    for dataset in ("HE_plus", "MBPP_base", None):
        mine = [r for r in found if dataset in (None, r["dataset"])]
        groups: dict[Any, list[dict[str, Any]]] = {}
        for row in mine:
            groups.setdefault((row["dataset"], row["task_id"]), []).append(row)
        problems = [
            (
                Truth(
                    tuple(r["ground_average_test_score"] for r in rows_),
                    tuple(r["rank"] for r in rows_),
                ),
                [r["average_test_score"] if method == "utg" else r["reward"]["reward_score"]
                 for r in rows_],
            )
            for rows_ in groups.values()
        ]  # fmt: skip
        scores = document["by"]["dataset"][dataset] if dataset else document["scores"]
        for name, value in direct(problems, method == "reward").items():
            assert scores[name]["value"] == pytest.approx(value, abs=1e-12)
            assert scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"]
    undefined = sum(len(set(s)) == 1 for _, s in problems)
    assert document["undefined_as_zero"] == {"spearman": undefined, "kendall_tau": undefined}
    assert document["outcomes"] == {"ok": 30, "error": 0}


def test_a_null_score_counts_as_the_worst_answer(tmp_path: Path) -> None:
    found = candidates(1, "utg")
    missing = {r["task_id"] for r in found[:1]}
    for row in found:
        if row["task_id"] in missing:
            row["average_test_score"] = None
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, found)))
    done = podium("score", "ranking", "--input", tmp_path / "a.jsonl", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcomes"] == {"ok": 28, "error": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"task_id": "a", "rank": 1}', '"ground_average_test_score" is None'),
        ('{"rank": 1}', '"task_id"'),
        ("[1]", "row 1"),
        ("", "no rows"),
        ("nonsense", "invalid JSON"),
    ],
)
def test_bad_files_are_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    done = podium("score", "ranking", "--input", tmp_path / "a.json", "--json")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
