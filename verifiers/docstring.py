"""Examples in a problem's text: what it says that a call gives."""

from __future__ import annotations

import ast
import doctest
import re
from dataclasses import dataclass
from typing import Any

from ..bench.candidates import quiet

_ARROW = re.compile(
    r"\s*(?:#\s*)?(?:(?:==+>?|=>|-+>|➞|→|⇒|=|:)|"
    r"(?:,?\s*(?:it\s+)?(?:should|would|will|must)\s+(?:be|return|give|equal)|"
    r"returns?|gives?|is|equals?|produces?|outputs?)\b)[\s:]*",
    re.I,
)
_SUM = re.compile(r"\s*[-+*/%](?![->])")
_LONGEST = 2000  # characters of one example
_WORDS = {"true": "True", "false": "False", "none": "None", "null": "None"}


@dataclass(frozen=True, slots=True)
class Example:
    """A call, as text and as the literal arguments, and the literal value it should give."""

    call: str
    arguments: tuple[Any, ...]
    expected: Any

    @property
    def test(self) -> str:
        """The example as an assertion."""
        return f"assert {self.call} == {self.expected!r}"


@quiet()
def signature(prompt: str, entry_point: str) -> ast.FunctionDef | None:
    """The definition of the function that is asked for, where the prompt is a program."""
    try:
        tree = ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    defs = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry_point]
    return defs[-1] if defs else None


@quiet()
def examples(prompt: str, entry_point: str) -> list[Example]:
    """The examples of a prompt, in order, each once; those whose values are not literals are left.

    Read are doctests, assertions, and lines in which a call is followed by a sign or verb of
    equality and a value, on the same line or the next.
    """
    function = signature(prompt, entry_point)
    text = (ast.get_docstring(function, clean=True) or "") if function else prompt
    pairs = [*_doctests(text), *_lines(text, entry_point)]
    found: dict[str, Example] = {}
    for call, value in pairs:
        example = _example(call, value, entry_point)
        if example is not None:
            found.setdefault(example.call, example)
    return list(found.values())


def _doctests(text: str) -> list[tuple[str, str]]:
    try:
        parsed = doctest.DocTestParser().get_examples(text)
    except ValueError:  # prompts of inconsistent indentation: their lines are read one by one
        return []
    return [(e.source.strip(), e.want.strip()) for e in parsed]


def _lines(text: str, entry_point: str) -> list[tuple[str, str]]:
    found = []
    for match in re.finditer(rf"\b{re.escape(entry_point)}\(", text) if entry_point else ():
        end = _closing(text, match.end() - 1)
        if end:
            rest = text[end : end + _LONGEST].lstrip("`'\" \t")
            arrow = _ARROW.match(rest)
            if arrow and arrow.end():
                found.append((text[match.start() : end], rest[arrow.end() :]))
            elif rest.startswith("\n"):  # the value alone on the next line
                found.append((text[match.start() : end], rest.lstrip().partition("\n")[0]))
    return found


def _closing(text: str, start: int) -> int:
    """The place after the bracket that closes the one at `start`; 0 if none does in one call."""
    for end in range(start + 1, min(len(text), start + _LONGEST)):
        if text[end] == ")":
            try:
                ast.parse(text[start : end + 1].strip(), mode="eval")
            except (SyntaxError, ValueError):
                try:
                    ast.parse("f" + text[start : end + 1], mode="eval")
                except (SyntaxError, ValueError):
                    continue
            return end + 1
    return 0


def _example(call: str, value: str, entry_point: str) -> Example | None:
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != entry_point:
        return None
    if node.keywords:
        return None
    try:
        arguments = tuple(ast.literal_eval(a) for a in node.args)
        expected = _literal(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return Example(ast.unparse(node), arguments, expected)


def _literal(text: str) -> Any:
    """The longest literal that the text begins with. Raises ValueError if it begins with none."""
    line = text.strip().partition("\n")[0].strip().strip("`")
    word = re.match(r"[A-Za-z]+", line)
    if word and word.group().lower() in _WORDS:
        return ast.literal_eval(_WORDS[word.group().lower()])
    for end in range(len(line), 0, -1):
        # a literal ends in a bracket, a quote or a digit; "5." ends a sentence
        if line[end - 1] in ")]}\"'" or line[end - 1].isdigit():
            try:
                value = ast.literal_eval(line[:end])
            except (SyntaxError, ValueError):
                continue
            if _SUM.match(line[end:]):  # "19 - 5 - 6 = 8": not its first number
                break
            return value
    raise ValueError(f"no literal in {line!r}")
