"""Inputs for a function nobody has tests for: from its examples, and from its type hints."""

from __future__ import annotations

import ast
import random
from typing import Any
from zlib import crc32

from .docstring import examples, signature

_WORDS = ("", "a", "ab", "aba", "hello", "Hello World", "abc 123", "zz top", "racecar", "(()())")
_TRIES = 20


def inputs(prompt: str, entry_point: str, n: int, seed: int = 0) -> list[list[Any]]:
    """Up to n different argument lists; always the same for the same problem and seed.

    First the arguments of the problem's examples, then variations of them in turn with values made
    from the type hints. Empty for a function with neither.
    """
    rng = random.Random(crc32(f"{seed}:{entry_point}:{prompt}".encode("utf-8", "surrogatepass")))
    shown = [list(e.arguments) for e in examples(prompt, entry_point)]
    hints = _hints(prompt, entry_point)
    found: dict[str, list[Any]] = {}
    for arguments in shown:
        found.setdefault(repr(arguments), arguments)
    for attempt in range(n * _TRIES):
        if len(found) >= n or not (shown or hints):
            break
        if shown and (attempt % 2 == 0 or not hints):
            arguments = _varied(rng.choice(shown), rng)
        else:
            arguments = [_made(hint, rng) for hint in hints or ()]
        found.setdefault(repr(arguments), arguments)
    return list(found.values())[:n]


def _hints(prompt: str, entry_point: str) -> list[ast.expr] | None:
    """The annotations of all parameters; None unless each has one that is understood."""
    function = signature(prompt, entry_point)
    if function is None or not function.args.args:
        return None
    hints = [a.annotation for a in function.args.args]
    known = [h for h in hints if h is not None and _understood(h)]
    return known if len(known) == len(hints) else None


_SCALARS = {"int", "float", "str", "bool", "any", "object"}
_HOLDERS = {"list", "tuple", "set", "dict", "optional", "union", "sequence", "iterable"}


def _name(hint: ast.expr) -> str:
    return str(getattr(hint, "id", getattr(hint, "attr", ""))).lower()


def _understood(hint: ast.expr) -> bool:
    if isinstance(hint, ast.Subscript):
        return _name(hint.value) in _HOLDERS and all(map(_understood, _inner(hint)))
    if isinstance(hint, ast.Constant):
        return hint.value in (None, ...)
    return _name(hint) in _SCALARS | _HOLDERS


def _inner(hint: ast.Subscript) -> list[ast.expr]:
    return list(hint.slice.elts) if isinstance(hint.slice, ast.Tuple) else [hint.slice]


def _made(hint: ast.expr, rng: random.Random) -> Any:
    """A value of a type, small and simple as edge cases are."""
    inner = _inner(hint) if isinstance(hint, ast.Subscript) else []
    name = _name(hint.value if isinstance(hint, ast.Subscript) else hint)
    if isinstance(hint, ast.Constant):
        return None
    if name in ("optional", "union"):
        return _made(rng.choice(inner), rng)
    if name == "dict":
        key, value = inner if len(inner) == 2 else (ast.Name("str"), ast.Name("int"))
        return {_made(key, rng): _made(value, rng) for _ in range(rng.randrange(4))}
    if name == "tuple" and inner and not isinstance(inner[-1], ast.Constant):
        return tuple(_made(i, rng) for i in inner)
    if name in _HOLDERS:
        items = [_made(inner[0] if inner else ast.Name("int"), rng) for _ in range(_length(rng))]
        return tuple(items) if name == "tuple" else set(items) if name == "set" else items
    return _scalar(name, rng)


def _length(rng: random.Random) -> int:
    return rng.choice((0, 1, 2, 3, 5, 8))


def _scalar(name: str, rng: random.Random) -> Any:
    if name == "bool":
        return rng.random() < 0.5
    if name == "float":
        return round(rng.choice((0.0, 1.0, rng.uniform(-10, 10), rng.uniform(0, 100))), 2)
    if name == "str":
        letters = "".join(rng.choice("aabbcdeXYZ 019.,()") for _ in range(_length(rng)))
        return rng.choice((rng.choice(_WORDS), letters))
    return rng.choice((0, 1, 2, rng.randint(-10, 10), rng.randint(0, 100)))


def _varied(arguments: list[Any], rng: random.Random) -> list[Any]:
    """The arguments with one of them changed, or two."""
    varied = list(arguments)
    for place in rng.sample(range(len(varied)), min(len(varied), rng.choice((1, 1, 2)))):
        varied[place] = _change(varied[place], rng)
    return varied


def _change(value: Any, rng: random.Random) -> Any:
    """A value of the same kind, near this one."""
    if isinstance(value, bool) or value is None:
        return rng.random() < 0.5 if value is not None else None
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, 0, value * 2, rng.randint(0, 50)))
    if isinstance(value, float):
        return rng.choice((value + 0.5, -value, 0.0, round(value * 1.5, 3)))
    if isinstance(value, (list, tuple, str)):
        return _change_sequence(value, rng)
    if isinstance(value, dict):
        kept = [key for key in value if rng.random() < 0.7]
        return {key: _change(value[key], rng) for key in kept}
    if isinstance(value, set):
        return {item for item in value if rng.random() < 0.7}
    return value


def _change_sequence(value: Any, rng: random.Random) -> Any:
    cut = rng.randrange(len(value) + 1)
    how = rng.randrange(6)
    if how == 0:
        return value[:cut]
    if how == 1:
        return value[::-1]
    if how == 2:
        return value + value[:cut]
    if how == 3:
        return value[cut:] + value[:cut]
    items = list(value)
    if items:
        place = rng.randrange(len(items))
        if isinstance(value, str):
            items[place] = rng.choice((rng.choice("abXY 09"), items[place].swapcase(), ""))
        else:
            items[place] = _change(items[place], rng)
    return "".join(items) if isinstance(value, str) else type(value)(items)
