"""Errors that are the user's to mend: one line, what happened, to which thing, what to do."""

from __future__ import annotations

from collections.abc import Iterable


class UsageError(Exception):
    """The command cannot run as asked; printed as one line, exit status 2."""


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """`no adapter "moonshin"; did you mean "moonshine"?`, or the known names where none is near."""
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        hint = "did you mean " + " or ".join(f'"{n}"' for n in near) + "?"
    else:
        hint = "known: " + (", ".join(names) or "none")
    return UsageError(f'no {what} "{name}"; {hint}')
