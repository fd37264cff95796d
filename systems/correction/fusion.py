"""Trained fusion: ROVER in which each system's vote has a weight, learned on lists with references.

In a place where the readings disagree, a candidate w (a word, or no word) has the log-weight

    sum over systems k that have w:  v_k + g_k [w is no word]

and its probability is the softmax of these over the place's candidates: the confidence that comes
from who agrees. Trained by maximum likelihood with an L2 penalty (a convex problem: L-BFGS finds
the one optimum), decoded by the most probable candidate; ties go to the earlier reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ...bench.adapter import Adapter, Failure
from ...bench.errors import UsageError
from ...bench.metrics.metric import Array
from ...bench.nbest import Correction, NBest
from ...bench.plain import to_json
from ...bench.task import Outcome
from .network import GAP, align, network


@dataclass(frozen=True, slots=True)
class Weights:
    """A vote's weight for a word and the extra for a gap, both shape (K,); K systems by name."""

    systems: tuple[str, ...]
    word: tuple[float, ...]
    gap: tuple[float, ...]

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read what `save` wrote. Raises UsageError for anything else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple(found["systems"]), tuple(found["word"]), tuple(found["gap"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}: no fusion weights ({error}); make them with podium train fusion"
            ) from error

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(to_json(self, indent=1) + "\n", encoding="utf-8")


class Fusion(Adapter):
    """Weighted word voting over the readings, with weights from `podium train fusion`."""

    def __init__(self, weights: str) -> None:
        self.weights = Weights.load(Path(weights))
        self._vector = np.array([*self.weights.word, *self.weights.gap])

    def identity(self) -> dict[str, Any]:
        """The weights' hash."""
        return {"weights": blake2b(to_json(self.weights).encode(), digest_size=8).hexdigest()}

    def correct(self, batch: Sequence[NBest]) -> list[Correction | Failure]:
        """One fused text a list; a failure where a reading's system has no weight."""
        return [self._fuse(request) for request in batch]

    def _fuse(self, request: NBest) -> Correction | Failure:
        index = columns(request, self.weights.systems)
        if index is None:
            return Failure(Outcome.ERROR, f"no weight for one of {', '.join(names(request))}")
        words = []
        for slot in network([text.split() for text in request.texts]):
            candidates, features = _features(slot, index, len(self.weights.systems))
            words.append(candidates[int((features @ self._vector).argmax())])
        return Correction(" ".join(filter(None, words)))


def names(request: NBest) -> tuple[str, ...]:
    """Where each reading comes from: its system, or its rank in the list where none is named."""
    return request.systems or tuple(f"rank{k + 1}" for k in range(len(request.hypotheses)))


def columns(request: NBest, systems: Sequence[str]) -> list[int] | None:
    """Which weight each reading has; None where one has none.

    Readings without names are taken to come in the order that was trained on.
    """
    if not request.systems and len(request.hypotheses) <= len(systems):
        return list(range(len(request.hypotheses)))
    if set(names(request)) <= set(systems):
        return [systems.index(name) for name in names(request)]
    return None


def train(lists: Iterable[tuple[NBest, str]], penalty: float = 1.0) -> Weights:
    """Weights from lists and their references. Raises UsageError if nothing can be learned."""
    lists = list(lists)
    systems = tuple(dict.fromkeys(name for request, _ in lists for name in names(request)))
    places, chosen = _places(lists, systems)
    if not places:
        raise UsageError("train fusion: no place where readings differ and one of them is right")
    best = _fit(places, chosen, penalty)
    k = len(systems)
    return Weights(systems, tuple(best[:k].tolist()), tuple(best[k:].tolist()))


def _places(
    lists: Sequence[tuple[NBest, str]], systems: Sequence[str]
) -> tuple[list[Array], list[int]]:
    """Features of every place where readings differ and one of them is right, and which one."""
    places, chosen = [], []
    for request, reference in lists:
        index = columns(request, systems)
        assert index is not None, "every system of the lists is among the systems"
        slots = network([text.split() for text in request.texts])
        for slot, word in align(slots, reference.split()):
            if slot is not None and len(set(slot)) > 1 and word in slot:
                candidates, features = _features(slot, index, len(systems))
                places.append(features)
                chosen.append(candidates.index(word))
    return places, chosen


def _features(slot: Sequence[str], index: Sequence[int], systems: int) -> tuple[list[str], Array]:
    """A slot's candidates, and their votes, shape (candidates, 2 systems)."""
    candidates = list(dict.fromkeys(slot))
    features = np.zeros((len(candidates), 2 * systems))
    for word, k in zip(slot, index, strict=True):
        row = candidates.index(word)
        features[row, k] += 1
        if word == GAP:
            features[row, systems + k] += 1
    return candidates, features


def _fit(places: Sequence[Array], chosen: Sequence[int], penalty: float) -> Array:
    from scipy.optimize import minimize

    most = max(map(len, places))
    features = np.zeros((len(places), most, places[0].shape[1]))
    absent = np.full((len(places), most), -np.inf)
    for i, place in enumerate(places):
        features[i, : len(place)] = place
        absent[i, : len(place)] = 0
    rows = np.arange(len(places))
    right = features[rows, list(chosen)]

    def loss(weights: Array) -> tuple[float, Array]:
        logits = features @ weights + absent
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1))
        probability = np.exp(logits - total[:, None])
        value = (total - logits[rows, list(chosen)]).sum() + penalty * weights @ weights / 2
        slope = np.einsum("im,imd->d", probability, features) - right.sum(0) + penalty * weights
        return float(value), slope

    return minimize(loss, np.zeros(features.shape[2]), jac=True, method="L-BFGS-B").x
