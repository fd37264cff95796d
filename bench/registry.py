"""Name to plugin, imported only when used. Ours and third parties' are found the same way."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import UsageError, unknown

KINDS = {
    "task": ("podium.tasks",),
    "adapter": ("podium.adapters", "podium.verifiers"),  # a verifier is an adapter that verifies
    "verifier": ("podium.verifiers",),
    "leaderboard": ("podium.leaderboards",),
}
"""Kinds of plugin, and the groups of entry points that offer them."""


@cache
def _points(kind: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in (p for group in KINDS[kind] for p in entry_points(group=group)):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f'two plugins offer the {kind} "{point.name}": {other.value} and {point.value}; '
                "uninstall one of them"
            )
    return found


def names(kind: str) -> list[str]:
    """The names of every installed plugin of a kind, sorted. Imports none of them."""
    return sorted(_points(kind))


def load(kind: str, name: str) -> Any:
    """Import one plugin. Raises UsageError, with near names, if there is none."""
    point = _points(kind).get(name)
    if point is None:
        raise unknown(kind, name, names(kind))
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f'{kind} "{name}" cannot be loaded from {point.value}: {error}') from error
