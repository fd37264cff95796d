"""Values to JSON and back."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st
from podium.bench.plain import from_plain, to_json, to_plain
from podium.bench.task import Hypothesis, Size, Transcript

HYPOTHESES = st.builds(
    Hypothesis, st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
TRANSCRIPTS = st.builds(Transcript, st.text(), st.lists(HYPOTHESES).map(tuple))


@given(TRANSCRIPTS)
def test_a_response_comes_back_as_it_was(transcript: Transcript) -> None:
    assert from_plain(Transcript, json.loads(to_json(transcript))) == transcript


@given(st.recursive(st.floats() | st.text() | st.booleans(), lambda s: st.lists(s) | st.tuples(s)))
def test_every_document_is_json_that_utf8_carries(value: object) -> None:
    text = to_json(value)
    text.encode()
    assert json.loads(text) == json.loads(json.dumps(to_plain(value)))


def test_what_json_lacks() -> None:
    assert to_json({"a": math.nan, "b": math.inf, "c": Size(math.nan)}) == (
        '{"a": null, "b": null, "c": {"input": null, "output": 0.0}}'
    )
    assert json.loads(to_json("\ud800")) == "\ud800"
    assert to_json({(1, 2): {3}}) == '{"(1, 2)": [3]}'
