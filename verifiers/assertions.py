"""Single assertions out of what a language model wrote."""

from __future__ import annotations

import ast
import re

from ..bench.candidates import quiet

_TAGGED = re.compile(r"<assertion>(.*?)</assertion>", re.S)
_START = re.compile(r"^[ \t]*assert\b\s*", re.M)
_MOST_LINES = 12


@quiet()
def tagged(text: str) -> list[str]:
    """What stands in <assertion> tags after the last </think>, as it stands there.

    An answer without a tag gives its lines that are assertions. Source: Scoring Verifiers,
    synthetic_verifiers/test_case_generation.py (which knows tags only).
    """
    text = text.rpartition("</think>")[2]
    found = [inside.strip() for inside in _TAGGED.findall(text)]
    return found or [a for a in (_first(piece) for piece in _pieces(text)) if a]


@quiet()
def continued(text: str, entry_point: str, most: int) -> list[str]:
    """The first `most` assertions about a function in the continuation of a text ending `assert`.

    What does not parse, or calls no such function, is left out. Source of the format: CodeT.
    """
    found: list[str] = []
    for piece in _pieces("assert " + text):
        assertion = _first(piece)
        if assertion and entry_point in _called(assertion):
            found.append(assertion)
            if len(found) == most:
                break
    return found


def _pieces(text: str) -> list[str]:
    """The text after each `assert` that begins a line, up to the next."""
    return ["assert " + rest for rest in _START.split(text)[1:]]


def _first(piece: str) -> str:
    """The assertion that the text begins with, printed in one line; "" if it is none."""
    lines = piece.split("\n")
    for end in range(1, min(len(lines), _MOST_LINES) + 1):
        try:
            (node,) = ast.parse("\n".join(lines[:end]).strip()).body
            if isinstance(node, ast.Assert):
                return ast.unparse(ast.Assert(test=node.test, msg=None))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return ""


def _called(assertion: str) -> set[str]:
    calls = (n for n in ast.walk(ast.parse(assertion)) if isinstance(n, ast.Call))
    return {getattr(call.func, "id", "") for call in calls}
