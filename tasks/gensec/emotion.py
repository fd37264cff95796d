"""GenSEC task 3: how a speaker felt, from recognised text of this turn and of earlier ones only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...bench.adapter import ClassifiesEmotion
from ...bench.dialogue import Dialogue, Emotion, Turn
from ...bench.errors import UsageError
from ...bench.metrics.classification import Accuracy, UnweightedAverageRecall
from ...bench.metrics.metric import Row
from ...bench.task import Sample, Size, Split, Task
from ..local_files import files, find, source

MINI = Path(__file__).parent / "mini" / "emotion.json"
LABELS = ("neu", "hap", "ang", "sad")
FACTS = ("need_prediction", "emotion", "id", "speaker", "groundtruth", "dialogue")
"""What a row says of a turn beside its transcripts; none of it but the speaker is in a request."""


class EmotionRecognition(Task):
    """Accuracy and unweighted average recall over four classes.

    A request holds the recognisers' texts of the turn and of those before it in its dialogue:
    nothing later, no human transcript, no label. An answer outside the labels, or none, is wrong.
    Source: GenSEC, task 3 (rows in the format of its challenge; data on request from its makers).
    """

    name = "gensec.emotion"
    needs = ClassifiesEmotion

    def __init__(self) -> None:
        self.metrics = (Accuracy(LABELS), UnweightedAverageRecall(LABELS))

    def split(self, name: str, data: Path | None = None) -> Split:
        """Open a split. Raises UsageError if there is none, or if a row is not a turn."""
        path = find(self.name, name, MINI, data, files(data, ("emotion",), (".json",)))
        return Split(name, source(path), lambda: iter(_turns(path)))

    def list_splits(self, data: Path | None = None) -> dict[str, str]:
        """`mini`, and the JSON files of the data folder."""
        local = files(data, ("emotion",), (".json",))
        return {"mini": "dialogues of ours, read aloud and recognised"} | {
            name: f"turns in {path.name}" for name, path in local.items()
        }

    def samples(self, split: Split) -> Iterator[Sample]:
        """One sample a turn that needs a prediction, in the file's order."""
        earlier: list[Turn] = []
        dialogue = ""
        for row in split.rows():
            if row["dialogue"] != dialogue:
                earlier, dialogue = [], row["dialogue"]
            earlier.append(Turn(row["speaker"], row["transcripts"]))
            if row["asked"]:
                request = Dialogue(tuple(earlier), LABELS)
                size = Size(sum(len(t.text()) for t in earlier) / 4 or 1.0, 2.0)
                yield Sample(row["id"], request, row["emotion"], size)

    def score(self, sample: Sample, response: Emotion) -> dict[str, Row]:
        """One row a metric."""
        return {m.name: m.row(sample.target, response.label) for m in self.metrics}


def _turns(path: Path) -> list[dict[str, Any]]:
    """The file's turns. A dialogue is its `dialogue`, or the id up to its last underscore."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    return [_turn(row, f"{path}: entry {k}") for k, row in enumerate(rows, start=1)]


def _turn(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise UsageError(f'{where}: a turn is an object with an "id"')
    texts = {k: v for k, v in row.items() if k not in FACTS and isinstance(v, str)}
    if not texts:
        raise UsageError(f"{where} ({row['id']}): no recogniser's text")
    asked = str(row.get("need_prediction", "yes")).lower() in ("yes", "true", "1")
    if asked and row.get("emotion") not in LABELS:
        raise UsageError(
            f"{where} ({row['id']}): emotion is {row.get('emotion')!r}, not {', '.join(LABELS)}; "
            'set "need_prediction" to "no" where there is no label'
        )
    return {
        "id": row["id"],
        "dialogue": row.get("dialogue") or row["id"].rpartition("_")[0],
        "speaker": str(row.get("speaker", "")),
        "transcripts": tuple(texts.items()),
        "asked": asked,
        "emotion": row.get("emotion"),
    }
