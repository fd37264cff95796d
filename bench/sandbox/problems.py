"""Problems with tests, and solutions: the formats that are about, read into one shape.

HumanEval (`prompt, entry_point, test, canonical_solution`), EvalPlus's HumanEval+ and MBPP+
(`base_input, plus_input, canonical_solution, atol, contract`), MBPP (`text, code, test_list,
test_setup_code`); solutions as JSON lines with `task_id` and `solution`, `completion` or `samples`.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .inside.codec import encode


@dataclass(frozen=True, slots=True)
class Check:
    """A program that defines `check(candidate)`, in HumanEval's way."""

    program: str

    def suite(self, problem: Problem) -> dict[str, Any]:
        """The tests in plain form, for the tester."""
        return {
            "kind": "check",
            "entry": problem.entry_point,
            "helpers": problem.prompt,
            "test": self.program,
        }


@dataclass(frozen=True, slots=True)
class Asserts:
    """Single tests, each a piece of program that uses the solution's names, after a `setup`."""

    tests: tuple[str, ...]
    setup: str = ""

    def suite(self, problem: Problem) -> dict[str, Any]:
        """The tests in plain form, for the tester."""
        return {
            "kind": "asserts",
            "entry": problem.entry_point,
            "helpers": problem.prompt,
            "setup": self.setup,
            "tests": list(self.tests),
        }


@dataclass(frozen=True, slots=True)
class Calls:
    """Inputs (encoded argument lists) whose outputs the reference gives, compared by `rule`."""

    inputs: tuple[str, ...]
    rule: str = "equal"
    atol: float = 0.0

    def suite(self, problem: Problem) -> dict[str, Any]:
        """The tests in plain form, without the expected outputs: the judge adds those."""
        return {
            "kind": "calls",
            "entry": problem.entry_point,
            "inputs": list(self.inputs),
            "rule": self.rule,
            "atol": self.atol,
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem. `trusted` tests are the benchmark's own; others get a jail to themselves."""

    task_id: str
    entry_point: str
    tests: Check | Asserts | Calls
    prompt: str = ""
    reference: str = ""
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Solution:
    """A program that should solve a problem."""

    task_id: str
    source: str
    solution_id: str = "0"


def read_problems(path: str | Path) -> list[Problem]:
    """Problems of a JSON lines file (gzip by its name), the format told by its fields.

    Raises `UsageError` for a file that is not there or rows of no known format.
    """
    return [_problem(row, number, path) for number, row in enumerate(_rows(path), 1)]


def read_solutions(path: str | Path, problems: Iterable[Problem]) -> list[Solution]:
    """Solutions of a JSON lines file; a `completion` is put after its problem's prompt.

    Raises `UsageError` for rows without a program or for a problem that is not among `problems`.
    """
    prompts = {problem.task_id: problem.prompt for problem in problems}
    solutions: list[Solution] = []
    for number, row in enumerate(_rows(path), 1):
        task_id = str(row.get("task_id"))
        if task_id not in prompts:
            raise UsageError(f'{path}:{number}: no problem "{task_id}" in the problems file')
        prompt = row.get("prompt") or prompts[task_id]
        if isinstance(row.get("solution"), str):
            sources = [row["solution"]]
        elif isinstance(row.get("completion"), str):
            sources = [prompt + row["completion"]]
        elif isinstance(row.get("samples"), list):
            sources = [prompt + sample for sample in row["samples"]]
        else:
            raise UsageError(f"{path}:{number}: no `solution`, `completion` or `samples`")
        name = str(row.get("solution_id", row.get("_identifier", number)))
        names = [name] if len(sources) == 1 else [f"{name}.{n}" for n in range(len(sources))]
        solutions += [
            Solution(task_id, source, n) for source, n in zip(sources, names, strict=True)
        ]
    return solutions


def _rows(path: str | Path) -> Iterator[dict[str, Any]]:
    path = Path(path)
    if not path.exists() or path.is_dir():
        raise UsageError(f"{path}: no such file")
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise UsageError(f"{path}:{number}: not JSON: {error}") from None
                if not isinstance(row, dict):
                    raise UsageError(f"{path}:{number}: not a JSON object")
                yield row


def _problem(row: dict[str, Any], number: int, path: str | Path) -> Problem:
    if "plus_input" in row:
        return evalplus(row)
    if "test" in row and "entry_point" in row:
        return humaneval(row)
    if "test_list" in row:
        return mbpp(row)
    raise UsageError(
        f"{path}:{number}: neither HumanEval (`test`), EvalPlus (`plus_input`) nor "
        "MBPP (`test_list`)"
    )


def humaneval(row: dict[str, Any]) -> Problem:
    """A problem of HumanEval."""
    return Problem(
        row["task_id"],
        row["entry_point"],
        Check(row["test"]),
        row["prompt"],
        row["prompt"] + row.get("canonical_solution", ""),
    )


def mbpp(row: dict[str, Any]) -> Problem:
    """A problem of MBPP, full or sanitized."""
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports", ()))
    tests = Asserts((*row["test_list"], *row.get("challenge_test_list", ())), setup)
    return Problem(str(row["task_id"]), "", tests, reference=row.get("code", ""))


# EvalPlus compares these problems' answers by other rules than equality.
# Source: evalplus 0.3.1, eval/_special_oracle.py and eval/__init__.py.
_RULES = {
    "HumanEval": {"find_zero": "root"},
    "Mbpp": dict.fromkeys(
        (
            *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"),
            *("larg_nnum", "intersection_array", "find_dissimilar", "Diff"),
        ),
        "same_set",
    )
    | dict.fromkeys(["check_str", "text_match_three", "text_starta_endb"], "present")
    | {
        "are_equivalent": "anything",
        "sum_div": "equal_or_zero",
        "surface_Area": "pyramid_surface",
        "digit_distance_nums": "digit_distance",
    },
}


def evalplus(row: dict[str, Any]) -> Problem:
    """A problem of HumanEval+ or MBPP+: every base and plus input is one test."""
    family, _, number = row["task_id"].partition("/")
    inputs = [*row["base_input"], *(row["plus_input"] or [])]
    if family == "Mbpp":
        inputs = [_typed(int(number), arguments) for arguments in inputs]
    rule = _RULES.get(family, {}).get(row["entry_point"], "equal")
    encoded = tuple(encode(list(arguments)).decode() for arguments in inputs)
    return Problem(
        row["task_id"],
        row["entry_point"],
        Calls(encoded, rule, row["atol"]),
        row["prompt"],
        row["prompt"] + row["canonical_solution"],
    )


# MBPP+ is stored as JSON, which has no tuples, sets or complex numbers. Which arguments of which
# problems are what: source evalplus 0.3.1, data/mbpp.py (`mbpp_deserialize_inputs`). A pattern has
# one letter an argument (the last one repeats): T tuple, L list of tuples, N tuple of tuples,
# M tuple of what is list inside, V mapping to tuples, D all lists are tuples, - as it is.
_PATTERNS = {
    "T": "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
    "L": "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
    "L-": "75 413 444 753",
    "-T": "106 750",
    "T-": "250 405 446 617 720 763 808 307",
    "N": "259 401 445",
    "M": "278",
    "V-": "722",
    "D": "580 615 791",
    "S": "115",
    "FC": "124",
    "C": "252",
}
_PATTERN_OF = {int(n): pattern for pattern, ids in _PATTERNS.items() for n in ids.split()}


def _all_tuples(value: Any) -> Any:
    return tuple(map(_all_tuples, value)) if isinstance(value, list) else value


_AS: dict[str, Any] = {
    "-": lambda v: v,
    "T": tuple,
    "L": lambda v: [tuple(item) for item in v],
    "N": lambda v: tuple(tuple(item) for item in v),
    "M": lambda v: tuple(tuple(item) if isinstance(item, list) else item for item in v),
    "V": lambda v: {key: tuple(item) for key, item in v.items()},
    "D": _all_tuples,
    "S": lambda v: [set(item) if isinstance(item, list) and item else {} for item in v],
    "F": float,
    "C": lambda v: complex(re.sub(r"\s", "", v)) if isinstance(v, str) else complex(v),
}


def _typed(number: int, arguments: list[Any]) -> list[Any]:
    pattern = _PATTERN_OF.get(number)
    if pattern is None:
        return arguments
    letters = pattern + pattern[-1] * len(arguments)
    return [_AS[letter](argument) for letter, argument in zip(letters, arguments, strict=False)]
