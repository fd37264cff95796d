"""Say what this machine can and cannot measure, and what to install for the rest."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from typing import Any

from ..bench import environment, registry
from .output import print_json, print_table, size

PARTS = {
    "moonshine_voice": ("asr", "adapter moonshine"),
    "pocketsphinx": ("asr", "adapter pocketsphinx"),
    "faster_whisper": ("asr", "adapter faster-whisper"),
    "transformers": ("hub", "adapter hf"),
    "datasets": ("hub", "data sets by hub id"),
    "torch": ("hub", "adapter hf, trained systems"),
    "pynvml": ("gpu", "GPU profiles"),
    "matplotlib": ("plot", "show --plot"),
}
PROGRAMS = {"bwrap": "the jail of generated code (Debian: bubblewrap)"}


def arguments(parser: ArgumentParser) -> None:
    """Declare the options (none)."""


def main(args: Namespace) -> int:
    """Print machine, parts and plugins."""
    found = _examine()
    if args.json:
        print_json(found)
        return 0
    machine = found["environment"]
    print(f"{machine['processor']}, {machine['cores']} cores, {size(machine['memory'])}")
    print(
        f"Python {machine['python']}, {machine['system']}, Podium {machine['packages']['podium']}"
    )
    print("jail: " + (", ".join(found["jail"]) or "none"))
    print("GPU: " + (", ".join(found["gpus"]) or "none (GPU fields of a profile will be null)"))
    print_table(
        ["part", "state", "for"],
        [[p["name"], p["state"], p["for"]] for p in found["parts"]],
        left=3,
    )
    for name, error in found["broken"].items():
        print(f"plugin {name}: {error}")
    return 0


def _examine() -> dict[str, Any]:
    parts = [
        {
            "name": name,
            "state": "yes" if find_spec(name) else f"no: pip install 'podium[{extra}]'",
            "for": use,
        }
        for name, (extra, use) in PARTS.items()
    ]
    parts += [
        {"name": name, "state": "yes" if shutil.which(name) else "no", "for": use}
        for name, use in PROGRAMS.items()
    ]
    return {
        "environment": environment.describe(),
        "gpus": _gpus(),
        "jail": _jail(),
        "parts": parts,
        "broken": _broken(),
    }


def _gpus() -> list[str]:
    from ..bench.utilisation import open_gpus

    gpus, _ = open_gpus()
    names = [str(gpu.identity()["name"]) for gpu in gpus]
    for gpu in gpus:
        gpu.close()
    return names


def _jail() -> list[str]:
    from ..bench.sandbox import layers

    return list(layers())


def _broken() -> dict[str, str]:
    """Plugins that are installed and cannot be imported."""
    from ..bench.errors import UsageError

    broken = {}
    for kind in registry.KINDS:
        for name in registry.names(kind):
            try:
                registry.load(kind, name)
            except UsageError as error:
                broken[f"{kind} {name}"] = str(error)
    return broken
