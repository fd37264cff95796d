"""The judge: solutions against tests, in as many lanes as there are workers.

A timeout stands only if it happens again alone: the first test that timed out is run once more
after all lanes are done, and where it then ends in time, the whole solution is judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from ..errors import UsageError
from .jail import Limits
from .lane import Judged, Lane
from .outcomes import Outcome, TestOutcome, Verdict, overall
from .problems import Problem, Solution

_BATCH = 16  # solutions of one problem that a lane takes at a time


def judge(
    problems: Iterable[Problem],
    solutions: Iterable[Solution],
    *,
    workers: int = 2,
    limits: Limits | None = None,
    require: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """One verdict a solution, in the order of `solutions`; equal texts are judged once.

    `require` names layers of the jail (see `jail.LAYERS`) without which nothing is run.
    `progress(done, total)` counts distinct solutions. Raises `UsageError` for a solution of no
    known problem or a missing layer, `JailError` if no jail can be had at all.
    """
    limits = limits or Limits()
    known = {problem.task_id: problem for problem in problems}
    solutions = list(solutions)
    for solution in solutions:
        if solution.task_id not in known:
            raise UsageError(f'no problem "{solution.task_id}" for a solution')
    distinct = list(dict.fromkeys((s.task_id, s.source) for s in solutions))
    wants_numpy = any("numpy" in source for _, source in distinct) or any(
        "numpy" in str(known[task].tests) for task in {task for task, _ in distinct}
    )
    settings = (limits, tuple(require), ["numpy"] if wants_numpy else [])
    judged = _run_lanes(known, distinct, settings, workers, progress)
    _recheck_timeouts(known, judged, settings)
    return [_verdict(s, *judged[s.task_id, s.source]) for s in solutions]


def _verdict(
    solution: Solution, tests: tuple[TestOutcome, ...], notes: tuple[str, ...], cpu: float
) -> Verdict:
    passed = sum(test.outcome is Outcome.PASSED for test in tests)
    return Verdict(
        solution.task_id,
        solution.solution_id,
        overall(tests),
        passed,
        len(tests),
        tests,
        notes,
        cpu,
    )


def _run_lanes(
    known: dict[str, Problem],
    distinct: list[tuple[str, str]],
    settings: tuple[Limits, tuple[str, ...], list[str]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[tuple[str, str], Judged]:
    """Judge all pairs; batches of one problem go to whichever lane is free."""
    by_task: dict[str, list[str]] = {}
    for task, source in distinct:
        by_task.setdefault(task, []).append(source)
    batches = [
        (task, sources[i : i + _BATCH])
        for task, sources in by_task.items()
        for i in range(0, len(sources), _BATCH)
    ]
    batches.reverse()
    judged: dict[tuple[str, str], Judged] = {}
    lock = Lock()

    def work() -> None:
        with Lane(*settings) as lane:
            while True:
                with lock:
                    if not batches:
                        return
                    task, sources = batches.pop()
                for source in sources:
                    result = lane.judge(known[task], source)
                    with lock:
                        judged[task, source] = result
                        if progress:
                            progress(len(judged), len(distinct))

    lanes = max(1, min(workers, len(batches)))
    with ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(work) for _ in range(lanes)]
        try:
            for lane in running:
                lane.result()
        except BaseException:
            with lock:
                batches.clear()
            raise
    return judged


def _recheck_timeouts(
    known: dict[str, Problem],
    judged: dict[tuple[str, str], Judged],
    settings: tuple[Limits, tuple[str, ...], list[str]],
) -> None:
    late = [
        key
        for key, (tests, _, _) in judged.items()
        if any(test.outcome is Outcome.TIMEOUT for test in tests)
    ]
    if not late:
        return
    with Lane(*settings) as lane:
        for task, source in sorted(late):
            if not lane.times_out(known[task], source, judged[task, source][0]):
                judged[task, source] = lane.judge(known[task], source)
