"""The solution's side: runs the solution and answers calls with plain data.

Whatever the solution does to this process, all that leaves it is bytes the other side decodes.
"""

from __future__ import annotations

import copy
import gc
import sys
import types
from typing import Any

from .codec import CodecError, decode, encode
from .wire import Gone, Wire

MODULE = "solution"


class Solution:
    """The namespace of one solution, and the values that stay behind it."""

    def __init__(self) -> None:
        self.module = types.ModuleType(MODULE)
        sys.modules[MODULE] = self.module
        self.names = self.module.__dict__
        self.handles: list[Any] = []
        self.message = b""  # the question being answered

    def load(self, source: str, entry: str) -> list[Any]:
        """Run the module. `entry` names the function that `candidate` is in jailed units."""
        exec(compile(source, "<solution>", "exec", dont_inherit=True), self.names)
        self.entry = entry
        return ["value", entry in self.names or not entry, None]

    def describe(self, names: list[str]) -> list[Any]:
        """For each name: "callable", "value" or "missing"."""
        kinds = {}
        for name in names:
            if name not in self.names:
                kinds[name] = "missing"
            else:
                kinds[name] = "callable" if callable(self.names[name]) else "value"
        return ["value", kinds, None]

    def get(self, name: str) -> list[Any]:
        """A global value of the solution."""
        return ["value", self.names[name], None]

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Call a function."""
        return ["value", self.names[name](*args, **kwargs), None]

    def watched(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Call a function; its arguments come back too, if the call changed them."""
        result = self.names[name](*args, **kwargs)
        after = encode(["watched", name, args, kwargs], self.handles)
        return ["value", result, None if after == self.message else [args, kwargs]]

    def unit(self, prelude: str, source: str) -> list[Any]:
        """The marked fallback: a piece of the test run here, because it cannot run elsewhere."""
        names = dict(self.names)
        names["candidate"] = self.names.get(self.entry)
        exec(compile(prelude, "<test>", "exec", dont_inherit=True), names)
        names.update({k: v for k, v in self.names.items() if not k.startswith("__")})
        exec(compile(source, "<test>", "exec", dont_inherit=True), names)
        return ["value", True, None]


def main(fd: int) -> None:
    """Answer until the other side closes."""
    wire = Wire(fd)
    solution = Solution()
    gc.enable()
    try:
        while True:
            message = wire.receive_bytes()
            action, *rest = decode(message, solution.handles)
            if action == "calls":
                name, inputs = rest
                for args in inputs:
                    wire.send_bytes(_answer(solution, "call", [name, args, {}]))
            else:
                solution.message = message
                wire.send_bytes(_answer(solution, action, rest))
    except (Gone, CodecError):
        return


def _answer(solution: Solution, action: str, rest: list[Any]) -> bytes:
    try:
        return encode(getattr(solution, action)(*rest), solution.handles)
    except MemoryError:
        return encode(["memory"])
    except CodecError as error:
        return encode(["unplain", str(error)])
    except BaseException as error:
        return encode(["raised", *_described(error)])


def _described(error: BaseException) -> tuple[list[str], str]:
    """The class names of an exception, own first, and its message."""
    names = [str(kind.__name__) for kind in type(error).__mro__]
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return names, copy.copy(text).encode("utf-8", "replace").decode()
