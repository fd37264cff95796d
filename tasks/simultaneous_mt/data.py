"""Parallel texts by the name of a set and a language pair: `ntrex.en-pt`, `wmt20.zh-en`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...bench.errors import UsageError, unknown
from ...bench.hub import hub_rows, revision_of
from ...bench.local import MANIFESTS, local_rows, objects
from ...bench.task import Split

PAIR = re.compile(r"([a-z]{2,3})(?:[-_]\w+)?-([a-z]{2,3})(?:[-_]\w+)?")
MINI = Path(__file__).with_name("mini.jsonl")
Rows = Callable[[], Iterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A split's name taken apart: `ntrex.en-pt` is set `ntrex` from `en` to `pt`."""

    set: str
    source: str
    target: str


def parse(name: str) -> Pair:
    """Take a split's name apart. Raises UsageError if it names no language pair."""
    if name == "mini":
        return Pair("mini", "en", "pt")
    stem, _, pair = name.rpartition(".")
    match = re.fullmatch(r"([a-z]{2,3})-([a-z]{2,3})", pair)
    if not match or not stem:
        raise UsageError(
            f'simultaneous_mt: split "{name}" names no language pair; SET.SOURCE-TARGET is '
            "expected, as in ntrex.en-pt"
        )
    return Pair(stem, *match.groups())


def open_split(name: str, data: Path | None) -> Split:
    """The split of this name; its rows have id, source, target, and where there is one document.

    In order: the mini set; in the folder `data`, `SET.LANG` line files (and `SET.title`, what
    comes before each line), or JSON lines whose fields are languages (`SET.jsonl`, or one such
    file in the folder `SET`; a row may have `audio` for its source); a hub id with a slash
    (`hub-user/set.en-pt`, columns by language or `translation`); a sacreBLEU test set
    (`wmt20.zh-en`). Raises UsageError where there is none.
    """
    pair = parse(name)
    if pair.set == "mini":
        return _split(name, pair, {"package": "podium"}, partial(_objects, MINI, pair))
    if data is not None:
        if (data / f"{pair.set}.{pair.source}").is_file():
            lines = partial(_line_files, data, pair)
            return _split(name, pair, {"files": pair.set, "folder": data.resolve().name}, lines)
        if path := _json_lines(data, pair.set):
            source = {"file": path.name, "folder": path.resolve().parent.name}
            return _split(name, pair, source, partial(_objects, path, pair))
    if "/" in pair.set:
        revision = revision_of(pair.set)
        hub = {"hub": pair.set, "revision": revision}
        return _split(name, pair, hub, partial(_hub, pair, revision))
    return _sacrebleu(name, pair, data)


def local_sets(data: Path | None) -> list[str]:
    """The names of the sets in a folder."""
    if data is None or not data.is_dir():
        return []
    stems = {p.name.split(".")[0] for p in data.iterdir() if p.is_file()}
    return sorted({p.name for p in data.iterdir() if p.is_dir()} | stems)


def _split(name: str, pair: Pair, source: dict[str, str], rows: Rows) -> Split:
    return Split(name, source | {"source": pair.source, "target": pair.target}, rows)


def _json_lines(data: Path, name: str) -> Path | None:
    for end in (".jsonl", ".jsonl.gz"):
        if (data / (name + end)).is_file():
            return data / (name + end)
    folder = data if data.name == name else data / name
    if not folder.is_dir():
        return None
    named = [folder / m for m in MANIFESTS if (folder / m).is_file()]
    found = named or sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise UsageError(f"{folder}: which of {names}? keep one, or name it: {found[0].stem}")
    return found[0] if found else None


def _objects(path: Path, pair: Pair) -> Iterator[dict[str, Any]]:
    spoken = any("audio" in row for _, row in zip(range(1), objects(path), strict=False))
    require = (pair.target,) if spoken else (pair.source, pair.target)
    for row in local_rows(path, require=[]):
        for language in (k for k in require if k not in row):
            known = ", ".join(k for k in row if len(k) == 2 and k != "id")
            raise UsageError(f'{path}: no "{language}" in row {row["id"]}; it has {known}')
        yield {
            "id": row["id"],
            "source": str(row.get(pair.source, "")),
            "target": str(row[pair.target]),
            "document": row.get("doc", row.get("document")),
            "audio": row.get("audio"),
            "duration": row.get("duration"),
        }


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, empty ones too. Raises UsageError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 (byte {error.start})") from error
    return text.removesuffix("\n").split("\n") if text else []


def _line_files(data: Path, pair: Pair) -> Iterator[dict[str, Any]]:
    paths = [data / f"{pair.set}.{language}" for language in (pair.source, pair.target)]
    titles = data / f"{pair.set}.title"
    paths += [titles] if titles.is_file() else []
    columns = [read_lines(path) for path in paths]
    yield from parallel(paths, columns)


def parallel(names: Sequence[Any], columns: Sequence[list[str]]) -> Iterator[dict[str, Any]]:
    """Rows of line files that pair. Raises UsageError where their lengths differ."""
    for name, column in zip(names, columns, strict=True):
        if len(column) != len(columns[0]):
            raise UsageError(
                f"{names[0]} has {len(columns[0])} lines, {name} has {len(column)}: "
                "they do not pair"
            )
    width = len(str(len(columns[0])))
    for number, texts in enumerate(zip(*columns, strict=True), 1):
        row = {"id": f"{number:0{width}}", "source": texts[0].strip(), "target": texts[1].strip()}
        yield row | ({"context": texts[2].strip()} if len(texts) > 2 else {})


def _hub(pair: Pair, revision: str) -> Iterator[dict[str, Any]]:
    for row in hub_rows(pair.set, revision=revision):
        texts = row.get("translation") or row
        missing = [k for k in (pair.source, pair.target) if k not in texts]
        if missing:
            raise UsageError(f'{pair.set}: no "{missing[0]}" among {", ".join(sorted(texts))}')
        document = row.get("document") or row.get("doc_id")
        texts = {"source": texts[pair.source], "target": texts[pair.target]}
        yield {"id": row["id"], **texts, "document": document}


def _sacrebleu(name: str, pair: Pair, data: Path | None) -> Split:
    from sacrebleu.dataset import DATASETS

    if pair.set not in DATASETS:
        raise unknown("split", pair.set, {"mini", *local_sets(data), *DATASETS})
    direction = f"{pair.source}-{pair.target}"
    if direction not in DATASETS[pair.set].langpairs:
        raise unknown(f"language pair of {pair.set}", direction, DATASETS[pair.set].langpairs)
    md5 = (getattr(DATASETS[pair.set], "md5", None) or [""])[0]
    source = {"sacrebleu": pair.set, "md5": str(md5)}
    return _split(name, pair, source, partial(_sacrebleu_rows, pair.set, direction))


def _sacrebleu_rows(name: str, direction: str) -> Iterator[dict[str, Any]]:
    from sacrebleu.utils import get_reference_files, get_source_file

    try:
        paths = [get_source_file(name, direction), get_reference_files(name, direction)[0]]
    except (OSError, SystemExit) as error:  # sacreBLEU leaves the process where it cannot download
        raise UsageError(f"{name}: sacreBLEU cannot get it ({error}); use --data") from error
    yield from parallel(paths, [read_lines(Path(p)) for p in paths])
