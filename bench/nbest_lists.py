"""Making N-best lists: a recogniser over audio rows, and speakers held out whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from .adapter import Failure
from .errors import UsageError
from .metrics.normalize import normalizer
from .plain import to_json
from .task import BadInput, Hypothesis, Transcript


def make_lists(
    rows: Sequence[Mapping[str, Any]], adapter: Any, n: int, batch: int = 8
) -> Iterator[dict[str, Any]]:
    """One row a recording, as `nbest.read_nbest` reads it, in order.

    A recording that cannot be decoded or transcribed has an empty list and `error`.
    """
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        ready: list[Any] = []
        for row in part:
            try:
                ready.append(row["audio"].prepare(adapter.sampling_rate))
            except BadInput as error:
                ready.append(str(error))
        answers = iter(adapter.transcribe([r for r in ready if not isinstance(r, str)]))
        for row, audio in zip(part, ready, strict=True):
            yield _row(row, audio if isinstance(audio, str) else next(answers), n)


def _row(row: Mapping[str, Any], answer: Transcript | Failure | str, n: int) -> dict[str, Any]:
    kept = {"id": row["id"]} | {k: row[k] for k in ("speaker", "duration") if k in row}
    if not isinstance(answer, Transcript):
        why = answer if isinstance(answer, str) else answer.message
        return {**kept, "input": [], "output": row["text"], "error": why}
    found = answer.nbest[:n] or (Hypothesis(answer.text),)
    texts, scores = [h.text for h in found], [h.score for h in found]
    return {**kept, "input": texts, "scores": scores, "output": row["text"]}


def normalized(row: dict[str, Any], name: str) -> dict[str, Any]:
    """A row with both sides normalised; readings that become the same are kept once.

    Raises UsageError for a normaliser that there is not.
    """
    normalize = normalizer(name)
    texts: dict[str, float | None] = {}
    for text, score in zip(
        row["input"], row.get("scores") or [None] * len(row["input"]), strict=True
    ):
        texts.setdefault(normalize(text), score)
    scores = {"scores": list(texts.values())} if "scores" in row else {}
    return {**row, "input": list(texts), **scores, "output": normalize(row["output"])}


def held_out(
    lists: Sequence[dict[str, Any]], share: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lists of the speakers to learn from, and of those held out, whole, chosen by their names.

    Raises UsageError where a list names no speaker or there are not two of them.
    """
    names = {row.get("speaker") for row in lists}
    if None in names or len(names) < 2:
        raise UsageError("--held-out needs a speaker in every row, and two of them at least")
    order = sorted(map(str, names), key=lambda n: blake2b(n.encode(), digest_size=8).digest())
    held = set(order[: min(len(order) - 1, max(1, round(share * len(order))))])
    return (
        [row for row in lists if str(row["speaker"]) not in held],
        [row for row in lists if str(row["speaker"]) in held],
    )


def write_lists(path: Path, lists: Sequence[Mapping[str, Any]]) -> None:
    """JSON lines; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(to_json(row) + "\n" for row in lists), encoding="utf-8")
