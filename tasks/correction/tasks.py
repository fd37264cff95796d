"""Correction of print, of grammar, and of translated speech: one capability, three media."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ...bench.adapter import Corrects
from ...bench.metrics.bleu import BLEU, CHRF
from ...bench.metrics.changes import ChangePrecision, ChangeRecall
from ...bench.metrics.gleu import GLEU
from ...bench.metrics.metric import Metric
from ...bench.metrics.nbest import Change, CorrectedRate, FirstBest, RelativeReduction
from ...bench.metrics.versus import against_source
from ...bench.metrics.wer import CharacterErrorRate, WordErrorRate
from ...bench.nbest import Correction, Medium, nbest_of, read_nbest
from ...bench.task import Sample, Size, Split, Task
from ..local_files import SUFFIXES, files, find, source
from .print_formats import read_print

HERE = Path(__file__).parent / "mini"


class _CorrectionTask(Task):
    needs = Corrects
    medium: ClassVar[Medium]
    folders: ClassVar[Sequence[str]]
    suffixes: ClassVar[Sequence[str]] = SUFFIXES

    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split. Raises UsageError if there is none of that name."""
        path = find(self.name, name, HERE / f"{self.medium}.jsonl", data, self._files(data))
        return Split(name, source(path), lambda: self._rows(path))

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """`mini`, and the files of the data folder."""
        local = {name: path.name for name, path in self._files(data).items()}
        return {"mini": "sentences of ours", **local}

    def samples(self, split: Split) -> Iterator[Sample]:
        """One sample a text; the reference is not part of the request."""
        for row in split.rows():
            options = {"medium": self.medium, "language": row.get("language", "en")}
            request = nbest_of(row, source=row.get("source", ""), **options)
            target = self._target(row)
            size = Size(sum(map(len, request.texts)) / 4 or 1.0, len(request.first) / 4)
            yield Sample(row["id"], request, target, size)

    def score(self, sample: Sample, response: Correction) -> dict[str, Any]:
        """One row a metric."""
        return {m.name: m.row(sample.target, response.text) for m in self.metrics}

    def _files(self, data: Path | None) -> dict[str, Path]:
        return files(data, self.folders, self.suffixes)

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        return read_nbest(path)

    def _target(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"reference": row["output"], "hypotheses": list(row["hypotheses"])}


class PostOCR(_CorrectionTask):
    """Post-OCR correction: CER and WER before and after, precision and recall of word changes.

    Splits: `mini` (ours, read by Tesseract), HIPE-OCRepair JSON lines, ICDAR post-OCR text files
    (`.txt`), and N-best files of `--data` by name. Runs of white space count as one space; nothing
    else is changed unless a normaliser is named. Source: NeKo, section 4; HIPE-OCRepair 2026.
    """

    name = "correction.ocr"
    medium = "print"
    folders = ("post_ocr_dta19", "post_ocr", "ocr")
    suffixes = (*SUFFIXES, ".txt")

    def __init__(self, normalizer: str = "none") -> None:
        characters, words = CharacterErrorRate(normalizer), WordErrorRate(normalizer)
        rates: list[Metric] = [
            kind(rate)
            for rate in (characters, words)
            for kind in (CorrectedRate, FirstBest, Change, RelativeReduction)
        ]
        self.metrics = (*rates, ChangePrecision(normalizer), ChangeRecall(normalizer))

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        return read_print(path)


class Grammar(_CorrectionTask):
    """Grammar correction: GLEU before and after, precision and recall of word changes.

    Rows are `input` (a list with the one sentence, tokens parted by spaces) and `output`. Source:
    NeKo, section 4; GLEU as Napoles et al.
    """

    name = "correction.grammar"
    medium = "grammar"
    folders = ("grammar",)

    def __init__(self) -> None:
        self.metrics = (*_against_first(GLEU()), ChangePrecision(), ChangeRecall())


class TranslationCorrection(_CorrectionTask):
    """Correction of translated speech: BLEU and chrF before and after.

    Rows are `input` (the translations, best first), `output`, and `source` where there is one.
    Source: NeKo, section 4 (HypoTranslate).
    """

    name = "correction.translation"
    medium = "translation"
    folders = ("translation",)

    def __init__(self, language: str = "en") -> None:
        bleu, chrf = against_source(BLEU(language)), against_source(CHRF())
        self.metrics = (*bleu, *chrf)

    def _target(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"reference": row["output"], "source": next(iter(row["hypotheses"]), "")}


class _First(Metric):
    """The score of the input: the target's first reading given as the answer."""

    def __init__(self, metric: Metric) -> None:
        self.metric, self.columns = metric, metric.columns
        self.name, self.higher_is_better = f"{metric.name}_source", metric.higher_is_better

    def row(self, target: Any, answer: Any) -> Any:
        return self.worst(target)

    def worst(self, target: Any) -> Any:
        return self.metric.row(target, next(iter(target["hypotheses"]), ""))

    def value(self, sums: Any) -> Any:
        return self.metric.value(sums)


def _against_first(metric: Metric) -> tuple[Metric, Metric]:
    return metric, _First(metric)
