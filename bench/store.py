"""Run folders: append, resume, read.

    run.json       what was measured and what came out; replaced in one step, at start and end
    records.jsonl  one line a sample, appended as its batch finishes
    profile.json   stage times and the utilisation timeline

`kill -9` at any moment loses the batch in flight and nothing else: records are written to the file
itself, whole batches at a time. The last record of a batch carries its timing; a batch without its
end, or with a damaged line, is removed on the next opening, with all that follows it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

from .errors import UsageError
from .plain import to_json
from .signature import first_difference

SCHEMA = 1
RECORDS, RUN, PROFILE = "records.jsonl", "run.json", "profile.json"
KEYS = {"id", "batch", "outcome", "response", "target", "by", "statistics"}
"""What every record has; `message` and `timing` come with some."""


class RunFolder:
    """A run folder open for writing; it is locked until closed."""

    def __init__(self, path: Path, signature: Mapping[str, Any], fresh: bool = False) -> None:
        """Open or make the folder for a run with this signature.

        Raises UsageError if another process writes to it, or if it holds another run.
        """
        self.path = path
        self.done: dict[str, bytes] = {}
        self.batches = 0
        self.repaired = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path / RECORDS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UsageError(f"{path}: cannot write there ({error.strerror})") from error
        try:
            self._lock()
            if fresh:
                os.ftruncate(self._file, 0)
                (path / RUN).unlink(missing_ok=True)
            self.document = self._begin(signature)
            self._recover()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @property
    def complete(self) -> bool:
        """Whether the run in this folder has finished, and its records are all there."""
        return is_complete(self.document) and len(self.done) == _expected(self.document)

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write one batch's records: all of them, or, on a full disk, none and a UsageError.

        The last one must have a `timing`: it says that the batch is whole.
        """
        data = "".join(to_json(r) + "\n" for r in records).encode()
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            os.ftruncate(self._file, end)
            raise UsageError(
                f"{self.path / RECORDS}: cannot write ({error.strerror}); {len(self.done)} samples "
                "are safe; make room, then start the same command again to go on"
            ) from error
        for record in records:
            self.done[record["id"]] = target_digest(record["target"])
        self.batches += 1

    def finish(self, document: Mapping[str, Any], profile: Mapping[str, Any]) -> None:
        """Write the profile, then the run; the run is complete once this returns."""
        os.fsync(self._file)
        _replace(self.path / PROFILE, profile)
        _replace(self.path / RUN, {"schema": SCHEMA, "status": "complete", **document})

    def records(self) -> Iterator[dict[str, Any]]:
        """The records written so far, in the order they were written."""
        return read_records(self.path)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self.path}: another run is writing to this folder; wait for it, or give --out"
            ) from None

    def _begin(self, signature: Mapping[str, Any]) -> dict[str, Any]:
        if (self.path / RUN).exists():
            document = read_document(self.path)
            name = first_difference(document["signature"]["resume"], signature)
            if name:
                raise UsageError(
                    f"{self.path}: holds a run with another {name}; give another --out, "
                    "or --fresh to replace it"
                )
            return document
        if os.fstat(self._file).st_size:
            raise UsageError(
                f"{self.path}: has records but no {RUN}; give another --out or --fresh"
            )
        document = {"schema": SCHEMA, "status": "running", "signature": {"resume": signature}}
        _replace(self.path / RUN, document)
        return document

    def _recover(self) -> None:
        """Read what is there; cut off a damaged end; remember which samples are done."""
        good = read = 0
        batch: list[dict[str, Any]] = []
        with open(self.path / RECORDS, "rb") as file:
            for line in file:
                record = _parsed(line)
                if record is None:
                    break
                read += len(line)
                batch.append(record)
                if "timing" not in record:
                    continue
                self.done.update((r["id"], target_digest(r["target"])) for r in batch)
                self.batches = max(self.batches, record["batch"] + 1)
                good, batch = read, []
        size = os.fstat(self._file).st_size
        if good < size:
            self.repaired = size - good
            os.ftruncate(self._file, good)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A whole record; None if the line was cut short or damaged."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.keys() >= KEYS else None


def target_digest(target: Any) -> bytes:
    """Eight bytes that tell whether a sample's reference is still the one that was recorded."""
    return blake2b(to_json(target).encode(), digest_size=8).digest()


def read_document(path: Path) -> dict[str, Any]:
    """A folder's `run.json`. Raises UsageError if there is none, or if it is of a later schema."""
    try:
        document = json.loads((path / RUN).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: not a run folder (no {RUN})") from None
    except OSError as error:
        raise UsageError(f"{path / RUN}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path / RUN}: not JSON ({error})") from error
    if not isinstance(document, dict) or "resume" not in document.get("signature", ()):
        raise UsageError(f"{path / RUN}: not what a run writes; give another folder")
    if document.get("schema") != SCHEMA:
        raise UsageError(f"{path / RUN}: schema {document.get('schema')}, this is {SCHEMA}")
    return document


def is_complete(document: Mapping[str, Any]) -> bool:
    """Whether a `run.json` is that of a finished run."""
    return document.get("status") == "complete"


def _expected(document: Mapping[str, Any]) -> int:
    return sum(document["outcomes"].values())


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """A folder's records. Raises UsageError, naming the line, where one is damaged."""
    try:
        with open(path / RECORDS, "rb") as file:
            for number, line in enumerate(file, 1):
                record = _parsed(line)
                if record is None:
                    raise UsageError(f"{path / RECORDS}:{number}: damaged; {_MEND}")
                yield record
    except OSError as error:
        raise UsageError(f"{path / RECORDS}: cannot be read ({error.strerror})") from error


_MEND = "start the run's command again: it measures what is missing"


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file in one step: a reader sees the old one or the new one."""
    scratch = path.with_suffix(".partial")
    try:
        with open(scratch, "w", encoding="utf-8") as file:
            file.write(to_json(document, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise UsageError(
            f"{path}: cannot write ({error.strerror}); the samples are safe; make room, then start "
            "the same command again"
        ) from error


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder."""

    path: Path
    document: dict[str, Any] = field(repr=False)

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, in the order they were written.

        Raises UsageError where one is damaged, or where some are gone.
        """
        found = 0
        for record in read_records(self.path):
            found += 1
            yield record
        if found != (n := _expected(self.document)):
            raise UsageError(f"{self.path / RECORDS}: {found} of {n} records are there; {_MEND}")

    @property
    def profile(self) -> dict[str, Any]:
        """`profile.json`: stage times, utilisation and its timeline. Raises UsageError."""
        path = self.path / PROFILE
        try:
            return json.loads(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise UsageError(f"{path}: not JSON ({error})") from error


def load_run(path: Path | str) -> Run:
    """Read a run folder. Raises UsageError if it is none, or if the run has not finished."""
    path = Path(path)
    document = read_document(path)
    if not is_complete(document):
        raise UsageError(
            f"{path}: this run has not finished; start the same command again to go on"
        )
    return Run(path, document)
