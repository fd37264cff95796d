"""Splits by name: rows of a TOML that lists them, or folders of the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from .errors import UsageError, unknown
from .hub import hub_rows, revision_of
from .local import MANIFESTS, languages, lines, local_rows, manifest_of
from .task import Split

_KEYS = {"from", "hub", "config", "split", "revision", "columns", "folder", "exclude"}
_STAMPED = ("language",)  # what a split knows of all its rows is put into each
_BUFFER = 256  # rows of the hub carry their audio: a minute of FLAC is about 1 MB


@dataclass(frozen=True)
class Splits:
    """The splits that a TOML lists, each a mapping, and named groups of them.

    A split has `hub` (an id, or a folder in the hub's layout) with `config`, `split`, `revision`
    and `columns` (ours -> theirs), or `folder` (a folder or manifest beside the TOML). `from`
    names a table under `[from]` whose keys it takes over. `exclude` is a mapping key -> values:
    rows with these are not samples (a transcript that says "not scored", say); it is carried in
    the source and so in the signature. Other keys (language, track, ...) are facts.
    """

    table: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, tuple[str, ...]]
    home: Path

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read `[from.*]`, `[splits]` and `[groups]`. Raises UsageError where they do not fit."""
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from error
        table: dict[str, dict[str, Any]] = {}
        for name, split in found.get("splits", {}).items():
            base = found.get("from", {})
            if "from" in split and split["from"] not in base:
                raise UsageError(f'{path}: split "{name}" is from "{split["from"]}", not in [from]')
            row = base.get(split.get("from"), {}) | split
            if ("hub" in row) == ("folder" in row):
                raise UsageError(f'{path}: split "{name}" needs either "hub" or "folder"')
            table[name] = row
        groups = {name: tuple(members) for name, members in found.get("groups", {}).items()}
        for name, members in groups.items():
            for member in members:
                if member not in table:
                    raise UsageError(f'{path}: group "{name}" names "{member}", not in [splits]')
        return cls(table, groups, path.parent)

    def expand(self, name: str) -> list[str]:
        """The splits that a name stands for: a group's members, else the name itself."""
        return list(self.groups.get(name, (name,)))

    def about(self, data: Path | None = None) -> dict[str, str]:
        """Every name that can be opened or expanded, with a line about it."""
        lines = {}
        for name, row in self.table.items():
            place = row.get("hub") or "in the package"
            facts = (row.get(k) for k in ("track", "language", "config"))
            lines[name] = " · ".join(str(f) for f in (place, *facts) if f)
        for name, members in self.groups.items():
            lines[name] = f"group of {len(members)}: {', '.join(members)}"
        return lines | {n: "local folder" for n in _folders(data) if n not in lines}

    def facts(self, name: str) -> dict[str, Any]:
        """What the TOML says of a split besides where it is: language, track."""
        return {k: v for k, v in self.table.get(name, {}).items() if k not in _KEYS}

    def open(
        self,
        name: str,
        data: Path | None = None,
        require: Sequence[str] = (),
        streaming: bool = True,
    ) -> Split:
        """The split of this name: in the TOML, else a folder in `data`, else `data` itself.

        `require` lists the keys every row must have. Raises UsageError where there is none.
        """
        if name in self.groups:
            members = ", ".join(self.groups[name])
            raise UsageError(f'"{name}" is a group of splits, to be opened one by one: {members}')
        if name in self.table:
            row = self.table[name]
            split = self._hub(name, row, require, streaming) if "hub" in row else None
            return split or _local(name, self.home / row["folder"], row, require)
        if data is not None:
            if manifest_of(data / name):
                return _local(name, data / name, {}, require)
            if data.resolve().name == name and manifest_of(data):
                return _local(name, data, {}, require)
            if (data / name).is_dir():
                raise UsageError(f"{data / name}: no {', '.join(MANIFESTS)} or wav.scp in it")
        raise unknown("split", name, {*self.table, *self.groups, *_folders(data)})

    def _hub(
        self, name: str, row: Mapping[str, Any], require: Sequence[str], streaming: bool
    ) -> Split:
        revision = revision_of(row["hub"], row.get("revision"))
        place = {"config": row.get("config"), "split": row.get("split", "test")}
        source = {"hub": row["hub"], "revision": revision} | {k: v for k, v in place.items() if v}
        load = partial(
            hub_rows,
            row["hub"],
            **place,
            columns=row.get("columns", {}),
            streaming=streaming,
            revision=revision,
            require=require,
        )
        return _split(name, source, load, row, buffer=_BUFFER, total=None)


def _local(name: str, place: Path, row: Mapping[str, Any], require: Sequence[str]) -> Split:
    path = manifest_of(place)
    load = partial(local_rows, place, row.get("columns"), require)
    total = None if path is None else sum(1 for _ in lines(path))
    if path is not None and (path.parent / "segments").is_file():
        total = sum(1 for _ in lines(path.parent / "segments"))
    source = {"folder": name}
    if spoken := languages(place):
        source["language"] = ",".join(sorted(spoken))
    return _split(name, source, load, row, buffer=10_000, total=total)


def _split(
    name: str, source: dict[str, str], load: Any, row: Mapping[str, Any], buffer: int, total: Any
) -> Split:
    """A split whose rows are stamped with its facts and rid of what it excludes."""
    exclude = {key: set(values) for key, values in row.get("exclude", {}).items()}
    stamp = {k: row[k] for k in _STAMPED if k in row}
    for key, values in exclude.items():
        source["exclude"] = f"{key} in {sorted(values)}"
    source |= {k: str(v) for k, v in stamp.items()}

    def rows() -> Any:
        for found in load():
            if not any(found.get(key) in values for key, values in exclude.items()):
                yield stamp | found

    return Split(name, source, rows, buffer, None if exclude else total)


def _folders(data: Path | None) -> list[str]:
    """Names that `data` offers: its folders with a manifest, and itself."""
    if data is None or not data.is_dir():
        return []
    inside = [p.name for p in data.iterdir() if p.is_dir() and manifest_of(p)]
    return inside + ([data.resolve().name] if manifest_of(data) else [])
