"""Rows from folders on this machine: our manifests, NeMo manifests, Kaldi directories."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .audio import Audio, duration
from .errors import UsageError

Row = dict[str, Any]
Line = tuple[int, str]

MANIFESTS = ("manifest.jsonl", "manifest.jsonl.gz", "manifest.json")


def manifest_of(place: Path) -> Path | None:
    """The file to read at a file or folder: a manifest or wav.scp; None if there is none."""
    if place.is_file():
        return place
    return next((p for n in (*MANIFESTS, "wav.scp") if (p := place / n).is_file()), None)


def local_rows(
    place: Path,
    columns: Mapping[str, str] | None = None,
    require: Sequence[str] = (),
) -> Iterator[Row]:
    """Rows of a manifest file or of a folder that holds one (or a Kaldi directory).

    A row is a plain dictionary: `id`, and where the source has them `audio` (an `Audio`, not
    decoded), `text`, `speaker`, `duration` in seconds (from the audio's header where the source
    gives none, NaN where that cannot be read), then the source's other keys as they are.
    `columns` renames, ours -> theirs; `require` lists the keys that every row must have.
    Raises UsageError naming file and line for invalid JSON, a missing key, an id used twice, bytes
    that are not UTF-8, and for a folder without rows.
    """
    path = manifest_of(place)
    if path is None:
        raise UsageError(f"{place}: no {', '.join(MANIFESTS)} or wav.scp in it")
    kaldi = path.name == "wav.scp"
    found = _kaldi(path.parent) if kaldi else _manifest(path, columns or {})
    seen: dict[str, int] = {}
    for number, row in found:
        name = row["id"]
        if name in seen:
            raise UsageError(f'{path}:{number}: id "{name}" is also on line {seen[name]}')
        seen[name] = number
        missing = [key for key in require if row.get(key) is None]
        if missing:
            raise UsageError(f'{path}:{number}: no "{missing[0]}" in this row')
        yield row
    if not seen:
        raise UsageError(f"{path}: no rows in it")


def languages(place: Path) -> set[str]:
    """The languages that a manifest's rows name (empty where they name none)."""
    path = manifest_of(place)
    if path is None or path.name == "wav.scp":
        return set()
    return {str(row["language"]) for _, row in objects(path) if row.get("language")}


def lines(path: Path) -> Iterator[Line]:
    """Numbered lines that are not blank, decoded from UTF-8 and, by its name, from gzip."""
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, raw in enumerate(file, start=1):
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield number, text
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}:{number}: not UTF-8 ({error.reason})") from error
        except (EOFError, gzip.BadGzipFile) as error:
            raise UsageError(f"{path}:{number + 1}: damaged gzip ({error})") from error


def objects(path: Path) -> Iterator[tuple[int, Row]]:
    """Numbered JSON objects of a JSON-lines file. Raises UsageError naming file and line."""
    for number, line in lines(path):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}:{number}: invalid JSON ({error})") from error
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: not a JSON object")
        yield number, value


def _manifest(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, Row]]:
    for number, found in objects(path):
        row = dict(found)
        for ours, theirs in columns.items():
            if theirs in found:
                row[ours] = row.pop(theirs) if theirs != ours else found[theirs]
        where = f"{path}:{number}"
        nemo = "audio_filepath" in row
        audio = row.pop("audio_filepath") if nemo else row.get("audio")
        name = str(number)
        if audio is not None:
            place = _audio(audio, path.parent, where)
            name = place.stem if nemo and "offset" not in row else name
            row |= _cut(place, row, where)
        if not isinstance(row.get("text") or "", str):
            raise UsageError(f'{where}: "text" is {row["text"]!r}, not a string')
        given = row.pop("id", None)
        yield number, {"id": name if given is None else str(given), **row}


def _cut(path: Path, row: Row, where: str) -> Row:
    """`audio` and `duration` of a manifest row: `start` and `end`, or NeMo's `offset`."""
    start = _number(row, "start", where)
    offset = _number(row, "offset", where)
    end, seconds = _number(row, "end", where), _number(row, "duration", where)
    if start is None:
        start = offset or 0.0
        if end is None and offset is not None and seconds is not None:
            end = offset + seconds
    if start < 0 or (end is not None and end <= start):
        raise UsageError(f"{where}: a part from {start} s to {end} s holds nothing")
    audio = Audio(path=path, start=start, end=end)
    return {"audio": audio, "duration": duration(audio) if seconds is None else seconds}


def _number(row: Row, key: str, where: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f'{where}: "{key}" is {value!r}, not a number of seconds')
    return float(value)


def _audio(text: Any, folder: Path, where: str) -> Path:
    """A path relative to the manifest, absolute, or `package:NAME/FILE` inside a Python package."""
    if not isinstance(text, str) or not text:
        raise UsageError(f"{where}: audio is {text!r}, not a path")
    if not text.startswith("package:"):
        return folder / text
    package, _, rest = text.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"{where}: its audio comes with {package}: pip install {package}")
    return Path(spec.submodule_search_locations[0]) / rest


def _kaldi(folder: Path) -> Iterator[tuple[int, Row]]:
    """A Kaldi data directory: `wav.scp` and `text`, optional `segments`, `utt2spk`, `utt2dur`."""
    recordings = _table(folder / "wav.scp")
    paths = {name: _recording(folder, n, rest) for name, (n, rest) in recordings.items()}
    texts, speakers, seconds = (_table(folder / f) for f in ("text", "utt2spk", "utt2dur"))
    cuts = _table(folder / "segments") or {name: (n, "") for name, (n, _) in recordings.items()}
    for name, (number, _) in texts.items():
        if name not in cuts:
            raise UsageError(f'{folder / "text"}:{number}: no audio for utterance "{name}"')
    for name, (number, rest) in cuts.items():
        where = f"{folder / ('segments' if rest else 'wav.scp')}:{number}"
        if name not in texts:
            raise UsageError(f'{where}: utterance "{name}" has no line in {folder / "text"}')
        audio = _segment(name, rest, paths, where)
        row: Row = {"id": name, "audio": audio, "text": texts[name][1]}
        if name in speakers:
            row["speaker"] = speakers[name][1]
        given = seconds.get(name)
        row["duration"] = duration(audio) if given is None else _seconds(given[1], where)
        yield number, row


def _segment(name: str, rest: str, paths: Mapping[str, Path], where: str) -> Audio:
    if not rest:
        return Audio(path=paths[name])
    fields = rest.split()
    if len(fields) != 3 or fields[0] not in paths:
        raise UsageError(f"{where}: not UTTERANCE RECORDING START END with RECORDING in wav.scp")
    start, end = (_seconds(text, where) for text in fields[1:])
    if start < 0 or (end != -1 and end <= start):  # Kaldi writes -1 for "to the end"
        raise UsageError(f"{where}: a part from {start} s to {end} s holds nothing")
    return Audio(path=paths[fields[0]], start=start, end=None if end == -1 else end)


def _seconds(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise UsageError(f"{where}: {text!r} is not a number of seconds") from error
    if not math.isfinite(value):
        raise UsageError(f"{where}: {text!r} is not a number of seconds")
    return value


def _table(path: Path) -> dict[str, tuple[int, str]]:
    """Key -> (line number, rest of the line); empty where there is no such file."""
    table: dict[str, tuple[int, str]] = {}
    if not path.is_file():
        return table
    for number, line in lines(path):
        key, *rest = line.split(maxsplit=1)
        if key in table:
            raise UsageError(f'{path}:{number}: id "{key}" is also on line {table[key][0]}')
        table[key] = (number, rest[0] if rest else "")
    return table


def _recording(folder: Path, number: int, rest: str) -> Path:
    where = f"{folder / 'wav.scp'}:{number}"
    if rest.endswith("|"):
        raise UsageError(f"{where}: a command, which is never run; write its audio to a file first")
    if not rest:
        raise UsageError(f"{where}: no path")
    # Kaldi reads relative paths from the directory that the recipe runs in.
    inside = folder / rest
    return inside if inside.exists() or not Path(rest).exists() else Path(rest)
