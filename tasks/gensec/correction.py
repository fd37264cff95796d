"""GenSEC task 1: a recogniser's N-best list to a transcript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...bench.adapter import Corrects
from ...bench.hub import hub_rows, revision_of
from ...bench.metrics.nbest import correction_metrics
from ...bench.metrics.wer import Rule, WordErrorRate
from ...bench.nbest import Correction, nbest_of, nbest_row, read_nbest
from ...bench.task import Sample, Size, Split, Task
from ..local_files import files, find, source

MINI = Path(__file__).parent / "mini" / "nbest.jsonl"
FOLDERS = ("asr_nbest", "nbest")


class GenSECCorrection(Task):
    """Post-recognition correction: WER after, before, and of both oracles, in the same row.

    Splits: `mini` (PocketSphinx on recordings of ours), any N-best file of `--data` by its name
    (HyPoradise's own JSON too), `hub:ID` or `hub:ID#SPLIT` for a set on the hub, such as
    PeacefulData/HyPoradise-v0 (split `test` unless given). Texts are compared as they are
    unless a normaliser is named: these sets come normalised. Source: GenSEC, task 1; HyPoradise.
    """

    name = "gensec.correction"
    needs = Corrects

    def __init__(self, normalizer: str = "none", rule: Rule = "plain") -> None:
        self.metrics = correction_metrics(WordErrorRate(normalizer, rule))

    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split. Raises UsageError if there is none of that name."""
        if name.startswith("hub:"):
            return _hub(name)
        path = find(self.name, name, MINI, data, files(data, FOLDERS))
        return Split(name, source(path), lambda: read_nbest(path))

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """`mini`, and the N-best files of the data folder."""
        local = {name: f"N-best file {path.name}" for name, path in files(data, FOLDERS).items()}
        return {"mini": "PocketSphinx 5-best lists of recordings of ours", **local}

    def samples(self, split: Split) -> Iterator[Sample]:
        """One sample a list, in the file's order; the reference is not part of the request."""
        for row in split.rows():
            request = nbest_of(row)
            target = {"reference": row["output"], "hypotheses": list(row["hypotheses"])}
            size = Size(sum(map(len, request.texts)) / 4, len(request.first) / 4)
            by = {"speaker": str(row["speaker"])} if "speaker" in row else {}
            yield Sample(row["id"], request, target, size, by)

    def score(self, sample: Sample, response: Correction) -> dict[str, Any]:
        """One row a metric."""
        return {m.name: m.row(sample.target, response.text) for m in self.metrics}


def _hub(name: str) -> Split:
    """A set on the hub; its rows have `input` (or input1, input2, ...) and `output`."""
    where, _, part = name.removeprefix("hub:").partition("#")
    revision = revision_of(where)

    def rows() -> Iterator[dict[str, Any]]:
        for row in hub_rows(where, split=part or "test", revision=revision):
            yield nbest_row(row, f"{where}, {row['id']}")

    return Split(name, {"hub": where, "split": part or "test", "revision": revision}, rows)
