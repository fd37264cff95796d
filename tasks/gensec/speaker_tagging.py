"""GenSEC task 2: who said which word, from recognised text and a first guess at the speakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...bench import seglst
from ...bench.adapter import TagsSpeakers
from ...bench.dialogue import Tagging
from ...bench.errors import UsageError
from ...bench.metrics.cpwer import speaker_metrics
from ...bench.metrics.metric import Row
from ...bench.metrics.versus import OfAnswer, against_source
from ...bench.task import Sample, Size, Split, Task
from ..local_files import find, source

MINI = Path(__file__).parent / "mini" / "meetings.ref.seglst.json"
REFERENCE = (".ref.seglst.json",)


class SpeakerTagging(Task):
    """SegLST in, SegLST out: cpWER, tcpWER where times exist, word diarisation error.

    A split NAME is two files: NAME.ref.seglst.json and NAME.src.seglst.json (what a recogniser and
    a diariser gave). The source's own cpWER and the paired change stand in the same row. Source:
    GenSEC, task 2.
    """

    name = "gensec.speaker_tagging"
    needs = TagsSpeakers

    def __init__(self, normalizer: str = "none", collar: float = 5.0) -> None:
        cpwer, tcpwer, wder = speaker_metrics(normalizer, collar)
        self.metrics = (
            *against_source(cpwer),
            OfAnswer(tcpwer),
            OfAnswer(wder),
        )

    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split. Raises UsageError if a file of the two is missing or invalid."""
        reference = find(self.name, name, MINI, data, _references(data))
        given = reference.with_name(reference.name.replace(".ref.", ".src."))
        sources = {s.id: s for s in seglst.read(given)}

        def rows() -> Iterator[dict[str, Any]]:
            for session in seglst.read(reference):
                if session.id not in sources:
                    raise UsageError(f'{given}: session "{session.id}" is missing')
                yield {"reference": session, "source": sources[session.id]}

        hashes = source(reference), source(given)
        revision = "-".join(h["revision"] for h in hashes)
        return Split(name, {"file": reference.name, "revision": revision}, rows)

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """`mini`, and the pairs of SegLST files of the data folder."""
        local = {name: f"SegLST pair {path.name}" for name, path in _references(data).items()}
        return {"mini": "conversations of ours with wrong speaker tags", **local}

    def samples(self, split: Split) -> Iterator[Sample]:
        """One sample a session."""
        for row in split.rows():
            reference, given = row["reference"], row["source"]
            target = {"reference": seglst.entries(reference), "source": seglst.entries(given)}
            words = sum(len(s.words.split()) for s in given.segments)
            by = {"speakers": str(len(reference.speakers))}
            yield Sample(given.id, given, target, Size(float(words or 1)), by)

    def score(self, sample: Sample, response: Tagging) -> Mapping[str, Row]:  # type: ignore[override]
        """One row a metric."""
        return {m.name: m.row(sample.target, response.segments) for m in self.metrics}


def _references(data: Path | None) -> dict[str, Path]:
    from ..local_files import files

    return files(data, ("tagging",), REFERENCE)
