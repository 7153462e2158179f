"""What a call is given and gives is recorded as it was at that moment, though it is written down later."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_support import Recorded, parsed, spans

from tracekit import trace
from tracekit.capture import Capture, Limits
from tracekit.freeze import NotPlain, copy_of

__all__ = ["spans"]

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", max_size=3), inner, max_size=4),
    max_leaves=12,
)


def _copy(value: Any, capture: Capture) -> tuple[Any, int]:
    return copy_of(value, type(value), capture, capture.limits.max_depth, capture.limits.max_chars)


def _spoil(value: Any) -> None:
    """Change everything in a value that can be changed."""
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value.clear()
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value.append("spoilt")


@settings(deadline=None, max_examples=80)
@given(st.lists(plain, max_size=4) | st.dictionaries(st.text("abcxyz", max_size=3), plain, max_size=4))
def test_a_copy_stays_what_it_was(value: Any) -> None:
    before = copy.deepcopy(value)
    kept, size = _copy(value, Capture())
    _spoil(value)
    assert kept == before and size > 0
    # About as many characters as its JSON, and never far fewer: it bounds what waits to be sent.
    assert size * 4 >= len(json.dumps(before, ensure_ascii=False)) - 8


@pytest.mark.parametrize(
    "value",
    [
        {"a": object()},
        [{"a": [object()]}],
        {1: "a"},
        {"api_key": "sk-1"},
        [{"deep": {"password": "x"}}],
        {"name": "authorization", "value": "Bearer x"},
        ["authorization", "Bearer x"],
        ["x" * 300],
        ["x" * 60] * 5,
        list(range(1_001)),
        [[[[[["too deep"]]]]]],
    ],
)
def test_what_cannot_wait_is_refused(value: Any) -> None:
    with pytest.raises(NotPlain):
        _copy(value, Capture(limits=Limits(max_chars=256, max_depth=5)))


def test_arguments_and_results_that_change_afterwards(spans: Recorded) -> None:
    asked = {"filters": [{"year": 2024}], "tags": ["a"]}
    found = [{"id": "1", "text": "one", "score": 0.5}]
    answer = {"role": "assistant", "content": "yes", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    messages = [{"role": "user", "content": "well?"}]
    calls: list[tuple[str, Any, Any]] = [
        ("chain", asked, {"rows": [[1, 2], [3]]}),
        ("retriever", asked, found),
        ("tool", asked, {"sky": ["clear"]}),
        ("llm", messages, answer),
    ]
    for kind, *values in calls:
        value, result = copy.deepcopy(values)

        def work(messages: Any, query: str = "q") -> Any:
            return result  # noqa: B023 - called at once

        getattr(trace, kind)(name=kind)(work)(value)
        _spoil(value)
        _spoil(result)
        assert "spoilt" not in str(spans.attributes(kind))


def test_secrets_by_their_names_are_masked_however_late(spans: Recorded) -> None:
    @trace(name="call")
    def call(options: Any, headers: Any) -> Any:
        return {"deep": [{"access_token": "CANARY-3"}]}

    call({"api_key": "CANARY-1", "k": 5}, [("authorization", "CANARY-2")])
    attributes = spans.attributes("call")
    assert "CANARY" not in str(attributes)
    assert parsed(attributes["input.value"])["options"]["k"] == 5


def test_an_application_that_reads_attributes_while_the_span_runs(spans: Recorded) -> None:
    @trace.llm(name="call")
    def call(messages: Any) -> str:
        from opentelemetry import trace as trace_api

        span = trace_api.get_current_span()
        span.set_attribute("seen", len(span.attributes))  # type: ignore[attr-defined]
        return "yes"

    call([{"role": "user", "content": "well?"}])
    assert spans.attributes("call")["seen"] >= 1
    assert "well?" in spans.attributes("call")["gen_ai.input.messages"]
