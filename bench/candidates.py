"""Candidate programs for a problem as a request, and a score each as the answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from .task import Request, Response, Size
from .text import Prompt

SYNTHETIC = "synthetic"  # the problem of a warm-up


@dataclass(frozen=True, slots=True)
class Candidates(Request):
    """A problem as its solver sees it, and whole programs that should solve it.

    There is no room in it for true scores, ranks or the problem's own tests, and the programs
    stand in an order that follows from their texts alone.
    """

    task_id: str
    prompt: str
    entry_point: str
    solutions: tuple[str, ...]

    @classmethod
    def synthetic(cls, size: Size) -> Self:
        """Two short programs."""
        text = Prompt.synthetic(size).text
        prompt = f'def f(x: int) -> int:\n    """{text}"""\n'
        bodies = ("    return x\n", "    return x + 1\n")
        return cls(SYNTHETIC, prompt, "f", tuple(prompt + body for body in bodies))


@dataclass(frozen=True, slots=True)
class Scores(Response):
    """A score a candidate, higher for better.

    Scores are estimates of the fraction of tests passed; or, with `reward`, on any scale, and
    stretched to [0, 1] problem by problem where they are compared with true scores. `tests` is how
    many tests stand behind them (None: not made by tests), and `passes` has, where the same tests
    were run on all, a text a candidate: "1" for each test passed and "0" for each other, in order.
    """

    scores: tuple[float, ...]
    reward: bool = False
    tests: int | None = None
    passes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there was nothing to judge by: all scores are then 0."""
        return self.tests == 0


@contextmanager
def quiet() -> Iterator[None]:
    """Parse what models wrote without Python's remarks on it (invalid escapes and the like)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def shuffled(programs: Sequence[str]) -> list[int]:
    """Places of the programs in an order that tells nothing of how they came."""
    digests = [blake2b(p.encode("utf-8", "surrogatepass")).digest() for p in programs]
    return sorted(range(len(programs)), key=lambda i: (digests[i], i))
