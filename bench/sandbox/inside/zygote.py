"""The warm parent inside the jail: forks a confined child on request and tells how it ended.

It runs no code but this package's, and sees neither tests nor solutions: those go over sockets
that it hands to its children unopened.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import random
import socket
import sys
from typing import Any

from . import confine, runner, tester
from .wire import Gone, Wire, receive_with_fds, send_with_fds

COMMON = (  # noqa: SIM905  what solutions import most: read once, shared by every fork
    "abc bisect collections copy dataclasses datetime decimal enum fractions functools hashlib "
    "heapq io itertools json math operator random re statistics string struct time types typing"
).split()
_CONFINEMENT_FAILED = 97


def main(control_fd: int) -> None:
    """Serve spawn and reap requests until the control socket closes."""
    control = socket.socket(fileno=control_fd)
    setup, fds = receive_with_fds(control)
    filter_fd = fds[0] if fds else -1
    with open(filter_fd, "rb") if fds else contextlib.nullcontext() as file:
        seccomp = file.read() if file else b""
    readable = tuple(setup["readable"])
    how = confine.Confinement(setup["mode"], seccomp, setup["count_processes"], readable)
    for name in (*COMMON, *setup["preload"], *(["landlockpy"] if readable else [])):
        importlib.import_module(name)
    own_namespaces = os.pidfd_open(os.getpid())
    gc.collect()
    gc.freeze()
    send_with_fds(control, {"ready": True}, [])
    for number in range(sys.maxsize):
        try:
            request, fds = receive_with_fds(control)
        except Gone:
            os._exit(0)
        if "reap" in request:
            _, status, usage = os.wait4(request["reap"], 0)
            answer = {"status": status, "rss": usage.ru_maxrss * 1024}
            send_with_fds(control, answer, [])
        else:
            pid = _fork(request, fds, how, own_namespaces, number)
            pidfd = os.pidfd_open(pid)
            send_with_fds(control, {"pid": pid}, [pidfd])
            os.close(pidfd)
            for dead in request["forget"]:
                os.waitpid(dead, 0)
        for fd in fds:
            os.close(fd)


def _fork(
    request: dict[str, Any], fds: list[int], how: confine.Confinement, own: int, number: int
) -> int:
    """Fork a child as the first process of its own pid namespace, so that its end ends all."""
    namespaced = how.mode != "plain"
    if namespaced:
        confine.unshare(confine.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        if namespaced:
            confine.enter(own, confine.CLONE_NEWPID)  # or the next child would join the last one
        return pid
    try:
        kept = _keep_only(fds)
        confine.confine(how, number, request["limits"])
    except BaseException as error:
        with contextlib.suppress(BaseException):
            Wire(fds[0]).send(["unconfined", f"{error!r}"[:300], ""])
        os._exit(_CONFINEMENT_FAILED)
    os.dup2(0, 2)  # the jail's own complaints end here
    random.seed(0)
    sys.argv = [""]
    try:
        (tester if request["role"] == "test" else runner).main(*kept)
    finally:
        os._exit(0)


def _keep_only(fds: list[int]) -> list[int]:
    """Close every descriptor but these (and the null ones below 3)."""
    edge = 3
    for fd in sorted(fds):
        os.closerange(edge, fd)
        edge = fd + 1
    os.closerange(edge, 1 << 20)
    return fds


if __name__ == "__main__":
    main(int(sys.argv[1]))
