"""Rows of a data set on the hub (or in the hub's layout on disk), at a revision that is locked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .audio import Audio, duration
from .errors import UsageError
from .local import Row

_INSTALL = "data sets on the hub need pip install 'podium[hub]'"
HASH = re.compile(r"[0-9a-f]{40}")


def lock_file() -> Path:
    """Where resolved revisions are kept: `$PODIUM_LOCK`, or `podium.lock` in this directory."""
    return Path(os.environ.get("PODIUM_LOCK", "podium.lock"))


def revision_of(name: str, wanted: str | None = None) -> str:
    """The commit hash of a data set: from the lock file, else asked of the hub once and locked.

    `wanted` is a hash (taken as it is) or a branch or tag (asked for, not locked). A folder gives
    `local:` and a hash of what is in it. Raises UsageError where the hub cannot be asked.
    """
    if Path(name).is_dir():
        return "local:" + _contents(Path(name))
    if wanted is not None and HASH.fullmatch(wanted):
        return wanted
    locked = _read_lock()
    if wanted is None and name in locked:
        return locked[name]["revision"]
    revision = _ask(name, wanted)
    if wanted is None:
        _lock(name, revision)
    return revision


def hub_rows(
    name: str,
    config: str | None = None,
    split: str = "test",
    columns: Mapping[str, str] | None = None,
    streaming: bool = True,
    revision: str | None = None,
    require: Sequence[str] = (),
) -> Iterator[Row]:
    """Rows of one split, as `local.local_rows` gives them, the audio still encoded.

    `columns` maps our keys to the set's columns; other columns are kept as they are. A set without
    ids is numbered; an id that comes again gets `#2`, `#3` (what is on the hub is not the user's
    to mend). Needs `datasets`; raises UsageError where that, the set, or a column is missing.
    """
    loaded = _load(name, config, split, streaming, revision or revision_of(name))
    used: dict[str, int] = {}
    with _clear(name, config):
        for index, found in enumerate(loaded):
            row = dict(found)
            for ours, theirs in (columns or {}).items():
                if theirs in row:
                    row[ours] = row.pop(theirs)
            missing = [key for key in require if row.get(key) is None]
            if missing:
                has = ", ".join(sorted(map(str, row)))
                raise UsageError(f'{name} ({config}, {split}): no "{missing[0]}" among {has}')
            key = str(row.pop("id", f"{index:06d}"))
            used[key] = used.get(key, 0) + 1
            row = {"id": key if used[key] == 1 else f"{key}#{used[key]}", **row}
            if isinstance(row.get("audio"), dict):
                row["audio"] = _audio(row["audio"])
                if row.get("duration") is None:
                    row["duration"] = duration(row["audio"])
            yield row


def _load(name: str, config: str | None, split: str, streaming: bool, revision: str) -> Any:
    datasets = _datasets()
    local = revision.startswith("local:")
    with _clear(name, config):
        rows = datasets.load_dataset(
            str(Path(name).resolve()) if local else name,
            config,
            split=split,
            streaming=streaming,
            revision=None if local else revision,
        )
    for column, feature in (rows.features or {}).items():
        if isinstance(feature, datasets.Audio):
            rows = rows.cast_column(column, datasets.Audio(decode=False))
    return rows


def _audio(value: Mapping[str, Any]) -> Audio:
    """Encoded audio as `datasets` hands it over: bytes, or a path (an address while streaming)."""
    path = value.get("path")
    if value.get("bytes") is not None:
        return Audio(encoded=value["bytes"])
    if path and "://" in path:
        import fsspec

        with fsspec.open(path, "rb") as file:
            return Audio(encoded=file.read())  # type: ignore[union-attr]
    return Audio(path=Path(path or ""))


def _datasets() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise UsageError(_INSTALL) from error
    return datasets


@contextmanager
def _clear(name: str, config: str | None) -> Iterator[None]:
    """What `datasets` raises, and its many transports, as one line that names the set."""
    try:
        yield
    except (UsageError, MemoryError, GeneratorExit):
        raise
    except Exception as error:
        what = name if config is None else f"{name} ({config})"
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise UsageError(f"{what}: cannot be loaded: {first[0]}") from error


def _ask(name: str, wanted: str | None) -> str:
    if find_spec("datasets") is None:
        raise UsageError(_INSTALL)
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import RepositoryNotFoundError

    offline = f"{name}: its revision is not in {lock_file()} and"
    if HF_HUB_OFFLINE:
        raise UsageError(f"{offline} HF_HUB_OFFLINE is set; resolve it once online, or use --data")
    try:
        revision = HfApi().dataset_info(name, revision=wanted).sha
    except RepositoryNotFoundError as error:
        raise UsageError(f"no data set {name} on the hub, or it needs `hf auth login`") from error
    except Exception as error:  # every transport has its own, and each means the same to the user
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise UsageError(f"{offline} the hub cannot be asked ({first[0]}); use --data") from error
    if revision is None or not HASH.fullmatch(revision):
        raise UsageError(f"{name}: the hub named no commit ({revision!r})")
    return revision


def _read_lock() -> dict[str, dict[str, str]]:
    path = lock_file()
    if not path.exists():
        return {}
    try:
        locked = json.loads(path.read_text(encoding="utf-8"))
        if all(HASH.fullmatch(entry["revision"]) for entry in locked.values()):
            return locked
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path}: not a lock file ({error}); mend or delete it") from error
    raise UsageError(f"{path}: holds a revision that is no commit hash; mend or delete it")


def _lock(name: str, revision: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    locked = _read_lock() | {name: {"revision": revision, "resolved": now}}
    path = lock_file()
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(locked, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(path)


def _contents(folder: Path) -> str:
    """A hash of the names and bytes of all files that are not hidden."""
    digest = hashlib.blake2b(digest_size=20)
    files = [p for p in folder.rglob("*") if p.is_file()]
    for path in sorted(files):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        digest.update(f"{name.as_posix()}:{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
