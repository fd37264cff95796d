"""The command line: one file a sub-command, imported only when it is the one asked for."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib import import_module

from ..bench.errors import UsageError, unknown

COMMANDS = {
    "run": "measure models on tasks; with no arguments, the quick suite",
    "score": "score files that any program wrote, with intervals",
    "rescore": "score a finished run again, without its model",
    "judge": "run generated code against tests, jailed",
    "show": "show a run: scores, profile, worst samples, plot",
    "compare": "hold runs against each other, sample by sample",
    "sweep": "run operating curves and compare at equal latency",
    "list": "list tasks, splits, adapters, leaderboards, ...",
    "leaderboard": "make a table out of run folders",
    "build": "make a data set from material at hand",
    "train": "train a reference system, small, to a file that its adapter loads",
    "doctor": "say what this machine can and cannot measure",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Exit status: 0 all well, 1 some samples failed, 2 could not run."""
    argv = sys.argv[1:] if argv is None else argv
    try:  # not `list(argv)`: once cli/list.py is imported, `list` here is that module
        return dispatch("podium", COMMANDS, __name__, [*argv])
    except UsageError as error:
        print(f"podium: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("podium: interrupted; what was recorded is safe", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing is left to say it to
        return 0


def dispatch(prog: str, commands: Mapping[str, str], package: str, argv: list[str]) -> int:
    """Hand the arguments to the sub-command they name.

    A command is a module of `package`, named after it, with `arguments(parser)` and `main(args)`;
    a command with commands of its own is a package with a `COMMANDS` table instead.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview(prog, commands))
        return 0
    if argv[0] == "--version" and prog == "podium":
        from importlib.metadata import version

        print(version("podium"))
        return 0
    name, rest = argv[0], argv[1:]
    if name not in commands:
        raise unknown(f"{prog} command", name, commands)
    module = import_module(f"{package}.{name.replace('-', '_')}")
    if hasattr(module, "COMMANDS"):
        return dispatch(f"{prog} {name}", module.COMMANDS, module.__name__, rest)
    parser = Parser(
        prog=f"{prog} {name}",
        description=module.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else")
    return module.main(parser.parse_args(rest))


def _overview(prog: str, commands: Mapping[str, str]) -> str:
    width = max(map(len, commands))
    lines = [f"usage: {prog} COMMAND ...", ""]
    lines += [f"  {name:<{width}}  {text}" for name, text in commands.items()]
    return "\n".join([*lines, "", f"`{prog} COMMAND --help` says more."])


class Parser(ArgumentParser):
    """argparse, but errors are ours: one line, with near names for an unknown option."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise UsageError instead of printing the usage and leaving."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            bad = message.removeprefix(prefix).split()[0]
            if bad.startswith("-"):
                raise unknown(f"{self.prog} option", bad.partition("=")[0], self.options())
            raise UsageError(f'{self._name}: "{bad}" is one argument too many; try --help')
        raise UsageError(f"{self._name}: {message}; try --help")

    @property
    def _name(self) -> str:
        return self.prog.removeprefix("podium ")  # the line begins with that word already

    def options(self) -> list[str]:
        """All option names."""
        return [o for a in self._actions for o in a.option_strings if o.startswith("--")]
