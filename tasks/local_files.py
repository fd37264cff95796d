"""Data sets that are one file each: `--data DIR --split NAME` opens DIR/NAME.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from ..bench.errors import UsageError, unknown

SUFFIXES = (".jsonl.gz", ".jsonl", ".json.gz", ".json")


def files(
    data: Path | None, folders: Sequence[str], suffixes: Sequence[str] = SUFFIXES
) -> dict[str, Path]:
    """Split name to file, for every file of these suffixes in DIR and in these folders of it."""
    found: dict[str, Path] = {}
    for folder in () if data is None else (data, *(data / f for f in folders)):
        for path in sorted(folder.glob("*")):
            suffix = next((s for s in suffixes if path.name.endswith(s)), None)
            if suffix and path.is_file() and not path.name.startswith("manifest."):
                found.setdefault(path.name.removesuffix(suffix), path)
    return found


def find(task: str, name: str, mini: Path, data: Path | None, found: dict[str, Path]) -> Path:
    """The file of a split. Raises UsageError, with near names or the need for --data, if none."""
    if name == "mini":
        return mini
    if name in found:
        return found[name]
    if data is None:
        raise UsageError(f'{task}: the split "{name}" is a file; say where with --data DIR')
    raise unknown(f"split of {task}", name, ["mini", *found])


def source(path: Path) -> dict[str, str]:
    """The signature's word on a file: its name and a hash of its bytes."""
    return {"file": path.name, "revision": blake2b(path.read_bytes(), digest_size=8).hexdigest()}
