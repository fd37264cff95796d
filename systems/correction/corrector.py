"""The trained corrector: bytes of a reading in, bytes of the correction out."""

from __future__ import annotations

import copy
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ...bench.adapter import Adapter
from ...bench.errors import UsageError
from ...bench.metrics.opcodes import opcodes
from ...bench.nbest import Correction, NBest
from ...bench.timing import stage
from .guard import Guard

LONGEST = 2_000  # bytes of input; what is longer is cut, and the answer is guarded anyway


@dataclass(frozen=True, slots=True)
class Example:
    """One list, its reference and who spoke (for held-out speakers)."""

    request: NBest
    reference: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `minutes` ends training early; the best epoch on `held_out` is kept."""

    epochs: int = 60
    minutes: float = 14.0
    batch: int = 64
    rate: float = 3e-3
    repeats: int = 3
    held_out: float = 0.15
    seed: int = 0


class ByteCorrector(Adapter):
    """A byte-level encoder-decoder from `podium train corrector`.

    Each of the first `readings` readings is corrected on its own; the answer that most of them
    lead to is taken, ties to the more confident. (On AN4 one reading does better than a vote of
    three: the lower ones are wrong together.) It falls back to the 1-best reading, and says so,
    where the model is less sure than training found worth while, or the guard refuses.
    """

    batched = True

    def __init__(self, checkpoint: str, readings: int = 1, farthest: float = 0.7) -> None:
        from .seq2seq import Seq2Seq

        path = Path(checkpoint)
        if not path.is_file():
            raise UsageError(f"{path}: no such file; make one with podium train corrector")
        try:
            self._model, notes = Seq2Seq.load(checkpoint)
            self._least = float(str(notes["least_confidence"]))
        except (RuntimeError, KeyError, ValueError, TypeError, OSError, EOFError) as error:
            first = str(error).strip().splitlines()[0]
            raise UsageError(f"{path}: not a corrector's checkpoint ({first})") from error
        self._hash = blake2b(path.read_bytes(), digest_size=8).hexdigest()
        self._readings, self._guard = readings, Guard(farthest)

    def identity(self) -> dict[str, Any]:
        """The checkpoint's hash and the decoding."""
        return {
            "weights": self._hash,
            "decoding": f"greedy, {self._readings} readings",
            "farthest": self._guard.farthest,
        }

    def correct(self, batch: Sequence[NBest]) -> list[Correction]:
        """One text a list; lists without any text are answered with none."""
        with stage("model"):
            votes = answers(self._model, batch, self._readings)
        return [
            Correction("") if vote is None else self._checked(*vote, request)
            for vote, request in zip(votes, batch, strict=True)
        ]

    def _checked(self, answer: str, confidence: float, request: NBest) -> Correction:
        if confidence < self._least:
            return Correction(request.first, "unsure")
        return self._guard(answer, request)


def answers(model: Any, batch: Sequence[NBest], readings: int) -> list[tuple[str, float] | None]:
    """The answer that most readings lead to and its confidence; None for a list without text."""
    asked = [
        (i, text)
        for i, request in enumerate(batch)
        for text in request.distinct[:readings]
        if text.strip()
    ]
    given: list[list[tuple[str, float]]] = [[] for _ in batch]
    for (i, _), answer in zip(asked, corrected(model, [t for _, t in asked]), strict=True):
        given[i].append(answer)
    return [_elected(found) if found else None for found in given]


def _elected(found: Sequence[tuple[str, float]]) -> tuple[str, float]:
    votes = Counter(text for text, _ in found)
    return max(found, key=lambda answer: (votes[answer[0]], answer[1]))


def corrected(model: Any, texts: Sequence[str]) -> list[tuple[str, float]]:
    """Greedy answers and confidences, texts of like length together."""
    from .seq2seq import padded

    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = [("", 0.0)] * len(texts)
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        rows = [symbols(texts[i]) for i in part]
        greedy = model.greedy(padded(rows), 2 * len(rows[-1]) + 20)
        for i, (answer, confidence) in zip(part, greedy, strict=True):
            found[i] = (answer.decode("utf-8", "replace"), confidence)
    return found


def symbols(text: str) -> list[int]:
    """A text as bytes; an empty one as a space, since a recurrent encoder needs a step."""
    return list(text.encode("utf-8", "replace")[:LONGEST]) or [32]


def train(examples: Sequence[Example], plan: Plan, note: Callable[[str], None]) -> tuple[Any, dict]:
    """A model and the notes of its training. Speakers are held out whole to choose the epoch.

    Raises UsageError where there is too little to learn from.
    """
    import torch

    from .seq2seq import Seq2Seq, Shape

    if len(examples) < 20:
        raise UsageError(f"train corrector: {len(examples)} lists are too few to learn from")
    torch.manual_seed(plan.seed)
    draw = random.Random(plan.seed)
    fit, check = _parted(examples, plan.held_out)
    made = Confusions(fit)
    model = Seq2Seq(Shape())
    steps = -(-len(fit) * plan.repeats // plan.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=plan.epochs * steps, pct_start=0.1
    )
    began, best, kept, epoch = time.monotonic(), float("inf"), model.state_dict(), 0
    for epoch in range(1, plan.epochs + 1):
        model.train()
        loss = 0.0
        for batch in _batches(fit, made, plan, draw):
            optimizer.zero_grad()
            value = model.loss(*batch)
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            loss += value.item() / steps
        if epoch % 4 == 0 or epoch == plan.epochs:
            rate = _error_rate(model.eval(), check)
            if rate <= best:
                best, kept = rate, copy.deepcopy(model.state_dict())
            note(f"epoch {epoch}: loss {loss:.3f}, character error rate held out {rate:.3f}")
        if time.monotonic() - began > 60 * plan.minutes:
            note(f"stopped after {plan.minutes:g} minutes, epoch {epoch} of {plan.epochs}")
            break
    model.load_state_dict(kept)
    seconds = time.monotonic() - began
    least = _least_confidence(model.eval(), check)
    notes = {"least_confidence": least, "epochs": epoch, "held_out_cer": best, "seconds": seconds}
    return model, notes | {"lists": len(fit), "seed": plan.seed}


def _least_confidence(model: Any, check: Sequence[Example]) -> float:
    """The confidence below which the 1-best reading has fewer word errors, held-out speakers."""
    from rapidfuzz.distance import Levenshtein

    gains = []
    found = answers(model, [e.request for e in check], readings=1)
    for example, answer in zip(check, found, strict=True):
        if answer is not None:
            words = example.reference.split()
            first = Levenshtein.distance(words, example.request.first.split())
            gains.append((answer[1], first - Levenshtein.distance(words, answer[0].split())))
    best, least, total = 0, 0.0, 0
    for confidence, gain in sorted(gains, reverse=True):
        total += gain
        if total > best:
            best, least = total, confidence
    return least


def _parted(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Examples to fit and to check on, speakers whole where there are any."""
    names = [e.speaker or e.reference for e in examples]
    order = sorted(set(names), key=lambda n: blake2b(n.encode(), digest_size=8).digest())
    held = set(order[: max(1, round(share * len(order)))])
    fit = [e for e, n in zip(examples, names, strict=True) if n not in held]
    return fit, [e for e, n in zip(examples, names, strict=True) if n in held]


def _batches(fit: Sequence[Example], made: Confusions, plan: Plan, draw: random.Random) -> Any:
    """One epoch, in batches of like lengths: each list once as it is, and made-up pairs."""
    from .seq2seq import END, START, padded

    pairs = []
    for example in fit:
        texts = list(example.request.distinct) or [""]
        text = texts[0] if draw.random() < 0.7 else draw.choice(texts)
        pairs.append((text, example.reference))
    pairs += [made.pair(draw) for _ in range((plan.repeats - 1) * len(fit))]
    rows = [(symbols(a), [START, *symbols(b), END]) for a, b in pairs]
    draw.shuffle(rows)
    rows.sort(key=lambda row: len(row[0]) // 8)
    batches = [rows[i : i + plan.batch] for i in range(0, len(rows), plan.batch)]
    draw.shuffle(batches)
    return [(padded([x for x, _ in b]), padded([y for _, y in b])) for b in batches]


Fragment = tuple[tuple[str, ...], tuple[str, ...]]
"""Words of a reading and the reference words they stand for."""


class Confusions:
    """New training pairs from the fragments of real ones: sentences the data has not.

    A real pair is cut into fragments by its alignment. In a new pair each fragment may be heard
    as the same reference words were heard elsewhere, or give its place to any other fragment.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._sentences = [
            fragments(text, e.reference) for e in examples for text in e.request.distinct[:2]
        ]
        self._all = [f for sentence in self._sentences for f in sentence]
        self._heard: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for heard, meant in self._all:
            self._heard.setdefault(meant, []).append(heard)

    def pair(self, draw: random.Random) -> tuple[str, str]:
        """A made-up reading and its reference."""
        heard: list[str] = []
        meant: list[str] = []
        for fragment in draw.choice(self._sentences):
            chosen = fragment
            if draw.random() < 0.3:
                chosen = draw.choice(self._all)
            elif draw.random() < 0.5:
                chosen = draw.choice(self._heard[fragment[1]]), fragment[1]
            heard += chosen[0]
            meant += chosen[1]
        return " ".join(heard), " ".join(meant)


def fragments(text: str, reference: str) -> list[Fragment]:
    """A pair cut at every word that the alignment finds equal; what lies between stays whole."""
    a, b = text.split(), reference.split()
    cut: list[Fragment] = []
    odd: Fragment = ((), ())
    for tag, i, i_end, j, j_end in opcodes(a, b):
        if tag != "equal":
            odd = (odd[0] + tuple(a[i:i_end]), odd[1] + tuple(b[j:j_end]))
            continue
        if any(odd):
            cut.append(odd)
            odd = ((), ())
        cut += [((word,), (word,)) for word in a[i:i_end]]
    return [*cut, odd] if any(odd) else cut


def _error_rate(model: Any, check: Sequence[Example]) -> float:
    """Character error rate of greedy answers to the 1-best readings, without guards."""
    from rapidfuzz.distance import Levenshtein

    pairs = zip(corrected(model, [e.request.first for e in check]), check, strict=True)
    errors = sum(Levenshtein.distance(text, e.reference) for (text, _), e in pairs)
    return errors / max(1, sum(len(e.reference) for e in check))
