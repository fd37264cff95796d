"""The ends of the scale: what a verifier that knows all, or nothing, gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..bench.adapter import Adapter, Failure
from ..bench.candidates import SYNTHETIC, Candidates, Scores
from ..bench.spec import build
from ..bench.task import Outcome


class Oracle(Adapter):
    """Sees the true scores: an upper bound, not a verifier.

    No request holds them, so it opens the split itself, by name and data folder as `run` does.
    """

    def __init__(self, split: str = "mini", data: str | None = None) -> None:
        task = build("task", "code_verification")
        opened = task.split(split, Path(data) if data else None)
        self._truth = {
            (s.id, program): score
            for s in task.samples(opened)
            for program, score in zip(s.request.solutions, s.target.scores, strict=True)
        }
        self._split = split

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """The true scores; a failure for programs that are not in its split."""
        return [self._known(request) for request in batch]

    def _known(self, request: Candidates) -> Scores | Failure:
        if request.task_id == SYNTHETIC:
            return Scores((0.0,) * len(request.solutions))
        keys = [(request.task_id, program) for program in request.solutions]
        if not all(key in self._truth for key in keys):
            note = f'{request.task_id} is not in the split "{self._split}"; say oracle(split=...)'
            return Failure(Outcome.ERROR, note)
        return Scores(tuple(self._truth[key] for key in keys))

    def identity(self) -> Mapping[str, Any]:
        return {"sees_true_scores": True}


class Constant(Adapter):
    """The same score for every candidate: what ties alone are worth."""

    def __init__(self, score: float = 0.5) -> None:
        self._score = score

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """One score for all."""
        return [Scores((self._score,) * len(request.solutions)) for request in batch]


class Random(Adapter):
    """Scores drawn from [0, 1), the same for the same program, problem and seed."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def verify(self, batch: Sequence[Candidates]) -> Sequence[Scores | Failure]:
        """Scores that depend on no other candidate."""
        return [Scores(tuple(self._draw(r.task_id, s) for s in r.solutions)) for r in batch]

    def _draw(self, task_id: str, program: str) -> float:
        text = f"{self._seed}:{task_id}:{program}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48

    def identity(self) -> Mapping[str, Any]:
        return {"seed": self._seed}
