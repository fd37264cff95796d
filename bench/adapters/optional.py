"""Packages that an adapter needs and a user may not have."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from ..errors import UsageError


def require(module: str, *, adapter: str, package: str, install: str) -> ModuleType:
    """Import `module`, or raise a UsageError that says what to install.

    Only the absence of the module itself is turned into that line: a module that is there and
    fails inside (a broken installation) keeps its own error.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"{adapter}: {package} is not installed; pip install '{install}'"
        ) from error


def package_version(package: str) -> str | None:
    """The installed version of a distribution; None where it carries none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
