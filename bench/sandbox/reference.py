"""What a reference solution answers: run once in the jail, kept on disk by content."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from .inside.codec import decode, encode
from .inside.wire import Gone, Wire
from .jail import Jail, JailError, Limits
from .problems import Calls, Problem

_LIMITS = Limits(cpu=600.0)  # memory: what a solution has, or no solution could answer
_SECONDS = 300  # for one answer
_VERSION = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """The encoded output (None where the reference has none in its limits) and its CPU seconds."""

    text: str | None
    cpu: float


def expected_outputs(jail: Jail, problem: Problem, calls: Calls) -> list[Expected]:
    """What the reference says to every input, from the cache where it has been asked before."""
    path = _cache() / f"{_digest(problem, calls)}.json.gz"
    if path.is_file():
        return [Expected(*pair) for pair in json.loads(gzip.decompress(path.read_bytes()))]
    outputs = _run(jail, problem, calls)
    if calls.rule == "present":
        outputs = [replace(o, text=o.text and _presence(o.text)) for o in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.{id(outputs)}")
    plain = json.dumps([(o.text, o.cpu) for o in outputs])
    fresh.write_bytes(gzip.compress(plain.encode(), 3))
    fresh.replace(path)
    return outputs


def _presence(text: str) -> str:
    return encode(decode(text.encode()) is not None).decode()


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "podium" / "reference-outputs"


def _digest(problem: Problem, calls: Calls) -> str:
    parts = [_VERSION, problem.entry_point, problem.reference, calls.rule, calls.inputs]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run(jail: Jail, problem: Problem, calls: Calls) -> list[Expected]:
    outputs: list[Expected] = []
    while len(outputs) < len(calls.inputs):
        outputs += _session(jail, problem, calls.inputs[len(outputs) :])
    return outputs


def _session(jail: Jail, problem: Problem, inputs: tuple[str, ...]) -> list[Expected]:
    """Answers of one process of the reference, up to the input that ends it."""
    ours, theirs = socket.socketpair()
    child = jail.spawn("solution", [theirs.fileno()], _LIMITS.plain(len(inputs)))
    theirs.close()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SECONDS, 0))
    wire = Wire(ours.detach())
    outputs: list[Expected] = []
    try:
        wire.send(["load", problem.reference, problem.entry_point])
        tag, *rest = wire.receive()
        if tag != "value":
            raise JailError(f"{problem.task_id}: the reference does not load: {rest}")
        head = b'["calls",' + encode(problem.entry_point) + b",["
        for text in inputs:
            wire.send_bytes(head + text.encode() + b"]]")
            before = child.cpu()
            tag, *rest = wire.receive()
            text_out = encode(rest[0]).decode() if tag == "value" else None
            outputs.append(Expected(text_out, round(child.cpu() - before, 3)))
    except Gone:
        outputs.append(Expected(None, 0.0))
    finally:
        jail.reap(child)
        wire.close()
    return outputs
