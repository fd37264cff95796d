"""Any program as a model: JSON lines in, JSON lines out (docs/worker.md)."""

from __future__ import annotations

import base64
import contextlib
import shlex
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from .. import adapter as capabilities
from ..adapter import Adapter, Failure, method_of, response_type
from ..audio import Audio
from ..errors import UsageError, unknown
from ..plain import from_plain, to_json, to_plain
from ..task import Outcome, Request, Response
from ..timing import stage
from .process import Exited, Late, LineProcess

PROTOCOL = 1
STARTS = 3  # attempts to bring a worker back before the run is given up


class Worker(Adapter):
    """`worker:COMMAND`: a program in its own environment and session, spoken to over its pipes.

    It has the capabilities that it names when it starts ("transcribe" if it names none). A batch
    that takes longer than `timeout` seconds has its worker killed and its samples are TIMEOUT; a
    worker that exits leaves its batch's samples as ERROR with its status and last words. Either
    way the next batch has a new worker. Lines on its standard output that are no answer (what
    libraries print) are passed over and counted in `garbage`.

    Raises UsageError where the program cannot be started, says no proper hello within
    `start_timeout` seconds, or is another model after a restart.
    """

    def __init__(self, command: str, timeout: float = 600.0, start_timeout: float = 120.0):
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"worker: cannot read the command {command!r}: {error}") from error
        if not self._command:
            raise UsageError("worker: no command; write worker:PROGRAM ARGUMENTS")
        self._name = Path(self._command[0]).name
        self._timeout, self._start_timeout = timeout, start_timeout
        self._serial = 0
        self.garbage = 0
        self.restarts = 0
        self._process: LineProcess | None = None
        self._hello = self._start()
        self.batched = bool(self._hello.get("batched", False))
        self.sampling_rate = self._hello.get("sampling_rate", 16_000)
        for name in self._hello.get("capabilities", ["transcribe"]):
            capability = _capability(name)
            setattr(self, name, partial(self._call, name, response_type(capability)))

    def _start(self) -> dict[str, Any]:
        """Start the program and return its hello."""
        try:
            process = LineProcess(self._command)
        except OSError as error:
            raise UsageError(f"worker: cannot start {self._name}: {error.strerror}") from error
        # Also at the interpreter's exit: a worker must never outlive the run.
        self._kill = weakref.finalize(self, process.kill)
        try:
            hello = process.ask(
                to_json({"podium": PROTOCOL}), lambda m: "identity" in m, self._start_timeout
            )
        except (Exited, Late) as error:
            self._kill()
            raise UsageError(f"worker: {self._name} said no hello: {error}") from error
        if not isinstance(hello["identity"], dict):
            self._kill()
            raise UsageError(f'worker: {self._name}: "identity" in its hello is not an object')
        self._process = process
        return hello

    def _restarted(self) -> LineProcess:
        """The running worker, or a new one in the place of one that is gone."""
        if self._process is not None and self._process.alive:
            return self._process
        self._drop()
        for _ in range(STARTS - 1):
            with contextlib.suppress(UsageError):
                hello = self._start()
                break
        else:
            hello = self._start()
        if hello["identity"] != self._hello["identity"]:
            raise UsageError(f"worker: {self._name} is another model after a restart")
        self.restarts += 1
        assert self._process is not None
        return self._process

    def _drop(self) -> None:
        if self._process is not None:
            self.garbage += self._process.garbage
            self._process = None
        self._kill()

    def _call(
        self, capability: str, response: type[Response], batch: Sequence[Request]
    ) -> list[Response | Failure]:
        """Send one batch and wait for its responses, in the order of the batch."""
        process = self._restarted()
        number = self._serial
        self._serial += 1
        with tempfile.TemporaryDirectory(prefix="podium-") as folder:
            with stage("features"):
                encode = partial(_plain, way=self._hello.get("audio", "path"), folder=Path(folder))
                items = [{"id": i, **encode(r, i)} for i, r in enumerate(batch)]
                line = to_json({"id": number, "capability": capability, "batch": items})
            try:
                with stage("model"):
                    reply = process.ask(line, partial(_replies, number), self._timeout)
            except (Exited, Late) as error:
                outcome = Outcome.TIMEOUT if isinstance(error, Late) else Outcome.ERROR
                self._drop()
                return [Failure(outcome, f"worker {error}")] * len(batch)
        return _answers(reply, response, len(batch))

    def identity(self) -> Mapping[str, Any]:
        return self._hello["identity"]

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
        self._drop()


def _capability(name: Any) -> type:
    known = {
        method_of(c): c
        for c in vars(capabilities).values()
        if getattr(c, "_is_protocol", False) and c.__module__ == capabilities.__name__
    }
    if name not in known:
        raise unknown("capability", str(name), known)
    return known[name]


def _plain(request: Request, number: int, way: str, folder: Path) -> dict[str, Any]:
    """A request as JSON values; decoded audio as a WAV file's path or as base64 of its samples."""
    if not isinstance(request, Audio):
        return to_plain(request)
    assert request.samples is not None
    value = {"sampling_rate": request.sampling_rate, "seconds": request.seconds}
    if way == "base64":
        samples = base64.b64encode(request.samples.astype("<f4").tobytes()).decode()
        return {**value, "samples": samples}
    import soundfile

    path = folder / f"{number}.wav"
    soundfile.write(path, request.samples, request.sampling_rate, subtype="FLOAT")
    return {**value, "audio": str(path)}


def _replies(number: int, message: dict[str, Any]) -> bool:
    return message.get("id") == number and ("responses" in message or "error" in message)


def _answers(reply: dict[str, Any], response: type[Response], n: int) -> list[Response | Failure]:
    """One response or failure a sample; what the worker left out is an ERROR."""
    if "error" in reply:
        return [_failure(reply)] * n
    given = reply.get("responses")
    if not isinstance(given, list):
        return [Failure(Outcome.ERROR, 'worker: no "responses" in its answer')] * n
    by_id = {r.pop("id", None): r for r in given if isinstance(r, dict)}
    missing = {"error": "worker: no response for this sample"}
    return [_answer(by_id.get(i, missing), response) for i in range(n)]


def _answer(value: dict[str, Any], response: type[Response]) -> Response | Failure:
    if "error" in value:
        return _failure(value)
    try:
        answer = from_plain(response, value)
        for name, hint in get_type_hints(response).items():
            if hint is str and not isinstance(getattr(answer, name), str):
                raise TypeError(f'"{name}" is not text')
    except (KeyError, TypeError, ValueError) as error:
        return Failure(Outcome.ERROR, f"worker: a response that is no {response.__name__}: {error}")
    return answer


def _failure(value: dict[str, Any]) -> Failure:
    """What a worker says of a sample that it could not answer, out of memory included."""
    outcomes = {str(o): o for o in Outcome if not o.answered}
    outcome = outcomes.get(value.get("outcome", "error"), Outcome.ERROR)
    return Failure(outcome, str(value["error"]))
