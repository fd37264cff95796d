"""Open ASR: transcribe speech, scored by corpus WER and CER."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...bench.adapter import Transcribes
from ...bench.data import Splits
from ...bench.metrics.normalize import normalizer as normalizer_called
from ...bench.metrics.wer import CharacterErrorRate, Rule, WordErrorRate
from ...bench.task import Sample, Size, Split, Task


class OpenASR(Task):
    """The Open ASR Leaderboard's sets, any local folder of utterances, and a mini split of ours.

    `normalizer` is `whisper-en` unless given, and `basic` once a split in another language than
    English is opened: whisper-en spells and counts in English only. `rule` is "plain" (jiwer) or
    "merge-compounds" (the leaderboard's). Source: github.com/huggingface/open_asr_leaderboard.
    """

    name = "open_asr"
    needs = Transcribes

    def __init__(self, normalizer: str | None = None, rule: Rule = "plain") -> None:
        self._normalizer = normalizer
        self._rule: Rule = rule
        self._score_with(normalizer or "whisper-en")

    @cached_property
    def splits(self) -> Splits:
        """The sets that `splits.toml` lists."""
        return Splits.from_toml(Path(__file__).with_name("splits.toml"))

    def expand(self, name: str) -> list[str]:
        return self.splits.expand(name)

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        return self.splits.about(data)

    def split(self, name: str, data: Path | None = None) -> Split:
        split = self.splits.open(name, data, require=("audio", "text"))
        self._score_with(self._normalizer or _normalizer_for(split))
        if references := self.splits.facts(name).get("references"):
            split = replace(split, source={**split.source, "references": references}, total=None)
        return split

    def samples(self, split: Split) -> Iterator[Sample]:
        # The leaderboard drops references that have no words left once normalised.
        with_words = split.source.get("references") == "with words"
        normalize = normalizer_called(_normalizer_for(split))
        for row in split.rows():
            if with_words and not normalize(row["text"]).strip():
                continue
            seconds = row["duration"]
            yield Sample(
                id=row["id"],
                request=row["audio"],
                target=row["text"],
                size=Size(seconds) if seconds > 0 else Size(),  # NaN: decoding will say why
                by={k: str(row[k]) for k in ("speaker", "condition", "language") if row.get(k)},
            )

    def options(self) -> dict[str, Any]:
        return {"normalizer": self._scored_with, "rule": self._rule}

    def _score_with(self, normalizer: str) -> None:
        self._scored_with = normalizer
        self.metrics = (WordErrorRate(normalizer, self._rule), CharacterErrorRate(normalizer))


def _normalizer_for(split: Split) -> str:
    """By the language that the split's source names: English where it names none."""
    return "whisper-en" if split.source.get("language", "en").startswith("en") else "basic"
