"""When an answer is right: exact equality, and the rules EvalPlus makes for some of its problems.

Source: evalplus 0.3.1, eval/__init__.py (`unsafe_execute`) and eval/_special_oracle.py, with two
differences: a tolerance that one input brings about does not stay for the inputs after it, and an
answer whose comparison raises is wrong rather than an error of the harness.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RELATIVE = 1e-7  # numpy.testing.assert_allclose's own
FLOAT_TOLERANCE = 1e-6  # where floats are expected and the problem names no tolerance


@dataclass(frozen=True)
class Rule:
    """`good(answer, expected, args, atol)`; `needs_input` says whether it looks at `args`."""

    good: Callable[[Any, Any, list[Any], float], bool]
    needs_input: bool = False


def equal(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Equal, or of the same type and close where numbers with a fraction are expected."""
    if _truth(answer == expected):
        return True
    if atol == 0 and _floats(expected):
        atol = FLOAT_TOLERANCE
    return atol != 0 and type(answer) is type(expected) and close(answer, expected, atol)


def _truth(comparison: Any) -> bool:
    if type(comparison) is bool:
        return comparison
    return bool(comparison.all())  # arrays compare item by item


def _floats(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return value.dtype in (numpy.float64, numpy.float32)
    return isinstance(value, float)


def close(answer: Any, expected: Any, atol: float) -> bool:
    """|answer - expected| <= atol + 1e-7 |expected|, item by item; infinities equal themselves."""
    if isinstance(expected, (list, tuple)):
        if not isinstance(answer, (list, tuple)) or len(answer) != len(expected):
            return False
        return all(close(a, e, atol) for a, e in zip(answer, expected, strict=True))
    if hasattr(expected, "ravel") and hasattr(answer, "ravel"):
        return answer.shape == expected.shape and close(
            answer.ravel().tolist(), expected.ravel().tolist(), atol
        )
    if not isinstance(answer, (int, float, complex)):
        return False
    if answer == expected:
        return True
    gap = abs(answer - expected)
    return gap <= atol + RELATIVE * abs(expected) and not math.isinf(abs(expected))


def same_set(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Order and repeats do not matter."""
    return set(answer) == set(expected)


def present(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """`expected` is whether the reference gave anything; a bool must be that very bool."""
    return answer is expected if isinstance(answer, bool) else expected == (answer is not None)


def anything(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Any answer will do (the problem is not well posed)."""
    return True


def equal_or_zero(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """The problem leaves open whether a number divides itself."""
    return equal(answer, expected, args, atol) or answer == 0


def pyramid_surface(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Either reading of `height`: along the side, or straight up from the base."""
    if equal(answer, expected, args, atol):
        return True
    base, height = args
    slant = math.hypot(base / 2, height)
    return abs(answer - round(base**2 + 2 * base * slant)) <= atol


def digit_distance(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Either reading of numbers of unequal length: padded with zeros, or as the reference does."""
    if equal(answer, expected, args, atol):
        return True
    first, second = map(str, args)
    width = max(len(first), len(second))
    pairs = zip(first.zfill(width), second.zfill(width), strict=True)
    return answer == sum(abs(int(a) - int(b)) for a, b in pairs)


def root(answer: Any, expected: Any, args: list[Any], atol: float) -> bool:
    """Any zero of the polynomial."""
    return abs(sum(c * math.pow(answer, i) for i, c in enumerate(args[0]))) <= atol


RULES = {
    "equal": Rule(equal),
    "same_set": Rule(same_set),
    "present": Rule(present),
    "anything": Rule(anything),
    "equal_or_zero": Rule(equal_or_zero),
    "pyramid_surface": Rule(pyramid_surface, needs_input=True),
    "digit_distance": Rule(digit_distance, needs_input=True),
    "root": Rule(root, needs_input=True),
}
