"""A small task and small adapters: real ones as far as the engine can tell."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from podium.bench.adapter import Adapter, Failure, Generates
from podium.bench.metrics.wer import CharacterErrorRate, WordErrorRate
from podium.bench.task import Outcome, Sample, Size, Split, Task
from podium.bench.text import Generation, Prompt

WORDS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"]


def rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """n rows with an id, a text and a speaker."""
    rng = random.Random(seed)
    return [
        {
            "id": f"s{i:06d}",
            "text": " ".join(rng.choices(WORDS, k=rng.randint(1, 12))),
            "speaker": f"speaker{i % 7}",
        }
        for i in range(n)
    ]


class Repeat(Task):
    """Say the text again. Scored by word error rate."""

    name = "repeat"
    needs = Generates

    def __init__(self, data: Sequence[dict[str, Any]] = (), buffer: int = 10_000) -> None:
        self.metrics = (WordErrorRate("none"), CharacterErrorRate("none"))
        self.data = data
        self.buffer = buffer

    def split(self, name: str, data: Path | None = None) -> Split:
        return Split(name, {"id": "toy"}, lambda: iter(self.data), self.buffer, len(self.data))

    def samples(self, split: Split) -> Iterator[Sample]:
        for row in split.rows():
            size = Size(len(row["text"].split()))
            by = {"speaker": row["speaker"]}
            yield Sample(row["id"], Prompt(row["text"]), row["text"], size, by)


class Noisy(Adapter):
    """Repeats, with errors that depend on the text alone; some texts make it fail."""

    batched = True

    def __init__(self, most: int = 1000, pause: float = 0.0, log: Path | None = None) -> None:
        self.most, self.pause, self.log = most, pause, log
        self.batches: list[int] = []

    def generate(self, batch: Sequence[Prompt]) -> list[Generation | Failure]:
        self.batches.append(len(batch))
        if len(batch) > self.most:
            raise MemoryError("too many at once")
        time.sleep(self.pause)
        if self.log:
            with self.log.open("a") as file:
                file.write("".join(p.text + "\n" for p in batch))
                file.flush()
                os.fsync(file.fileno())
        return [self._answer(p.text) for p in batch]

    def _answer(self, text: str) -> Generation | Failure:
        if "boom" in text:
            raise RuntimeError("boom went the model")
        if "alone" in text and self.most == 0:
            raise MemoryError("never fits")
        if "late" in text:
            return Failure(Outcome.TIMEOUT, "no answer in time")
        if "silent" in text:
            return Generation(("",))
        rng = random.Random(text)
        kept = [w if rng.random() > 0.2 else "z" for w in text.split()]
        return Generation((" ".join(kept),))
