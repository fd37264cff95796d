"""The jail: a warm Python parent set up once inside namespaces, forked for every child.

bubblewrap builds the outer wall: a root file system of read-only pieces (the interpreter, /usr and
this package's `inside` folder), no network, no /proc, an empty environment. Each child then gets a
pid, mount and ipc namespace and a user id (as root) or user namespace of its own, a private /tmp,
rlimits, no capability and a system-call filter. Where bubblewrap cannot run, the filter and
Landlock alone have to do, and `layers` says so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from . import seccomp
from .inside.wire import Gone, receive_with_fds, send_with_fds

LAYERS = ("namespaces", "seccomp", "landlock", "rlimits")
_INSIDE = Path(__file__).parent / "inside"
_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED: (~pid << 3) | 2 is the CPU clock of a process
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """What a solution may use. CPU times, not wall times: a busy machine gives the same verdicts.

    Attributes:
        cpu: CPU seconds of one test.
        idle: seconds of one test spent neither running nor waiting for a core (sleep, deadlock).
        memory: bytes of address space of each process.
        processes: processes and threads at one time.
        files: bytes in the private /tmp, and of any one file.
        timeouts: tests of one solution that may time out before the rest count as timed out too.
    """

    cpu: float = 1.0
    idle: float = 5.0
    memory: int = 1 << 30
    processes: int = 8
    files: int = 16 << 20
    timeouts: int = 2

    def plain(self, tests: int) -> dict[str, int]:
        """The limits the kernel enforces on every process of a child that runs `tests` tests."""
        total = int(self.cpu * (tests + 10)) + 10
        return {
            "memory": self.memory,
            "processes": self.processes,
            "files": self.files,
            "cpu_total": total,
        }


class JailError(RuntimeError):
    """The jail itself failed."""


@dataclass
class Child:
    """A jailed process: `pid` in the jail, `pidfd` and `host_pid` here."""

    pid: int
    pidfd: int

    @functools.cached_property
    def host_pid(self) -> int:
        """Its pid in our own namespace, looked up only for those that are watched."""
        return _host_pid(self.pidfd)

    def cpu(self) -> float:
        """CPU seconds used so far by all its threads; 0 after its end."""
        try:
            return time.clock_gettime((~self.host_pid << 3) | _CLOCK_OF_PROCESS)
        except OSError:
            return 0.0

    def queued(self) -> float:
        """Seconds its main thread was ready to run and waited for a core; 0 if unknown."""
        try:
            with open(f"/proc/{self.host_pid}/schedstat") as file:
                return int(file.read().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def kill(self) -> None:
        """End it and, through its pid namespace, everything it started."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


class Jail:
    """A warm parent in its walls. Use from one thread; close when done.

    Raises `UsageError` where `require` names a layer that this machine cannot give.
    """

    def __init__(self, preload: Iterable[str] = (), require: Sequence[str] = ()):
        how = plan()
        missing = [layer for layer in require if layer not in how.layers]
        if missing:
            raise UsageError(
                f"jail: no {', '.join(missing)} here (there is: {', '.join(how.layers)}); "
                "see `podium doctor`"
            )
        self.layers = how.layers
        self._ordered = False  # whether a child is being made
        self._made: Child | None = None
        self._dead: list[int] = []  # pids to reap
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_START_SECONDS)
        fd = theirs.fileno()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the jail)
        self._process = subprocess.Popen(
            [*how.command, *_python(how.inside, how.site), str(fd)],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
            cwd="/",
        )
        theirs.close()
        with contextlib.ExitStack() as stack:
            fds = []
            if how.filter:
                file = stack.enter_context(tempfile.TemporaryFile())
                file.write(how.filter)
                file.flush()
                file.seek(0)
                fds = [file.fileno()]
            setup = {
                "mode": how.mode,
                "preload": [name for name in preload if name in _site_packages()],
                "count_processes": how.mode != "plain" and _kernel() >= (5, 14),
                "readable": how.readable,
            }
            self._ask(setup, fds)

    def _ask(self, request: dict[str, Any], fds: list[int]) -> tuple[Any, list[int]]:
        self._send(request, fds)
        return self._receive()

    def _send(self, request: dict[str, Any], fds: list[int]) -> None:
        try:
            send_with_fds(self._control, request, fds)
        except OSError as error:
            raise self._broken(error) from None

    def _receive(self) -> tuple[Any, list[int]]:
        try:
            return receive_with_fds(self._control)
        except (Gone, OSError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> JailError:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return JailError(f"the jail ended: {said[-1] if said else error}")

    def order(self, role: str, fds: list[int], limits: dict[str, int]) -> None:
        """Ask for a child ("test" or "solution") that holds only these descriptors."""
        self._settle()
        self._send({"role": role, "limits": limits, "forget": self._dead}, fds)
        self._dead, self._ordered = [], True

    def collect(self) -> Child:
        """The child ordered last; the jail makes it while its owner does other things."""
        self._settle()
        assert self._made is not None
        child, self._made = self._made, None
        return child

    def spawn(self, role: str, fds: list[int], limits: dict[str, int]) -> Child:
        """Order a child and wait for it; one that is on order already stays to be collected."""
        self._settle()
        earlier = self._made
        self.order(role, fds, limits)
        child = self.collect()
        self._made = earlier
        return child

    def _settle(self) -> None:
        if self._ordered:
            self._ordered = False
            answer, (pidfd,) = self._receive()
            self._made = Child(answer["pid"], pidfd)

    def reap(self, child: Child) -> int:
        """End a child if it has not ended, and give its wait status."""
        child.kill()
        self._settle()
        answer, _ = self._ask({"reap": child.pid}, [])
        os.close(child.pidfd)
        return answer["status"]

    def discard(self, child: Child) -> None:
        """End a child of no further interest; the jail reaps it when it has time."""
        child.kill()
        os.close(child.pidfd)
        self._dead.append(child.pid)

    def close(self) -> None:
        """End the warm parent, and with it everything in the jail."""
        with contextlib.suppress(JailError):
            self._settle()
            if self._made is not None:
                self.discard(self._made)
            for pid in self._dead:
                self._ask({"reap": pid}, [])
        self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Jail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _host_pid(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        for line in file:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    raise JailError("the kernel does not tell the pid of a pidfd")


# ---------------------------------------------------------------------------------- which walls


@dataclass(frozen=True, slots=True)
class Plan:
    """How to start the warm parent on this machine."""

    mode: str
    layers: tuple[str, ...]
    command: tuple[str, ...]
    filter: bytes
    inside: str = "/jail"
    site: str = "/site"
    readable: tuple[str, ...] = ()


def layers() -> tuple[str, ...]:
    """The layers that a jail started now would have, strongest first."""
    return plan().layers


@functools.cache
def plan() -> Plan:
    """The strongest jail that works here, found by trying."""
    mode = "root" if os.getuid() == 0 else "user"
    if shutil.which("bwrap"):
        command = _bubblewrap(mode)
        tried = subprocess.run(
            [*command, "/usr/bin/true"], capture_output=True, stdin=subprocess.DEVNULL
        )
        if tried.returncode == 0:
            program = seccomp.program("namespaced")
            names = ("namespaces", "seccomp", "rlimits") if program else ("namespaces", "rlimits")
            return Plan(mode, names, command, program)
    return _plain()


def _plain() -> Plan:
    """A jail without namespaces: the filter lets nothing out, Landlock closes the file system."""
    program = seccomp.program("alone")
    names = ("seccomp",) if program else ()
    folders: tuple[str, ...] = ()
    if importlib.util.find_spec("landlockpy"):
        import landlockpy

        if landlockpy.abi_version():
            names = (*names, "landlock")
            wanted = [Path("/usr"), Path("/lib"), Path("/lib64"), Path("/dev/urandom"), _INSIDE]
            wanted += [Path(os.path.realpath(sys.base_prefix)), *_site_packages().values()]
            wanted += [path.with_name(f"{name}.libs") for name, path in _site_packages().items()]
            folders = tuple(str(path) for path in wanted if path.exists())
    site = next((str(path.parent) for path in _site_packages().values()), "/nonexistent")
    return Plan("plain", (*names, "rlimits"), (), program, str(_INSIDE.parent), site, folders)


def _bubblewrap(mode: str) -> tuple[str, ...]:
    """bubblewrap's command line. Paths: see the module's text."""
    # --as-pid-1: the warm parent reaps, and no helper of bubblewrap is left for others to reap
    command = ["bwrap", "--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--setenv", "PYTHONHASHSEED", "0", "--setenv", "OPENBLAS_NUM_THREADS", "1"]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    command += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    if mode == "user":
        command += ["--unshare-user", "--uid", "0", "--gid", "0"]
    else:
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL"]
    for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            command += ["--ro-bind", path, path]
    base = os.path.realpath(sys.base_prefix)
    if not Path(base).is_relative_to("/usr"):
        for parent in reversed(Path(base).parents[:-1]):  # else as closed as a home folder is
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", base, base]
    command += ["--ro-bind", str(_INSIDE), "/jail/inside", "--dir", "/site", "--dir", "/tmp"]
    for name, path in _site_packages().items():
        command += ["--ro-bind", str(path), f"/site/{path.name}"]
        libraries = path.with_name(f"{name}.libs")
        if libraries.is_dir():
            command += ["--ro-bind", str(libraries), f"/site/{libraries.name}"]
    for device in ("null", "zero", "urandom", "random"):
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    return (*command, "--remount-ro", "/", "--chdir", "/")


@functools.cache
def _site_packages() -> dict[str, Path]:
    """The third-party packages that solutions may import, where they are installed."""
    found = {}
    for name in ("numpy",):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            found[name] = Path(spec.origin).parent
    return found


def _python(inside: str, site: str) -> list[str]:
    """The interpreter: no site, no user site, no current folder, no byte code written."""
    start = (
        f"import sys; sys.path[:] = [{inside!r}, *sys.path, {site!r}]; "
        "from inside.zygote import main; main(int(sys.argv[1]))"
    )
    return [os.path.realpath(sys.executable), "-sSPB", "-c", start]


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
