"""What programs answer to the same inputs, jailed: for comparing programs with one another."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from .inside.codec import CodecError, encode
from .inside.wire import Gone, Wire
from .jail import Child, Jail, Limits

_TICK_MS = 50
_UNORDERED = ("set", "frozenset", "dict", "counter")
_DIGITS = 12  # of a float: programs that add in another order still agree


def answers(
    jail: Jail,
    program: str,
    entry_point: str,
    inputs: Sequence[Sequence[Any]],
    limits: Limits,
) -> list[str | None]:
    """One text an input (a list of arguments), the same for equal answers.

    None where the program raises, has no plain answer, or takes more than `limits.cpu` seconds of
    CPU time or `limits.idle` of waiting; after `limits.timeouts` of these, None for the rest.
    Raises `JailError` if the jail fails, `CodecError` for an input that is not plain.
    """
    asked = [encode(list(arguments)) for arguments in inputs]
    found: list[str | None] = []
    timeouts = 0
    while len(found) < len(asked) and timeouts < limits.timeouts:
        some, timed_out = _session(jail, program, entry_point, asked[len(found) :], limits)
        found += some
        timeouts += timed_out
        if not some:  # it does not load
            break
    return found + [None] * (len(asked) - len(found))


def _session(
    jail: Jail, program: str, entry_point: str, asked: Sequence[bytes], limits: Limits
) -> tuple[list[str | None], bool]:
    """Answers of one process, up to the input that ends it; whether that was by its time."""
    ours, theirs = socket.socketpair()
    child = jail.spawn("solution", [theirs.fileno()], limits.plain(len(asked)))
    theirs.close()
    wire = Wire(ours.detach())
    found: list[str | None] = []
    loaded = False
    try:
        wire.send(["load", program, entry_point])
        if not _ready(wire, child, limits):
            return found, True
        tag, defined = json.loads(wire.receive_bytes())[:2]
        if tag != "value" or defined is not True:
            return found, False
        loaded = True
        head = b'["calls",' + encode(entry_point) + b",["
        for text in asked:
            wire.send_bytes(head + text + b"]]")
            if not _ready(wire, child, limits):
                return [*found, None], True
            found.append(_canonical(wire.receive_bytes()))
    except (Gone, CodecError, ValueError, TypeError, RecursionError):
        return ([*found, None] if loaded else found), False  # it ended itself, or sent nonsense
    finally:
        jail.reap(child)
        wire.close()
    return found, False


def _ready(wire: Wire, child: Child, limits: Limits) -> bool:
    """Wait for an answer; False when the child has used its time."""
    poller = select.poll()
    poller.register(wire.fd, select.POLLIN)
    ran, began = child.cpu(), time.monotonic()
    queued = child.queued()
    while not poller.poll(_TICK_MS):
        used = child.cpu() - ran
        idle = time.monotonic() - began - used - (child.queued() - queued)
        if used > limits.cpu or idle > limits.idle:
            return False
    return True


def _canonical(message: bytes) -> str | None:
    tag, value, *_ = json.loads(message)
    if tag != "value" or '"handle"' in message.decode():
        return None
    return json.dumps(_settled(value))


def _settled(value: Any) -> Any:
    """Sets and mappings in one order, floats rounded, whole floats as integers: as `==` has it."""
    if isinstance(value, float):
        value = float(f"{value:.{_DIGITS}g}")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, list):
        return [_settled(v) for v in value]
    if isinstance(value, dict):
        found = {key: _settled(v) for key, v in value.items()}
        for key in _UNORDERED:
            if isinstance(found.get(key), list):
                found[key] = sorted(found[key], key=json.dumps)
        return found
    return value
