"""Tests that a language model wrote earlier, from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..bench.adapter import Adapter, Failure
from ..bench.candidates import Candidates, Scores
from ..bench.errors import UsageError
from ..bench.local import objects
from .assertions import continued
from .running import SECONDS, fraction_passed, run_tests

PER_SAMPLE = 5  # assertions taken from one continuation, as CodeT takes them


class TestFile:
    """Assertions by problem, in the order they were written, each once.

    The file is JSON lines in CodeT's format: `task_id`, `entry_point`, and `samples`, each of
    which continues a text that ends in `assert `; or with `tests`, a list of assertions.
    """

    __test__ = False  # for pytest, which would collect a class of this name

    def __init__(self, file: str, per_sample: int = PER_SAMPLE) -> None:
        path = Path(file).expanduser()
        if not path.is_file():
            raise UsageError(f"{file}: no such file")
        self.digest = blake2b(path.read_bytes(), digest_size=8).hexdigest()
        self._tests: dict[str, list[str]] = {}
        for number, row in objects(path):
            written = _written(row, per_sample)
            if written is None:
                raise UsageError(f'{path}:{number}: no "task_id" with "samples" or "tests"')
            mine = dict.fromkeys([*self._tests.get(str(row["task_id"]), []), *written])
            self._tests[str(row["task_id"])] = list(mine)

    def tests(self, task_id: str, n: int | None) -> list[str]:
        """The first n tests of a problem (all without n); none for one that is not in the file."""
        return self._tests.get(task_id, [])[:n]


def _written(row: Mapping[str, Any], per_sample: int) -> list[str] | None:
    samples, tests = row.get("samples"), row.get("tests")
    if "task_id" not in row:
        return None
    if isinstance(tests, list):
        return [str(t) for t in tests]
    if not isinstance(samples, list):
        return None
    entry = str(row.get("entry_point", ""))
    return [t for sample in samples for t in continued(str(sample), entry, per_sample)]


class RecordedTests(Adapter):
    """The share of recorded generated tests that a candidate passes: first n, or all."""

    _score = staticmethod(fraction_passed)

    def __init__(
        self,
        file: str,
        n: int | None = None,
        per_sample: int = PER_SAMPLE,
        seconds: float = SECONDS,
    ) -> None:
        self._file = TestFile(file, per_sample)
        self._n, self._seconds = n, seconds

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """Scores in [0, 1]; all 0 for a problem without tests."""
        tests = [self._file.tests(request.task_id, self._n) for request in batch]
        return [self._score(passes) for passes in run_tests(batch, tests, self._seconds)]

    def identity(self) -> Mapping[str, Any]:
        return {"tests": self._file.digest}
