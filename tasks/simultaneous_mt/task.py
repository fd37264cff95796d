"""Simultaneous translation: text or speech arrives, a translation is written meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...bench.adapter import Interprets
from ...bench.metrics.bleu import BLEU, CHRF, TER
from ...bench.metrics.latency import (
    CutShort,
    Extent,
    Lag,
    LengthRatio,
    Timeline,
    latency_metrics,
    reference_length,
)
from ...bench.metrics.metric import Row
from ...bench.stream import CHARACTER_LANGUAGES, Interpretation, Stream, split_units
from ...bench.task import Sample, Size, Split, Task
from .cost import PerUnit
from .data import local_sets, open_split, parse

SECONDS_A_UNIT = {"words": 0.3, "characters": 0.2}
"""The speaker's pace at which computing counts as lag: ATD's 300 ms a word; 200 ms a character."""


class SimultaneousTranslation(Task):
    """Quality (BLEU, chrF, TER) against latency (AL, LAAL, DAL, AP, ATD; compute-aware too).

    Latency is in source words, in source characters for languages without spaces, and in seconds
    for speech. Output units are counted the same way in the target language. The compute-aware
    forms add computing time: for text at the pace of a speaker (`pace` seconds a unit; 0.3 a word,
    0.2 a character), as SimulEval adds it to speech. `language` (the target's) chooses BLEU's
    tokenizer, `unit` the unit of latency; both follow the split unless given. `context` is how
    many earlier source sentences of the same document an interpreter is told.
    """

    name = "simultaneous_mt"
    needs = Interprets

    def __init__(
        self,
        language: str | None = None,
        unit: str | None = None,
        pace: float | None = None,
        context: int = 3,
    ) -> None:
        self._given = (language, unit, pace)
        self.context = context
        self._score_with("", "words")

    def split(self, name: str, data: Path | None = None) -> Split:
        split, pair = open_split(name, data), parse(name)
        unit = "characters" if pair.source in CHARACTER_LANGUAGES else "words"
        if any(row.get("audio") for _, row in zip(range(1), split.rows(), strict=False)):
            unit = "seconds"
        self._score_with(pair.target, unit)
        return split

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        ours = {"mini": "40 sentences in 8 documents, en-pt", "mini.pt-en": "the other way"}
        other = "with a language pair, as in ntrex.en-pt"
        return ours | {f"{name}.*": f"local, {other}" for name in local_sets(data)}

    def samples(self, split: Split) -> Iterator[Sample]:
        source, target = split.source["source"], split.source["target"]
        before: deque[str] = deque(maxlen=max(0, self.context))
        document = None
        for row in split.rows():
            if row.get("document") is None or row["document"] != document:
                before.clear()
                document = row.get("document")
            spoken = row.get("audio") is not None
            units = len(split_units(row["source"], source))
            yield Sample(
                row["id"],
                Stream(
                    "" if spoken else row["source"],
                    source,
                    target,
                    row.get("context", "\n".join(before)),
                    row.get("audio"),
                ),
                {
                    "text": row["target"],
                    "source_length": row["duration"] if spoken else units,
                    "reference_length": reference_length(
                        row["target"], target in CHARACTER_LANGUAGES
                    ),
                },
                Size(float(max(1, units)), float(max(1, units))),
            )
            before.append(row["source"])

    def score(self, sample: Sample, response: Interpretation) -> dict[str, Row]:
        pace = self.pace or 1.0
        extent = Extent(response.source_length, sample.target["reference_length"])
        elapsed = [d + s / pace for d, s in zip(response.delays, response.seconds, strict=True)]
        end = response.source_length + response.total_seconds / pace
        timeline = Timeline(response.delays, elapsed, end)
        rows = {}
        for metric in self.metrics:
            if isinstance(metric, (Lag, LengthRatio, CutShort)):
                rows[metric.name] = metric.row(extent, timeline)
            elif isinstance(metric, PerUnit):
                rows[metric.name] = metric.row(None, response)
            else:
                rows[metric.name] = metric.row(sample.target["text"], response.text)
        return rows

    def worst(self, sample: Sample) -> dict[str, Row]:
        target = sample.target
        extent = Extent(target["source_length"] or 0.0, target["reference_length"])
        return {
            m.name: m.worst(
                extent if isinstance(m, (Lag, LengthRatio, CutShort)) else target["text"]
            )
            for m in self.metrics
        }

    def options(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "unit": self.unit,
            "pace": self.pace,
            "context": self.context,
        }

    def _score_with(self, language: str, unit: str) -> None:
        """Set what follows the split, where it was not given."""
        self.language = language if self._given[0] is None else self._given[0]
        self.unit = unit if self._given[1] is None else self._given[1]
        pace = SECONDS_A_UNIT.get(self.unit) if self._given[2] is None else self._given[2]
        self.pace = pace or 1.0  # lag in seconds is in seconds already
        token = (0.3, 0.0) if self.unit == "seconds" else (1.0, 1.0)
        self.metrics = (
            BLEU(self.language),
            *latency_metrics(self.unit, True, *token),
            CHRF(),
            TER(),
            PerUnit("calls", self.unit),
            PerUnit("tokens", self.unit),
            PerUnit("seconds", self.unit),
        )
