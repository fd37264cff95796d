"""Plain data across the wall: values to JSON text and back, exact types, nothing executed.

Atoms and lists are JSON's own; every other type is an object with one key, its tag. Decoding builds
only the types in this file, so no code of the sender ever runs on the receiver's side. A value with
no plain form crosses as a `Handle`: a number that means something to the sender only.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
import json
import re
import sys
from typing import Any

MAX_DEPTH = 200  # of nesting; JSON's own reader stops near 1,000
MAX_BYTES = 64 << 20  # of one message
MAX_ITEMS = 2_000_000  # taken from one iterator

_BIG = 1 << 8192  # JSON readers refuse integers of more than 4,300 digits
_DTYPE = re.compile(r"[<>|=]?(?:[biufc]\d{1,2}|\?|[SU]\d{1,9}|[mM]8(?:\[\d{0,9}[A-Za-z]{1,3}\])?)")
_BUILTIN_TYPES = {
    t.__name__: t
    for t in (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
} | {"object": object, "type": type, "NoneType": type(None), "range": range}


class CodecError(ValueError):
    """A value or text that cannot cross; the message says why."""


class Unplain(CodecError):
    """A value of a type that has no plain form."""


class Handle:
    """Stands for a value of the other side that has no plain form.

    It can be passed back; looking into it raises `Unanswerable`, so it never equals anything.
    """

    __slots__ = ("_number", "_type")

    def __init__(self, number: int, type_name: str = "object"):
        self._number, self._type = number, type_name

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Unanswerable(f"a value of type {self._type} has no plain form")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __len__ = _refuse
    __iter__ = __contains__ = __getitem__ = __add__ = __radd__ = __int__ = _refuse
    __float__ = __call__ = __getattr__ = __abs__ = __sub__ = __rsub__ = _refuse
    __hash__ = object.__hash__  # type: ignore[assignment]


class Unanswerable(Exception):
    """A test looked into a value that could not cross."""


# ---------------------------------------------------------------------------------- encoding


_write = json.JSONEncoder(separators=(",", ":")).encode


def encode(value: Any, handles: list[Any] | None = None) -> bytes:
    """The message for `value`. With `handles`, unplain values are appended there and cross as such.

    Raises `Unplain` for a type that has no plain form (without `handles`), `CodecError` for values
    that are cyclic, too deep or too large. Iterators are used up to at most `MAX_ITEMS` items.
    """
    try:
        text = _write(_plain(value, handles, 0))
    except RecursionError:
        raise CodecError("a value nested too deeply") from None
    if len(text) > MAX_BYTES:
        raise CodecError(f"a value of {len(text)} bytes is too large")
    return text.encode("ascii")


_EASY = {int, float, bool, type(None)}


def _plain(value: Any, handles: list[Any] | None, depth: int) -> Any:
    kind = type(value)
    if kind is int:
        return value if -_BIG < value < _BIG else {"int": hex(value)}
    if kind is float or kind is bool or value is None:
        return value
    if kind is str:
        return value if value.isascii() else _text(value)
    if depth > MAX_DEPTH:
        raise CodecError("a value nested too deeply or in a cycle")
    if kind is list:
        return _items(value, handles, depth)
    encoder = _ENCODERS.get(kind)
    if encoder is None:
        encoder = _by_family(value, kind)
        if encoder is None:
            if handles is None:
                raise Unplain(f"a value of type {kind.__name__} has no plain form")
            handles.append(value)
            return {"handle": [len(handles) - 1, str(kind.__name__)[:80]]}
    return encoder(value, handles, depth + 1)


def _text(value: str) -> Any:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates: JSON would join a pair of them into one character
        return {"str": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _items(values: Any, handles: list[Any] | None, depth: int) -> list[Any]:
    if set(map(type, values)) <= _EASY and all(
        type(v) is not int or -_BIG < v < _BIG for v in values
    ):
        return list(values)
    return [_plain(v, handles, depth + 1) for v in values]


def _sequence(tag: str, read: Any) -> Any:
    return lambda v, handles, depth: {tag: _items(list(read(v)), handles, depth)}


def _pairs(tag: str) -> Any:
    def encoder(value: Any, handles: Any, depth: int) -> Any:
        flat = [part for pair in dict.items(value) for part in pair]
        return {tag: _items(flat, handles, depth)}

    return encoder


def _deque(value: Any, handles: Any, depth: int) -> Any:
    items = _items(list(collections.deque.__iter__(value)), handles, depth)
    return {"deque": [value.maxlen, items]}


def _iterator(value: Any, handles: Any, depth: int) -> Any:
    items = []
    for item in value:
        items.append(item)
        if len(items) > MAX_ITEMS:
            raise CodecError(f"an iterator of more than {MAX_ITEMS} items")
    return {"iterator": _items(items, handles, depth)}


def _reals(tag: str, *names: str) -> Any:
    return lambda v, *_: {tag: [getattr(v, name) for name in names]}


def _zone(value: Any) -> float | None:
    offset = value.utcoffset()
    return None if offset is None else offset.total_seconds()


def _datetime(v: Any, *_: Any) -> Any:
    parts = [v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, _zone(v)]
    return {"datetime": parts}


def _time(v: Any, *_: Any) -> Any:
    return {"time": [v.hour, v.minute, v.second, v.microsecond, v.fold, _zone(v)]}


def _array(value: Any, handles: Any, depth: int) -> Any:
    if value.dtype.hasobject or value.dtype.names:
        return {"objects": [list(value.shape), _items(value.ravel().tolist(), handles, depth)]}
    return {"array": [value.dtype.str, list(value.shape), value.tobytes().hex()]}


def _scalar(value: Any, *_: Any) -> Any:
    return {"scalar": [value.dtype.str, value.tobytes().hex()]}


def _view(name: str) -> Any:
    def encoder(value: Any, handles: Any, depth: int) -> Any:
        return {name: _items(list(value), handles, depth)}

    return encoder


_ENCODERS: dict[type, Any] = {
    str: lambda v, *_: _text(v),
    tuple: _sequence("tuple", tuple.__iter__),
    set: _sequence("set", set.__iter__),
    frozenset: _sequence("frozenset", frozenset.__iter__),
    dict: _pairs("dict"),
    collections.OrderedDict: _pairs("ordered"),
    collections.defaultdict: _pairs("defaultdict"),
    collections.Counter: _pairs("counter"),
    collections.deque: _deque,
    bytes: lambda v, *_: {"bytes": v.hex()},
    bytearray: lambda v, *_: {"bytearray": v.hex()},
    complex: _reals("complex", "real", "imag"),
    decimal.Decimal: lambda v, *_: {"decimal": str(v)},
    fractions.Fraction: lambda v, *_: {"fraction": [hex(v.numerator), hex(v.denominator)]},
    range: _reals("range", "start", "stop", "step"),
    slice: lambda v, h, d: {"slice": _items([v.start, v.stop, v.step], h, d)},
    datetime.date: _reals("date", "year", "month", "day"),
    datetime.datetime: _datetime,
    datetime.time: _time,
    datetime.timedelta: _reals("timedelta", "days", "seconds", "microseconds"),
    datetime.timezone: lambda v, *_: {"timezone": v.utcoffset(None).total_seconds()},
    type({}.keys()): _view("keys"),
    type({}.values()): _view("values"),
    type({}.items()): _view("items"),
    type(Ellipsis): lambda *_: {"ellipsis": 0},
    Handle: lambda v, *_: {"handle": [v._number, v._type]},
}


def _by_family(value: Any, kind: type) -> Any:
    """A subclass crosses as the plain type below it: its own methods stay behind."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            return _array
        if isinstance(value, numpy.generic):
            return _scalar
    if isinstance(value, type):
        name = kind.__name__ if value is not object else "object"
        name = getattr(value, "__name__", name)
        if _BUILTIN_TYPES.get(name) is value:
            return lambda *_: {"type": name}
        return None
    for base in kind.__mro__[1:-1]:
        if base in _ENCODERS:
            return _ENCODERS[base]
        if base is list:
            return lambda v, h, d: _items(list(list.__iter__(v)), h, d)
        if base is int:
            return lambda v, *_: _plain(int.__add__(v, 0), None, 0)
        if base is float:
            return lambda v, *_: float.__add__(v, 0.0) if v else float.__float__(v)
        if base is str:
            return lambda v, *_: _text(str.__str__(v)[:])
    if hasattr(kind, "__next__") and hasattr(kind, "__iter__"):
        return _iterator
    return None


# ---------------------------------------------------------------------------------- decoding


def decode(message: bytes, handles: list[Any] | None = None) -> Any:
    """The value of a message; handles become the values that `handles` holds, where it is given.

    Raises `CodecError` for anything that is not a message.
    """
    if len(message) > MAX_BYTES:
        raise CodecError(f"a message of {len(message)} bytes is too large")

    try:
        text = message.decode("ascii")
        if handles and '"handle"' in text:
            return json.loads(text, object_hook=functools.partial(_resolved, handles))
        return _read(text)
    except CodecError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise CodecError(f"not a message: {type(error).__name__}") from None
    except (RecursionError, MemoryError) as error:
        raise CodecError(f"not a message: {type(error).__name__}") from None


def _tagged(fields: dict[str, Any]) -> Any:
    if len(fields) != 1:
        raise CodecError("not a tag")
    ((tag, content),) = fields.items()
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise CodecError(f"unknown tag {tag[:20]!r}")
    return decoder(content)


_read = json.JSONDecoder(object_hook=_tagged).decode


def _resolved(handles: list[Any], fields: dict[str, Any]) -> Any:
    return handles[fields["handle"][0]] if "handle" in fields else _tagged(fields)


def _dict(flat: list[Any]) -> dict[Any, Any]:
    if type(flat) is not list or len(flat) % 2:
        raise CodecError("not pairs")
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _list(content: Any) -> list[Any]:
    if type(content) is not list:
        raise CodecError("not a list")
    return content


def _tz(seconds: float | None) -> datetime.timezone | None:
    return None if seconds is None else datetime.timezone(datetime.timedelta(seconds=seconds))


def _counter(flat: list[Any]) -> collections.Counter[Any]:
    counter: collections.Counter[Any] = collections.Counter()
    dict.update(counter, _dict(flat))
    return counter


def _make_datetime(c: list[Any]) -> datetime.datetime:
    return datetime.datetime(*c[:7], fold=c[7], tzinfo=_tz(c[8]))


def _make_array(content: list[Any]) -> Any:
    import numpy

    dtype, shape, data = content
    if type(dtype) is not str or not _DTYPE.fullmatch(dtype):
        raise CodecError("not a plain dtype")
    flat = numpy.frombuffer(bytes.fromhex(data), dtype=numpy.dtype(dtype))
    return flat.reshape([int(n) for n in shape]).copy()


def _make_objects(content: list[Any]) -> Any:
    import numpy

    shape, items = content
    flat = numpy.empty(len(_list(items)), dtype=object)
    flat[:] = items
    return flat.reshape([int(n) for n in shape])


def _make_scalar(content: list[Any]) -> Any:
    return _make_array([content[0], [1], content[1]])[0]


_DECODERS: dict[str, Any] = {
    "int": lambda c: int(c, 16),
    "str": lambda c: bytes.fromhex(c).decode("utf-8", "surrogatepass"),
    "tuple": lambda c: tuple(_list(c)),
    "set": lambda c: set(_list(c)),
    "frozenset": lambda c: frozenset(_list(c)),
    "dict": _dict,
    "ordered": lambda c: collections.OrderedDict(_dict(c)),
    "defaultdict": lambda c: collections.defaultdict(None, _dict(c)),
    "counter": _counter,
    "deque": lambda c: collections.deque(_list(c[1]), c[0]),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda c: complex(*c),
    "decimal": decimal.Decimal,
    "fraction": lambda c: fractions.Fraction(int(c[0], 16), int(c[1], 16)),
    "range": lambda c: range(*c),
    "slice": lambda c: slice(*c),
    "date": lambda c: datetime.date(*c),
    "datetime": _make_datetime,
    "time": lambda c: datetime.time(*c[:4], fold=c[4], tzinfo=_tz(c[5])),
    "timedelta": lambda c: datetime.timedelta(*c),
    "timezone": _tz,
    "keys": lambda c: dict.fromkeys(_list(c)).keys(),
    "values": lambda c: dict(enumerate(_list(c))).values(),
    "items": lambda c: dict(_list(c)).items(),
    "ellipsis": lambda c: Ellipsis,
    "iterator": lambda c: iter(_list(c)),
    "array": _make_array,
    "objects": _make_objects,
    "scalar": _make_scalar,
    "type": _BUILTIN_TYPES.__getitem__,
    "handle": lambda c: Handle(int(c[0]), str(c[1])),
}
