"""What a forked child gives up before it runs anything: namespaces, rights, system calls."""

from __future__ import annotations

import ctypes
import os
import resource
from dataclasses import dataclass
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
_MS_NOSUID_NODEV = 2 | 4
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_FIRST_UID = 1_900_000_000  # children of a root jail get user ids that nothing else has


@dataclass(frozen=True)
class Confinement:
    """How this jail confines: `mode` is "root", "user" (of a user namespace) or "plain"."""

    mode: str
    seccomp: bytes
    count_processes: bool  # whether RLIMIT_NPROC counts a child's own processes only
    readable: tuple[str, ...] = ()  # the only folders left to read, where Landlock is the wall


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare(flags: int) -> None:
    """Leave namespaces (os.unshare is newer than the oldest Python supported)."""
    _check(_LIBC.unshare(flags), "unshare")


def enter(pidfd: int, flags: int) -> None:
    """Enter the namespaces of a process."""
    _check(_LIBC.setns(pidfd, flags), "setns")


def confine(how: Confinement, number: int, limits: dict[str, Any]) -> None:
    """Confine this process. `number` tells the jail's children apart.

    Raises OSError where a layer that the jail promises cannot be had.
    """
    os.setsid()
    if how.mode != "plain":
        unshare(CLONE_NEWNS | (0 if how.seccomp else CLONE_NEWIPC))  # the filter refuses ipc
        size = f"size={limits['files']},nr_inodes=4096,mode=1777".encode()
        _check(_LIBC.mount(b"tmp", b"/tmp", b"tmpfs", _MS_NOSUID_NODEV, size), "mount")
        os.chdir("/tmp")
    if how.mode == "user":
        unshare(CLONE_NEWUSER)
    elif how.mode == "root":
        uid = _FIRST_UID + number % 1_000_000
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)  # and with user 0 go all capabilities
    _set_limits(how, limits)
    if how.mode != "root":
        _drop_capabilities()
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if how.readable:
        _close_file_system(how.readable)
    if how.seccomp:
        _load_filter(how.seccomp)


def _set_limits(how: Confinement, limits: dict[str, Any]) -> None:
    wanted = {
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_CPU: limits["cpu_total"],
        resource.RLIMIT_FSIZE: limits["files"],
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if how.count_processes:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for which, value in wanted.items():
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _close_file_system(readable: tuple[str, ...]) -> None:
    import landlockpy  # the warm parent has loaded it

    access = landlockpy.AccessFS
    with landlockpy.Ruleset() as rules:
        for path in readable:
            folder = access.READ_DIR | access.EXECUTE if os.path.isdir(path) else access.NONE
            rules.allow_path(path, access.READ_FILE | folder)
        rules.restrict()


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_capabilities() -> None:
    _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, none = _CapHeader(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _check(_LIBC.capset(ctypes.byref(header), none), "capset")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _load_filter(instructions: bytes) -> None:
    program = _Program(len(instructions) // 8, instructions)
    _check(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program), 0, 0), "seccomp")
