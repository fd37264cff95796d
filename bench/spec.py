"""Specs: `taf(lm='gguf:smollm2', mt='bergamot:en-pt')` to a built adapter.

    NAME                   moonshine
    NAME(OPTIONS)          pocketsphinx(nbest=5)
    NAME:ARGUMENT          hf:openai/whisper-tiny
    NAME:ARGUMENT(OPTIONS) hf:openai/whisper-tiny(num_beams=4)

The argument is the plugin's first positional parameter. Options are Python literals. An option
whose parameter is a capability (`lm: Generates`) takes a spec, and gets what it builds.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from .errors import UsageError, unknown
from .registry import load

CONTEXT = ("device", "seed")
"""What the command line gives to every plugin that has a parameter of that name."""
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec; `str()` gives its one canonical form, which goes into signatures."""

    name: str
    argument: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        argument = "" if self.argument is None else f":{self.argument}"
        options = ", ".join(f"{k}={v!r}" for k, v in sorted(self.options.items()))
        return self.name + argument + (f"({options})" if options else "")


def parse(text: str) -> Spec:
    """Read a spec. Raises UsageError that says what was expected."""
    match = re.match(r"[A-Za-z][\w.-]*", text.strip())
    if not match:
        raise UsageError(f'spec "{text}": expected a name, as in moonshine or hf:ID(num_beams=4)')
    name, rest = match.group(), text.strip()[match.end() :]
    if not rest:
        return Spec(name)
    if rest[0] == ":":
        argument, options = _split_options(rest[1:])
        if not argument:
            raise UsageError(f'spec "{text}": nothing after "{name}:"')
        return Spec(name, argument, options)
    options = _options(rest)
    if options is None:
        raise UsageError(
            f'spec "{text}": cannot read "{rest}"; options are Python literals by name, '
            f"as in {name}(n=10, lm='gguf:smollm2')"
        )
    return Spec(name, None, options)


def _split_options(text: str) -> tuple[str, dict[str, Any]]:
    """Cut `ARG(a=1)` at the first bracket from which the rest reads as options."""
    if text.endswith(")"):
        for i, char in enumerate(text):
            if char == "(" and (options := _options(text[i:])):
                return text[:i], options
    return text, {}


def _options(text: str) -> dict[str, Any] | None:
    """`(a=1, b='x')` to a dictionary; None if that is not what it is."""
    try:
        call = ast.parse("f" + text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except (SyntaxError, ValueError):
        return None


def build(kind: str, spec: str | Spec, **context: Any) -> Any:
    """Build a plugin from its spec.

    `context` (device, seed) is handed to those plugins, at any depth, whose constructor has a
    parameter of that name and whose spec does not set it. Raises UsageError as `check` does. What
    is built carries its canonical spec as `.spec`.
    """
    spec = check(kind, spec)
    factory = load(kind, spec.name)
    parameters, hints = _parameters(factory), _hints(factory)
    options = _filled(spec, parameters)
    for name, value in options.items():
        if isinstance(value, str) and _is_capability(hints.get(name)):
            options[name] = build("adapter", value, **context)
    given = {n: v for n, v in context.items() if n in parameters and n not in options}
    try:
        plugin: Any = factory(**options, **given)
    except ModuleNotFoundError as error:
        raise UsageError(
            f'{kind} "{spec.name}" needs {error.name}, which is not installed; '
            "podium doctor says what to install"
        ) from error
    plugin.spec = str(spec)
    return plugin


def check(kind: str, spec: str | Spec) -> Spec:
    """The parsed spec, if it can be built as far as can be told without building it.

    Raises UsageError for unknown names, for unknown or missing options and for options of the wrong
    type, here and in the specs that are options of this one.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    factory = load(kind, spec.name)
    parameters, hints = _parameters(factory), _hints(factory)
    if spec.argument is not None and not parameters:
        raise UsageError(f'{kind} "{spec.name}" takes no argument, got "{spec.argument}"')
    options = _filled(spec, parameters)
    for name, value in options.items():
        if name not in parameters:
            raise unknown(f"option of {kind} {spec.name}", name, parameters)
        if isinstance(value, str) and _is_capability(hints.get(name)):
            check("adapter", value)
        elif not _fits(hints.get(name), value):
            wanted = getattr(hints[name], "__name__", None) or str(hints[name])
            raise UsageError(f"{kind} {spec.name}: {name} is {value!r}; it takes {wanted}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options and name not in CONTEXT:
            raise UsageError(f'{kind} "{spec.name}" needs {name}, as in {spec.name}({name}=...)')
    return spec


def _parameters(factory: Any) -> dict[str, inspect.Parameter]:
    return {
        n: p
        for n, p in inspect.signature(factory).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def _hints(factory: Any) -> dict[str, Any]:
    return get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)


def _filled(spec: Spec, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The options, with the argument under the name of the parameter that it is for."""
    argument = {} if spec.argument is None else {next(iter(parameters)): spec.argument}
    return argument | dict(spec.options)


def _fits(hint: Any, value: Any) -> bool:
    """Whether a literal is of a plain type (or one of several); any other hint is not judged."""
    kinds = get_args(hint) or (hint,)
    if not all(k in PLAIN for k in kinds):
        return True
    return type(value) in kinds or (float in kinds and type(value) is int)


def rebuild(run: Any, spec: str | None = None) -> Any:
    """The task of a run (or its document), with the options it had once its split was open.

    `spec` may name other options; those that it does not name stay as they were in the run, except
    under a task of another name.
    """
    old = run["signature"]["long"]["task"]
    new = parse(spec or old["name"])
    if new.name != old["name"]:
        return build("task", new)
    parameters = inspect.signature(load("task", new.name)).parameters
    options = {k: v for k, v in old["options"].items() if k in parameters}
    return build("task", Spec(new.name, new.argument, {**options, **new.options}))


def _is_capability(hint: Any) -> bool:
    """Whether a parameter is annotated with a capability Protocol (or one of several)."""
    kinds = get_args(hint) or (hint,)
    return any(getattr(k, "_is_protocol", False) and k.__module__ != "typing" for k in kinds)
