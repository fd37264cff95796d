"""Frozen dataclasses to plain JSON values and back, exactly."""

from __future__ import annotations

import json
import math
import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np


def to_plain(value: Any) -> Any:
    """What `json` cannot write itself: dataclasses, tuples in them, paths, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return to_plain(value.tolist())
    return str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """One JSON document; NaN and infinity become null, since JSON has neither.

    Text that UTF-8 cannot carry (a lone surrogate, as models do produce) is written as escapes.
    """
    encoder = _encoder(indent)
    try:
        text = encoder.encode(value)
    except (ValueError, TypeError):  # NaN somewhere, or a key that is not text
        text = encoder.encode(to_plain(value))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return json.dumps(to_plain(value), indent=indent)
    return text


@cache
def _encoder(indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, indent=indent, default=_shallow, check_circular=False
    )


def _shallow(value: Any) -> Any:
    """One level of what JSON lacks; the encoder asks again for what is inside."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, (set, frozenset)):
        return list(value)
    return to_plain(value)


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


def from_plain(hint: Any, value: Any) -> Any:
    """A plain value as `hint` says: the inverse of `to_plain` for our request/response types.

    Raises KeyError or TypeError where the value does not have the shape of the type.
    """
    if value is None:
        return None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        (hint,) = [a for a in get_args(hint) if a is not type(None)]
        return from_plain(hint, value)
    if origin in (tuple, list):
        inner = get_args(hint)[0] if get_args(hint) else Any
        return origin(from_plain(inner, v) for v in value)
    if isinstance(hint, type) and is_dataclass(hint):
        hints = _hints(hint)
        return hint(**{k: from_plain(hints[k], v) for k, v in value.items()})
    return float(value) if hint is float else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
