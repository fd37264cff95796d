"""Tests in a form that can be judged one by one: pieces of a program, or calls with answers."""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Iterator
from typing import Any

from .codec import Handle, decode, encode
from .compare import RULES

__all__ = ["Calls", "Units", "deque", "make"]
_CHUNK_CALLS, _CHUNK_BYTES = 64, 1 << 16


class Calls:
    """Inputs with the outputs expected for them, compared by a rule of `compare`."""

    problem = ""

    def __init__(self, fields: dict[str, Any]):
        self.entry = fields["entry"]
        self.inputs: list[bytes] = [text.encode() for text in fields["inputs"]]
        self.expected = [_settled(decode(text.encode())) for text in fields["expected"]]
        self.rule, self.atol = RULES[fields["rule"]], fields["atol"]

    def __len__(self) -> int:
        return len(self.inputs)

    def messages(self, tests: range) -> Iterator[tuple[list[int], bytes]]:
        """Questions of many calls each, with the numbers of the tests in each."""
        head = b'["calls",' + encode(self.entry) + b",["
        numbers: list[int] = []
        size = 0
        for number in tests:
            numbers.append(number)
            size += len(self.inputs[number])
            if len(numbers) == _CHUNK_CALLS or size > _CHUNK_BYTES:
                yield numbers, head + b",".join(self.inputs[n] for n in numbers) + b"]]"
                numbers, size = [], 0
        if numbers:
            yield numbers, head + b",".join(self.inputs[n] for n in numbers) + b"]]"

    def good(self, number: int, answer: Any) -> bool:
        """Whether an answer is right."""
        args = decode(self.inputs[number]) if self.rule.needs_input else []
        return self.rule.good(_settled(answer), self.expected[number], args, self.atol)


def _settled(value: Any) -> Any:
    """An iterator as the list of its items: it will be compared more than once."""
    iterates = not isinstance(value, Handle) and hasattr(value, "__next__")
    return list(value) if iterates else value


class Units:
    """A test program cut into pieces, each with an outcome of its own."""

    def __init__(self, entry: str, helpers: str, setup: str, pieces: list[str | ast.Module]):
        self.entry = entry
        self.prelude = setup
        self.problem = ""
        self._helpers = _compiled(helpers) if helpers else None
        self._setup = self._compile_setup(setup)
        self._pieces = pieces
        self.code = [_compiled(piece) for piece in pieces]
        bound = _bound(setup) | {"candidate", entry} | (_bound(helpers) if helpers else set())
        used = set().union(*(_used(piece) for piece in [setup, *pieces]))
        self.free = sorted(used - bound - set(vars(builtins)))

    def _compile_setup(self, setup: str) -> Any:
        try:
            return compile(setup, "<setup>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.problem = f"the test's setup does not parse: {error}"
            return None

    def __len__(self) -> int:
        return len(self.code)

    def namespace(self) -> dict[str, Any]:
        """The names that the problem's helpers and the test's own setup define, made afresh."""
        names: dict[str, Any] = {"__name__": "test"}
        for code in (self._helpers, self._setup):
            if code is not None:
                try:
                    exec(code, names)
                except Exception as error:
                    self.problem = f"the test's setup raised {type(error).__name__}"
        return names

    def rebind(self, names: dict[str, Any], fresh: dict[str, Any]) -> None:
        """Point the proxies of a namespace in use at a new process of the solution."""
        for name in ("candidate", self.entry, *self.free):
            if name in fresh:
                names[name] = fresh[name]

    def jailed(self, number: int) -> str:
        """The piece as text, after the earlier pieces' statements that assert nothing."""
        before = []
        for piece in self._pieces[:number]:
            if isinstance(piece, ast.Module):
                before += [node for node in piece.body if not _asserts(node)]
        piece = self._pieces[number]
        body = piece.body if isinstance(piece, ast.Module) else ast.parse(piece).body
        return ast.unparse(ast.Module(body=[*before, *body], type_ignores=[]))


def make(fields: dict[str, Any]) -> Units | Calls:
    """A suite from plain fields: kind "check", "asserts" or "calls"."""
    if fields["kind"] == "calls":
        return Calls(fields)
    if fields["kind"] == "asserts":
        return Units(fields["entry"], fields["helpers"], fields["setup"], list(fields["tests"]))
    return _check(fields)


def _check(fields: dict[str, Any]) -> Units:
    """A `check(candidate)` program: each top-level statement of `check` that asserts is a test."""
    entry, helpers, test = fields["entry"], fields["helpers"], fields["test"]
    whole = Units(entry, helpers, test, ["check(candidate)"])
    if whole.problem:
        return whole
    tree = ast.parse(test)
    function = next(
        (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"), None
    )
    if function is None or not _splits(function):
        return whole
    pieces: list[ast.Module] = []
    body: list[ast.stmt] = []
    for node in function.body:
        body.append(node)
        if _asserts(node):
            pieces.append(ast.Module(body=body, type_ignores=[]))
            body = []
    if not pieces:
        return whole
    pieces[-1].body.extend(body)
    return Units(entry, helpers, test, list(pieces))


def _asserts(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Assert) for inner in ast.walk(node))


def _splits(function: ast.FunctionDef) -> bool:
    """Whether the body means the same outside its function."""
    arguments = function.args
    names = [a.arg for a in arguments.args]
    plain = names == ["candidate"] and not (arguments.vararg or arguments.kwonlyargs)
    bound_to_function = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.Nonlocal, ast.Global)
    return plain and not any(isinstance(n, bound_to_function) for n in ast.walk(function))


def _compiled(source: str | ast.Module) -> Any:
    """The code; text that does not parse becomes code that raises its SyntaxError when run."""
    try:
        return compile(source, "<test>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return compile(f"raise SyntaxError({str(error)[:200]!r})", "<test>", "exec")


def _tree(source: str | ast.Module) -> ast.AST:
    if isinstance(source, ast.Module):
        return source
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _used(source: str | ast.Module) -> set[str]:
    """Names read anywhere in the source."""
    nodes = ast.walk(_tree(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _bound(source: str | ast.Module) -> set[str]:
    """Names that running the source defines at its top level."""
    names: set[str] = set()
    for node in getattr(_tree(source), "body", []):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
        else:
            stores = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            names |= {n.id for n in stores if isinstance(n.ctx, ast.Store)}
    return names
