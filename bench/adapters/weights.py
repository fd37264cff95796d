"""What a model's files are, in one hash: for weights that no hub revision names."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def weights_hash(path: Path | str) -> str:
    """SHA-256 in hexadecimal of a file, or of a folder: its files' relative names and contents.

    Whole files are read (several at once: hashing leaves the interpreter lock), since weights that
    differ in one byte are other weights. Hidden files and byte-code are no part of a model.
    Raises OSError where a file cannot be read.
    """
    path = Path(path)
    if path.is_file():
        return _file_hash(path)
    files = sorted(f for f in path.rglob("*") if f.is_file() and not _ignored(f.relative_to(path)))
    if not files:
        raise FileNotFoundError(f"{path}: no files to hash")
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(_file_hash, files))
    lines = [f"{f.relative_to(path).as_posix()}\0{h}\n" for f, h in zip(files, hashes, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _ignored(name: Path) -> bool:
    return name.suffix == ".pyc" or any(part.startswith(".") for part in name.parts)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
