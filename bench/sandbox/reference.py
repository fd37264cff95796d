"""What a reference solution answers: run once in the jail, kept on disk by content."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
from pathlib import Path

from .inside.codec import decode, encode
from .inside.wire import Gone, Wire
from .jail import Jail, JailError, Limits
from .problems import Calls, Problem

_LIMITS = Limits(cpu=600.0, memory=4 << 30)
_SECONDS = 300  # for one answer
_VERSION = 1


def expected_outputs(jail: Jail, problem: Problem, calls: Calls) -> list[str]:
    """The encoded output for every input. Raises `JailError` if the reference fails on one."""
    path = _cache() / f"{_digest(problem, calls)}.json.gz"
    if path.is_file():
        return json.loads(gzip.decompress(path.read_bytes()))
    outputs = _run(jail, problem, calls)
    if calls.rule == "present":
        outputs = [encode(decode(text.encode()) is not None).decode() for text in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.{id(outputs)}")
    fresh.write_bytes(gzip.compress(json.dumps(outputs).encode(), 3))
    fresh.replace(path)
    return outputs


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "podium" / "reference-outputs"


def _digest(problem: Problem, calls: Calls) -> str:
    parts = [_VERSION, problem.entry_point, problem.reference, calls.rule, calls.inputs]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run(jail: Jail, problem: Problem, calls: Calls) -> list[str]:
    ours, theirs = socket.socketpair()
    child = jail.spawn("solution", [theirs.fileno()], _LIMITS.plain(len(calls.inputs)))
    theirs.close()
    ours.settimeout(_SECONDS)
    wire = Wire(ours)
    outputs = []
    try:
        wire.send(["load", problem.reference, problem.entry_point])
        tag, *rest = wire.receive()
        if tag != "value":
            raise JailError(f"{problem.task_id}: the reference does not load: {rest}")
        for number, text in enumerate(calls.inputs):
            wire.send_bytes(
                b'["calls",' + encode(problem.entry_point) + b",[" + text.encode() + b"]]"
            )
            tag, *rest = wire.receive()
            if tag != "value":
                raise JailError(f"{problem.task_id}: the reference {tag} on input {number}: {rest}")
            outputs.append(encode(rest[0]).decode())
    except Gone as error:
        raise JailError(f"{problem.task_id}: the reference ended: {error}") from None
    finally:
        jail.reap(child)
        wire.close()
    return outputs
