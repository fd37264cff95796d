"""Tests that a language model writes for the problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..bench.adapter import Adapter, Failure, Generates
from ..bench.candidates import Candidates, Scores
from ..bench.errors import UsageError
from ..bench.text import Prompt
from .assertions import tagged
from .running import SECONDS, fraction_passed, run_tests

TEMPLATES = Path(__file__).parent / "templates"
A_PROMPT = 10  # tests that one answer is asked for


class GeneratedTests(Adapter):
    """The share of tests written by `lm` that a candidate passes.

    `lm` is asked for 10 assertions at temperature 1 as often as `n` needs, and the first n are run.
    The candidate is hidden, so that its mistakes are not written into the tests; `show_solution`
    asks for tests of each candidate with that candidate in sight. `template` is a text file with
    {problem} (and {solution}) in it. Source: Scoring Verifiers, section 4; the wording is ours.
    """

    def __init__(
        self,
        lm: Generates,
        n: int = A_PROMPT,
        show_solution: bool = False,
        temperature: float = 1.0,
        max_new_tokens: int = 1024,
        template: str | None = None,
        seconds: float = SECONDS,
        seed: int = 0,
    ) -> None:
        if n < 1:
            raise UsageError(f"generated-tests: n is {n}; at least one test is needed")
        self._lm: Any = lm
        self._n, self._shown, self._seconds = n, show_solution, seconds
        self._template = read_template(template, "tests_shown" if show_solution else "tests")
        self._sampling = {
            "n": -(-n // A_PROMPT),
            "temperature": temperature,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
        }

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """Scores in [0, 1]; all 0 where the model wrote no test."""
        if not self._shown:
            return self._scored(batch)
        alone = [
            Candidates(r.task_id, r.prompt, r.entry_point, (s,)) for r in batch for s in r.solutions
        ]
        scored = iter(self._scored(alone))
        return [_together([next(scored) for _ in request.solutions]) for request in batch]

    def _scored(self, batch: Sequence[Candidates]) -> list[Scores | Failure]:
        answers = self._lm.generate([self._prompt(request) for request in batch])
        tests = [
            [] if isinstance(a, Failure) else [t for x in a.texts for t in tagged(x)][: self._n]
            for a in answers
        ]
        return [
            a if isinstance(a, Failure) else fraction_passed(p)
            for a, p in zip(answers, run_tests(batch, tests, self._seconds), strict=True)
        ]

    def _prompt(self, request: Candidates) -> Prompt:
        text = fill(self._template, request.prompt, request.solutions[0] if self._shown else "")
        return Prompt(text, chat=True, **self._sampling)

    def identity(self) -> Mapping[str, Any]:
        return {"lm": dict(self._lm.identity()), "template": digest(self._template)}

    def close(self) -> None:
        self._lm.close()


def _together(scored: Sequence[Scores | Failure]) -> Scores | Failure:
    for found in scored:
        if isinstance(found, Failure):
            return found
    known = [s for s in scored if isinstance(s, Scores)]
    tests = sum(s.tests or 0 for s in known)
    return Scores(tuple(s.scores[0] for s in known), tests=tests)


def read_template(path: str | None, name: str) -> str:
    """A prompt's text: the user's file, or ours. Raises UsageError if it lacks {problem}."""
    try:
        text = Path(path or TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a template ({error})") from error
    if "{problem}" not in text:
        raise UsageError(f"{path}: a template needs {{problem}} where the problem is to stand")
    return text


def fill(template: str, problem: str, solution: str) -> str:
    """The template with its places filled; other braces in it are only braces."""
    first, *rest = template.split("{problem}")
    pieces = [piece.replace("{solution}", solution) for piece in (first, *rest)]
    return problem.join(pieces)


def digest(template: str) -> str:
    """A short hash of a template, for the signature."""
    return blake2b(template.encode(), digest_size=6).hexdigest()
