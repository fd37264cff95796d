"""Programs with small mistakes, made from a right one: what a wrong solution tends to look like.

Each operator changes one place of the syntax tree. A mutant has one mistake or two.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

from ...bench.candidates import quiet

Change = Callable[[], None]
"""Applies one mistake to the tree it was found in."""

OFF = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.FloorDiv,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
LOOKALIKES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "upper": "lower", "lower": "upper",
    "isupper": "islower", "islower": "isupper", "sum": "len", "append": "extend", "set": "list",
    "startswith": "endswith", "endswith": "startswith", "ceil": "floor", "floor": "ceil",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program and the names of the mistakes in it."""

    source: str
    operators: str


@quiet()
def plain_dress(source: str) -> str:
    """The program as it looks once parsed and printed: without comments, in one layout."""
    return ast.unparse(ast.parse(source)) + "\n"


@quiet()
def mutants(source: str, entry_point: str, n: int, seed: int = 0) -> list[Mutant]:
    """Up to n different mutants of a program; always the same for the same program and seed.

    Mistakes are made in all functions. A program that does not parse has no mutants.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    rng = random.Random(crc32(f"{seed}:{entry_point}:{source}".encode()))
    found: dict[str, Mutant] = {}
    same = ast.unparse(tree) + "\n"
    singles = len(changes(tree))
    places: list[tuple[int, ...]] = [(i,) for i in range(singles)]
    rng.shuffle(places)
    # two mistakes in every other one: single ones alone leave few programs with low scores
    pairs = [(rng.randrange(singles), rng.randrange(singles)) for _ in range(n)] if singles else []
    mixed = [p for both in zip(places, pairs, strict=False) for p in both]
    for chosen in [*mixed, *places[len(pairs) :], *pairs[len(places) :]]:
        if len(found) >= n:
            break
        made = copy.deepcopy(tree)
        names = []
        for place in chosen:
            options = changes(made)
            if place < len(options):
                name, change = options[place]
                change()
                names.append(name)
        text = ast.unparse(ast.fix_missing_locations(made)) + "\n"
        if text != same:
            found.setdefault(text, Mutant(text, "+".join(names)))
    return list(found.values())


def changes(tree: ast.Module) -> list[tuple[str, Change]]:
    """Every single mistake that can be made in a program, with its operator's name."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    nodes = dict.fromkeys(n for f in functions for s in f.body for n in ast.walk(s))
    return [found for node in nodes for operator in _ALL for found in operator(node)] + [
        found for f in functions for found in _wrong_returns(f)
    ]


Found = Iterator[tuple[str, Change]]


def _off_by_one(node: ast.AST) -> Found:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield "off-by-one", _set(node, "value", node.value + step)


def _flipped_comparison(node: ast.AST) -> Found:
    if isinstance(node, ast.Compare):
        for kind in OFF.get(type(node.ops[0]), ()):
            yield "flipped-comparison", _set(node, "ops", [kind(), *node.ops[1:]])


def _wrong_operator(node: ast.AST) -> Found:
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        yield "wrong-operator", _set(node, "op", OPERATORS[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "wrong-operator", _set(node, "op", other)


def _dropped_branch(node: ast.AST) -> Found:
    if isinstance(node, ast.If):
        yield "dropped-branch", _set(node, "test", ast.Constant(value=False))
        if node.orelse:
            yield "dropped-branch", _set(node, "orelse", [])
    if isinstance(node, ast.IfExp):
        yield "dropped-branch", _set(node, "test", ast.Constant(value=True))
    if isinstance(node, ast.BoolOp):
        for i in range(len(node.values)):
            kept = [v for k, v in enumerate(node.values) if k != i]
            yield "dropped-condition", _set(node, "values", [*kept, *kept[:1]][: max(2, len(kept))])


def _wrong_order(node: ast.AST) -> Found:
    body = getattr(node, "body", None)
    if isinstance(node, (ast.For, ast.While, ast.If)) and isinstance(body, list) and len(body) > 1:
        yield "wrong-order", _set(node, "body", [*body[1:], body[0]])
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("sorted", "reversed"):
        yield "wrong-order", _set(node, "func", ast.Name(id="list", ctx=ast.Load()))
        if isinstance(node.func, ast.Name) and node.func.id == "sorted":
            node_keywords = [k for k in node.keywords if k.arg != "reverse"]
            if len(node_keywords) == len(node.keywords):
                turned = ast.keyword(arg="reverse", value=ast.Constant(value=True))
                node_keywords = [*node_keywords, turned]
            yield "wrong-order", _set(node, "keywords", node_keywords)


def _swapped_arguments(node: ast.AST) -> Found:
    if isinstance(node, ast.Call) and len(node.args) == 2:
        yield "swapped-arguments", _set(node, "args", node.args[::-1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Div, ast.Mod, ast.Add)):
        yield "swapped-operands", _swap(node, "left", "right")


def _lookalike(node: ast.AST) -> Found:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in LOOKALIKES:
            yield "lookalike", _set(node.func, "id", LOOKALIKES[node.func.id])
        if isinstance(node.func, ast.Attribute) and node.func.attr in LOOKALIKES:
            yield "lookalike", _set(node.func, "attr", LOOKALIKES[node.func.attr])


def _negated(node: ast.AST) -> Found:
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "negated", _set(node, "test", ast.UnaryOp(op=ast.Not(), operand=node.test))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield "lost-sign", _set(node, "op", ast.UAdd() if _signed(node) else ast.Not())


def _signed(node: ast.UnaryOp) -> bool:
    return isinstance(node.op, ast.USub)


def _short_slice(node: ast.AST) -> Found:
    if isinstance(node, ast.Slice):
        for side in ("lower", "upper", "step"):
            if getattr(node, side) is not None:
                yield "lost-bound", _set(node, side, None)


def _early_end(node: ast.AST) -> Found:
    if isinstance(node, (ast.For, ast.While)):
        yield "early-end", _set(node, "body", [*node.body, ast.Break()])


def _wrong_returns(function: ast.FunctionDef) -> Found:
    """The case that is forgotten altogether: an argument or an empty value comes back."""
    start = 1 if ast.get_docstring(function) is not None else 0
    simple = [ast.Name(id=a.arg, ctx=ast.Load()) for a in function.args.args[:1]]
    values = [*simple, *map(ast.Constant, (0, 1, True, False, None, "")), ast.List([], ast.Load())]
    for value in values:
        body = [*function.body[:start], ast.Return(value=value)]
        yield "unfinished", _set(function, "body", body)


_ALL = (
    _off_by_one,
    _flipped_comparison,
    _wrong_operator,
    _dropped_branch,
    _wrong_order,
    _swapped_arguments,
    _lookalike,
    _negated,
    _short_slice,
    _early_end,
)


def _set(node: ast.AST, field: str, value: object) -> Change:
    return lambda: setattr(node, field, value)


def _swap(node: ast.AST, a: str, b: str) -> Change:
    def change() -> None:
        left, right = getattr(node, a), getattr(node, b)
        setattr(node, a, right)
        setattr(node, b, left)

    return change
