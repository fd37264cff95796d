"""SegLST: a JSON list of segments with session_id, speaker, words, start_time and end_time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .dialogue import Segment, Session
from .errors import UsageError
from .plain import to_json


def read(path: Path) -> list[Session]:
    """The sessions of a file, segments in the file's order; times are both there or both absent.

    Raises UsageError that names the file and the line of a syntax error, or the entry (and the line
    it starts on) that is not a segment.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = json.loads(text)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not JSON ({error.msg})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    if not isinstance(entries, list):
        raise UsageError(f"{path}: SegLST is a list of segments, this is {_kind(entries)}")
    for number, entry in enumerate(entries, start=1):
        if problem := _problem(entry):
            line = _line_of(text, number)
            raise UsageError(f"{path}:{line}: entry {number}: {problem}")
    return sessions(entries)


def read_pairs(reference: Path, hypothesis: Path) -> list[tuple[Session, Session | None]]:
    """Reference sessions with the hypothesis of the same id, or None.

    Raises UsageError for a hypothesis session that the reference has not.
    """
    wanted = read(reference)
    given = {s.id: s for s in read(hypothesis)}
    if unknown := given.keys() - {s.id for s in wanted}:
        raise UsageError(f'{hypothesis}: session "{min(unknown)}" is not in {reference.name}')
    return [(session, given.get(session.id)) for session in wanted]


def sessions(entries: Iterable[Mapping[str, Any]]) -> list[Session]:
    """Valid entries grouped by session, in order of first appearance."""
    grouped: dict[str, list[Segment]] = {}
    for e in entries:
        segment = Segment(e["speaker"], e["words"], e.get("start_time"), e.get("end_time"))
        grouped.setdefault(e["session_id"], []).append(segment)
    return [Session(name, tuple(segments)) for name, segments in grouped.items()]


def entries(session: Session) -> list[dict[str, Any]]:
    """A session as SegLST entries; times left out where they are not known."""
    return [
        {"session_id": session.id, "speaker": s.speaker, "words": s.words}
        | ({} if s.start is None else {"start_time": s.start, "end_time": s.end})
        for s in session.segments
    ]


def write(path: Path, sessions: Iterable[Session]) -> None:
    """Write sessions as one SegLST file."""
    path.write_text(to_json([e for s in sessions for e in entries(s)], indent=1), encoding="utf-8")


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"expected a segment, got {_kind(entry)}"
    for name in ("session_id", "speaker", "words"):
        if not isinstance(entry.get(name), str):
            what = _kind(entry[name]) if name in entry else "missing"
            return f'"{name}" must be a text, is {what}'
    times: list[Any] = [entry.get("start_time"), entry.get("end_time")]
    if times == [None, None]:
        return ""
    if not all(isinstance(t, (int, float)) and not isinstance(t, bool) for t in times):
        return '"start_time" and "end_time" must both be numbers, or both be absent'
    if not all(math.isfinite(t) for t in times) or times[1] < times[0]:
        return f"ends at {times[1]} before it starts at {times[0]}"
    return ""


def _line_of(text: str, number: int) -> int:
    """The line on which the `number`th entry of a JSON list starts."""
    decoder = json.JSONDecoder()
    start = at = text.index("[") + 1
    for _ in range(number):
        while text[at] in " \t\r\n,":
            at += 1
        start, (_, at) = at, decoder.raw_decode(text, at)
    return text.count("\n", 0, start) + 1


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        type(None): "null",
        bool: "a boolean",
    }
    return names.get(type(value), "a number")
