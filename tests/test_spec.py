"""Specs and the registry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podium.bench import registry, spec
from podium.bench.adapter import Adapter, Generates, Transcribes
from podium.bench.errors import UsageError
from podium.bench.spec import Spec, parse

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
VALUES = st.one_of(
    st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.lists(st.integers(), max_size=3),
)  # fmt: skip
OPTIONS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n not in KEYWORDS),
    VALUES, max_size=4,
)  # fmt: skip
KEYWORDS = {"as", "if", "in", "is", "or", "and", "for", "def", "del", "not", "try", "with", "else"}
KEYWORDS |= {"elif", "from", "pass", "async", "await", "break", "class", "raise", "while", "yield"}
KEYWORDS |= {"except", "global", "import", "lambda", "return", "assert", "finally", "continue"}


@given(NAMES, st.none() | st.from_regex(r"[\w./@:-]{1,20}", fullmatch=True), OPTIONS)
def test_what_is_written_is_read_back(name: str, argument: str | None, options: dict) -> None:
    written = Spec(name, argument, options)
    assert parse(str(written)) == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("moonshine", Spec("moonshine")),
        ("hf:openai/whisper-tiny", Spec("hf", "openai/whisper-tiny")),
        ("hf:a/b(num_beams=4)", Spec("hf", "a/b", {"num_beams": 4})),
        ("openai:whisper@http://h:1/v1", Spec("openai", "whisper@http://h:1/v1")),
        ("worker:python -c 'f(1)'", Spec("worker", "python -c 'f(1)'")),
        ("worker:run (quick)(timeout=3)", Spec("worker", "run (quick)", {"timeout": 3})),
        ("taf(lm='gguf:x(n=1)')", Spec("taf", None, {"lm": "gguf:x(n=1)"})),
    ],
)
def test_forms(text: str, expected: Spec) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "1x", "a(", "a(b)", "a(1)", "a(b=c)", "a:", "a b", "a(b=1)c"])
def test_what_cannot_be_read_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert "\n" not in str(error.value)


class Inner(Adapter):
    def __init__(self, size: int = 1, device: str = "none") -> None:
        self.size, self.device = size, device


class Lacking(Adapter):
    def __init__(self) -> None:
        import not_there_at_all  # noqa: F401  # pyright: ignore[reportMissingImports]


class Outer(Adapter):
    def __init__(self, lm: Generates, other: Transcribes | None = None, n: int = 3) -> None:
        self.lm, self.other, self.n = lm, other, n


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"inner": Inner, "outer": Outer, "lacking": Lacking}

    def load(kind: str, name: str) -> type:
        return known[name] if name in known else registry.load(kind, name)

    monkeypatch.setattr(spec, "load", load)


def test_adapters_are_built_from_adapters_and_the_device_reaches_them() -> None:
    built = spec.build("adapter", "outer(lm='inner(size=7)', n=5)", device="cuda")
    assert (built.lm.size, built.lm.device, built.n, built.other) == (7, "cuda", 5, None)
    assert built.spec == "outer(lm='inner(size=7)', n=5)"
    assert spec.build("adapter", "inner(device='cpu')", device="cuda").device == "cpu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner(sise=1)", 'no option of adapter inner "sise"; did you mean "size"?'),
        ("outer", 'adapter "outer" needs lm'),
        ("outer(lm='inner(sise=1)')", 'did you mean "size"?'),
        ("inner(size='x')", "adapter inner: size is 'x'; it takes int"),
        ("inner(size=True)", "size is True; it takes int"),
        ("inner(size=None)", "size is None; it takes int"),
        ("moonshin", 'no adapter "moonshin"; did you mean "moonshine"?'),
    ],
)
@pytest.mark.parametrize("use", [spec.build, spec.check])
def test_typos_are_met_with_near_names(use: Any, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        use("adapter", text)
    assert message in str(error.value)


def test_a_package_that_is_not_there_is_one_line() -> None:
    with pytest.raises(
        UsageError, match='"lacking" needs not_there_at_all, which is not installed'
    ):
        spec.build("adapter", "lacking")


def test_a_rebuilt_task_keeps_the_options_that_are_not_named() -> None:
    task = {"name": "open_asr", "options": {"normalizer": "basic", "rule": "plain", "hash": "1"}}
    run = {"signature": {"long": {"task": task}}}
    assert spec.rebuild(run).options() == {"normalizer": "basic", "rule": "plain"}
    again = spec.rebuild(run, "open_asr(rule='merge-compounds')")
    assert again.options() == {"normalizer": "basic", "rule": "merge-compounds"}
