"""The codec is exact and safe; outcomes, limits, formats and the judge's two sides are right."""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench.errors import UsageError
from podium.bench.sandbox import Limits, Outcome, jail, judge, read_problems, read_solutions
from podium.bench.sandbox.inside import codec, compare
from podium.bench.sandbox.problems import Asserts, Calls, Check, Problem, Solution, mbpp

# ---------------------------------------------------------------------------------- the codec

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 9000), max_value=1 << 9000),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)),
    st.times(),
    st.timedeltas(),
)
HASHABLE = st.recursive(ATOMS, lambda s: st.lists(s, max_size=3).map(tuple), max_leaves=4)
VALUES = st.recursive(
    ATOMS,
    lambda s: st.one_of(
        st.lists(s, max_size=4),
        st.lists(s, max_size=4).map(tuple),
        st.lists(s, max_size=4).map(collections.deque),
        st.dictionaries(HASHABLE, s, max_size=3),
        st.dictionaries(HASHABLE, s, max_size=3).map(collections.OrderedDict),
        st.sets(HASHABLE, max_size=3),
        st.frozensets(HASHABLE, max_size=3),
    ),
    max_leaves=12,
)


def same(a, b) -> bool:
    """Equal with exact types, nan equal to nan, -0.0 unlike 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, (complex, decimal.Decimal)):
        return repr(a) == repr(b)
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (set, frozenset)):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    return a == b


@given(VALUES)
def test_values_cross_unchanged(value):
    assert same(codec.decode(codec.encode(value)), value)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_or_plain(data):
    with contextlib.suppress(codec.CodecError):
        codec.decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda s: (
        st.lists(s, max_size=4)
        | st.dictionaries(
            st.sampled_from(sorted(codec._DECODERS)) | st.text(max_size=5), s, max_size=2
        )
    ),
    max_leaves=10,
)


@settings(max_examples=400)
@given(JSON)
def test_hostile_tags_are_refused_or_plain(tree):
    with contextlib.suppress(codec.CodecError):
        codec.decode(json.dumps(tree).encode())


@pytest.mark.parametrize("depth", [100, 990, 100_000])
def test_deep_messages_are_refused(depth):
    for opening, closing in (("[", "]"), ('{"tuple":[', "]}")):
        with contextlib.suppress(codec.CodecError):
            codec.decode((opening * depth + closing * depth).encode())


def test_arrays_and_scalars_cross():
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.array([1 + 2j]),
        np.array(["ä", "b"]),
        np.array([True, False]),
        np.zeros((0, 3), dtype="int8"),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
    ):
        back = codec.decode(codec.encode(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
    for scalar in (np.float64(0.1), np.int8(-3), np.bool_(True)):
        back = codec.decode(codec.encode(scalar))
        assert type(back) is type(scalar)
        assert back == scalar


def test_integers_of_any_size_cross():
    for value in (10**4299, 10**4300, -(7**50_000)):
        assert codec.decode(codec.encode([value])) == [value]


def test_object_arrays_are_never_unpickled():
    for dtype in ("O", "|O", "V8", "[('a', 'O')]"):
        with pytest.raises(codec.CodecError):
            codec.decode(json.dumps({"array": [dtype, [1], "00" * 8]}).encode())


def test_subclasses_cross_as_what_they_are_made_of():
    class Yes(str):
        def __eq__(self, other):
            return True

        __hash__ = str.__hash__

    pair = collections.namedtuple("pair", "a b")
    assert type(codec.decode(codec.encode(Yes("no")))) is str
    assert codec.decode(codec.encode(Yes("no"))) != "yes"
    assert codec.decode(codec.encode(pair(1, 2))) == (1, 2)


def test_iterators_views_and_counters_cross():
    def through(value):
        return codec.decode(codec.encode(value))

    assert list(through(x * x for x in range(4))) == [0, 1, 4, 9]
    assert through({1: 2}.keys()) == {1}
    assert list(through({1: 2}.values())) == [2]
    assert through({1: 2}.items()) == {(1, 2)}
    assert through(collections.Counter("abca")) == collections.Counter("abca")
    assert through(collections.defaultdict(list, {1: [2]})) == {1: [2]}
    assert through(range(3, 9, 2)) == range(3, 9, 2)
    assert through(int) is int


def test_a_handle_equals_nothing():
    kept: list[object] = []
    handle = codec.decode(codec.encode([object()], kept))[0]
    for look in (
        lambda: handle == handle,
        lambda: bool(handle),
        lambda: handle.x,
        lambda: [*handle],
    ):
        with pytest.raises(codec.Unanswerable):
            look()
    assert codec.decode(codec.encode(handle), kept) is kept[0]


# ---------------------------------------------------------------------------------- the judge

ONE = Problem(
    "one",
    "f",
    Check("def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(2) == 3\n"),
)


def outcome_of(source: str, problem: Problem = ONE, **limits):
    (verdict,) = judge(
        [problem], [Solution(problem.task_id, source)], workers=1, limits=Limits(**limits)
    )
    return verdict


def test_each_test_keeps_its_own_outcome():
    verdict = outcome_of("def f(x):\n    return 2 if x == 1 else 1 / 0\n")
    assert [t.outcome for t in verdict.tests] == [Outcome.PASSED, Outcome.RAISED]
    assert (verdict.passed, verdict.total, verdict.outcome) == (1, 2, Outcome.RAISED)
    assert "ZeroDivisionError" in verdict.tests[1].note


def test_a_child_that_died_is_started_again():
    verdict = outcome_of("import os\ndef f(x):\n    return os._exit(3) if x == 1 else x + 1\n")
    assert [t.outcome for t in verdict.tests] == [Outcome.KILLED, Outcome.PASSED]


def test_a_timeout_ends_one_test_only():
    verdict = outcome_of("def f(x):\n    while x == 1: pass\n    return 3\n", cpu=0.3)
    assert [t.outcome for t in verdict.tests] == [Outcome.TIMEOUT, Outcome.PASSED]


def test_changes_in_place_are_seen():
    program = (
        "def check(candidate):\n    a, d = [3, 1, 2], {}\n    candidate(a, d)\n"
        "    assert a == [1, 2, 3]\n    assert d == {'n': 3}\n"
    )
    problem = Problem("sort", "f", Check(program))
    source = "def f(a, d):\n    a.sort()\n    d['n'] = len(a)\n"
    assert outcome_of(source, problem).outcome is Outcome.PASSED


def test_exceptions_can_be_caught_by_the_test():
    program = (
        "def check(candidate):\n    try:\n        candidate(-1)\n        assert False\n"
        "    except ValueError as error:\n        assert str(error) == 'negative'\n"
    )
    problem = Problem("raises", "f", Check(program))
    good = "class Mine(ValueError): pass\ndef f(x):\n    raise Mine('negative')\n"
    assert outcome_of(good, problem).outcome is Outcome.PASSED
    assert outcome_of("def f(x): return 1", problem).outcome is Outcome.FAILED


def test_helpers_of_the_prompt_are_the_judges_own():
    problem = Problem(
        "helper",
        "f",
        Check("def check(candidate):\n    assert twice(candidate(1)) == 4\n"),
        prompt="def twice(x):\n    return 2 * x\n\ndef f(x):\n    '''Add one.'''\n",
    )
    assert outcome_of("def f(x): return x + 1", problem).outcome is Outcome.PASSED
    cheat = "def twice(x): return 4\ndef f(x): return 0"
    assert outcome_of(cheat, problem).outcome is Outcome.FAILED


def test_classes_of_the_solution_are_reached_by_handles():
    row = {
        "task_id": 601,
        "code": "",
        "test_list": ["assert total([Pair(1, 2), Pair(3, 4)]) == 10"],
        "test_setup_code": "",
    }
    source = (
        "class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def total(pairs): return sum(p.a + p.b for p in pairs)\n"
    )
    verdict = outcome_of(source, mbpp(row))
    assert (verdict.outcome, verdict.where) == (Outcome.PASSED, "judge")


def test_a_test_whose_arguments_cannot_cross_runs_in_the_jail_and_says_so():
    problem = Problem("function", "", Asserts(("assert apply(lambda x: x + 1, 2) == 3",)))
    verdict = outcome_of("def apply(f, x): return f(x)", problem)
    assert (verdict.outcome, verdict.where) == (Outcome.PASSED, "jail")
    assert outcome_of("def apply(f, x): return 0", problem).outcome is Outcome.FAILED


def test_calls_are_compared_with_the_references_answers():
    inputs = tuple(codec.encode([n]).decode() for n in range(300))
    problem = Problem("sq", "f", Calls(inputs), reference="def f(n): return n * n / 3")
    assert outcome_of("def f(n): return n ** 2 / 3 + 1e-9", problem).passed == 300
    verdict = outcome_of(
        "import os\ndef f(n): return os._exit(0) if n == 100 else n * n / 3", problem
    )
    assert verdict.passed == 299
    assert verdict.tests[100].outcome is Outcome.KILLED


def test_untrusted_tests_harm_only_themselves():
    tests = (
        "assert f(1) == 2",
        "import os; os._exit(0)",
        "this is junk(",
        "assert undefined_name",
        "assert f(2) == 3",
    )
    problem = Problem("generated", "", Asserts(tests), trusted=False)
    verdict = outcome_of("def f(x): return x + 1", problem)
    outcomes = [t.outcome.value for t in verdict.tests]
    assert outcomes == ["passed", "harness_error", "failed", "failed", "passed"]


def test_an_endless_test_times_out():
    tests = ("assert f(1) == 2", "while True: pass", "assert f(2) == 3")
    problem = Problem("endless", "", Asserts(tests), trusted=False)
    verdict = outcome_of("def f(x): return x + 1", problem, cpu=0.3)
    assert [t.outcome.value for t in verdict.tests] == ["passed", "timeout", "passed"]


def test_a_problem_without_tests_is_the_harnesss_trouble():
    verdict = outcome_of("def f(x): return x", Problem("none", "f", Asserts(())))
    assert (verdict.outcome, verdict.total, verdict.score) == (Outcome.HARNESS_ERROR, 0, 0.0)


def test_an_idle_solution_times_out_and_a_function_that_is_missing_raises():
    assert outcome_of("import time\ndef f(x): time.sleep(60)", idle=0.3).outcome is Outcome.TIMEOUT
    assert outcome_of("def g(x): return x").outcome is Outcome.RAISED


def test_verdicts_keep_the_order_and_equal_texts_are_judged_once():
    good, bad = "def f(x): return x + 1", "def f(x): return x"
    seen = []
    solutions = [Solution("one", s, str(n)) for n, s in enumerate([bad, good, bad, good])]
    verdicts = judge([ONE], solutions, progress=lambda done, total: seen.append((done, total)))
    assert [v.solution_id for v in verdicts] == ["0", "1", "2", "3"]
    assert [v.outcome.value for v in verdicts] == ["failed", "passed"] * 2
    assert seen[-1] == (2, 2)


def test_a_missing_layer_is_refused():
    with pytest.raises(UsageError, match="no hypervisor"):
        judge([ONE], [Solution("one", "")], require=["hypervisor"])


def test_the_fallback_without_namespaces_judges_too(monkeypatch):
    monkeypatch.setattr(jail, "plan", jail._plain)
    assert outcome_of("def f(x): return x + 1").outcome is Outcome.PASSED
    if "seccomp" in jail._plain().layers:
        assert outcome_of("import os\ndef f(x): os.fork(); return x + 1").passed == 0
    if "landlock" in jail._plain().layers:
        assert outcome_of("def f(x): return open('/etc/passwd') and x + 1").passed == 0


# ---------------------------------------------------------------------------------- comparing


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.sampled_from([1e-6, 0.1]))
def test_close_is_numpys_allclose(a, b, atol):
    assert compare.close(a, b, atol) == bool(np.allclose(a, b, rtol=1e-7, atol=atol))


def test_rules():
    good = {name: rule.good for name, rule in compare.RULES.items()}
    assert good["same_set"]((2, 1, 1), (1, 2), [], 0)
    assert good["present"]("x", True, [], 0)
    assert not good["present"](None, True, [], 0)
    assert not good["equal"]([1.0], (1.0,), [], 0)
    assert not good["equal"](math.nan, 1.0, [], 0)
    assert good["root"](0.5, None, [[-1, 2]], 1e-4)


# ---------------------------------------------------------------------------------- the formats


def test_files_are_read_and_bad_ones_named(tmp_path):
    problems = tmp_path / "p.jsonl"
    problems.write_text(json.dumps({"task_id": 1, "code": "", "test_list": ["assert f()"]}))
    solutions = tmp_path / "s.jsonl"
    rows = [{"task_id": "1", "solution": "a"}, {"task_id": "1", "samples": ["b", "c"]}]
    solutions.write_text("\n".join(map(json.dumps, rows)))
    assert [s.source for s in read_solutions(solutions, read_problems(problems))] == ["a", "b", "c"]
    solutions.write_text('{"task_id": "2", "solution": ""}')
    with pytest.raises(UsageError, match='no problem "2"'):
        read_solutions(solutions, read_problems(problems))
    for bad in ("{", "[]", "{}"):
        problems.write_text(bad)
        with pytest.raises(UsageError, match=r"p\.jsonl:1"):
            read_problems(problems)


def test_all_humaneval_references_pass(data_dir):
    problems = read_problems(data_dir / "code" / "humaneval.jsonl.gz")
    verdicts = judge(problems, [Solution(p.task_id, p.reference) for p in problems])
    assert [v.task_id for v in verdicts if v.outcome is not Outcome.PASSED] == []
    assert {v.where for v in verdicts} == {"judge"}
    assert len(verdicts) == 164


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["humanevalplus", "mbppplus"])
def test_all_evalplus_references_pass(data_dir, name):
    problems = read_problems(data_dir / "code" / f"{name}.jsonl.gz")
    verdicts = judge(problems, [Solution(p.task_id, p.reference) for p in problems])
    assert [v.task_id for v in verdicts if v.outcome is not Outcome.PASSED] == []
    left_out = {v.task_id: v.notes for v in verdicts if v.notes}
    assert set(left_out) <= {"Mbpp/255"}  # an answer of 1.7 million 77-tuples
