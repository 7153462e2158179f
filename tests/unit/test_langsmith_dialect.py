"""Runs of LangSmith's clients as facts and content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langsmith_runs import ended, spans_of

from collector.codec.runs import RunHead, head_of, merged
from collector.model import Content, Span
from collector.processors.normalize import content

AI = ["langchain", "schema", "messages", "AIMessage"]


def span_of(**fields: Any) -> Span:
    change = ended(0, **{"name": "a run", "run_type": "llm", "start_time": "2026-01-02T03:00:00Z", **fields})
    (span,) = spans_of([head(change)]).spans
    return span


def head(change: Any) -> RunHead:
    return head_of(change.run_id, merged(None, [change]))


def read(**fields: Any) -> Content:
    return content(span_of(**fields))


@pytest.mark.parametrize(
    ("run_type", "kind"),
    [
        ("llm", "llm"),
        ("CHAT", "llm"),
        *((same, same) for same in ("retriever", "tool", "chain", "embedding", "prompt")),
        ("parser", "task"),
        ("what", "task"),
        (None, "chain"),
        (3, "chain"),
    ],
)
def test_run_types_are_kinds(run_type: Any, kind: str) -> None:
    assert span_of(run_type=run_type).kind == kind


def test_an_agent_is_told_by_its_name() -> None:
    metadata = {"metadata": {"lc_agent_name": "desk"}}
    assert span_of(run_type="chain", name="desk", extra=metadata).kind == "agent"
    assert span_of(run_type="chain", name="model", extra=metadata).kind == "chain"


USAGE = {
    "input_tokens": 20,
    "output_tokens": 7,
    "total_tokens": 27,
    "input_token_details": {"cache_read": 4, "cache_creation": 2, "audio": 1},
    "output_token_details": {"reasoning": 3},
}


def langchain_answer(**message: Any) -> dict[str, Any]:
    wrapped = {"lc": 1, "type": "constructor", "id": AI, "kwargs": {"content": "Five days.", "type": "ai", **message}}
    return {"generations": [[{"text": "Five days.", "message": wrapped, "generation_info": {"finish_reason": "stop"}}]]}


@pytest.mark.parametrize(
    "fields",
    [
        {"extra": {"metadata": {"usage_metadata": USAGE}}},
        {"outputs": {"usage_metadata": USAGE}},
        {"outputs": {"output": {"usage_metadata": USAGE, "content": "x"}}},
        {"outputs": langchain_answer(usage_metadata=USAGE)},
        {"outputs": langchain_answer(usage_metadata=USAGE), "extra": {"metadata": {"usage_metadata": USAGE}}},
    ],
)
def test_usage_is_taken_once_wherever_it_is(fields: dict[str, Any]) -> None:
    usage = span_of(**fields).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (20, 7, 27)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.audio_input_tokens) == (4, 2, 1)
    assert usage.reasoning_tokens == 3


def test_usage_of_openai_and_anthropic_as_they_send_it() -> None:
    openai = {"prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
    usage = span_of(outputs={"choices": [], "usage": openai}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.total_tokens) == (20, 4, 27)
    usage = span_of(outputs={"llm_output": {"token_usage": openai}, "generations": []}).usage
    assert usage is not None and usage.total_tokens == 27


def test_a_cost_that_the_application_said_is_reported() -> None:
    cost = span_of(outputs={"usage_metadata": USAGE | {"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}}).cost
    assert cost is not None
    assert (cost.status, cost.total, cost.input) == ("reported", 300_000_000_000, 100_000_000_000)


def test_models_provider_and_answer() -> None:
    metadata = {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}}
    said = {"model_name": "gpt-4o-mini-2024-07-18", "id": "chatcmpl-1", "finish_reason": "stop"}
    span = span_of(extra=metadata, outputs=langchain_answer(response_metadata=said))
    assert (span.request_model, span.response_model, span.provider) == (
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "openai",
    )
    assert (span.response_id, span.finish_reasons) == ("chatcmpl-1", ["stop"])
    span = span_of(inputs={"model": "gpt-4o"}, outputs={"id": "chatcmpl-2", "model": "gpt-4o-2024-08-06"})
    assert (span.request_model, span.response_model, span.response_id) == ("gpt-4o", "gpt-4o-2024-08-06", "chatcmpl-2")
    span = span_of(extra={"invocation_params": {"model_name": "claude-3-haiku"}})
    assert (span.request_model, span.provider) == ("claude-3-haiku", "anthropic")


def test_whose_run_it_is_and_what_of_its_metadata_is_shown() -> None:
    metadata = {
        "thread_id": "t1",
        "user_id": "ada",
        "plan": "pro",
        "LANGSMITH_ENDPOINT": "http://10.0.0.1",
        "LANGSMITH_RUNS_ENDPOINTS": "{}",
        "LANGSMITH_PROJECT": "shop",
        "usage_metadata": USAGE,
    }
    span = span_of(extra={"metadata": metadata}, tags=["gold", "seq:step:1"], session_name="shop")
    assert (span.session_id, span.user_id, span.tags, span.project) == ("t1", "ada", ["gold"], "shop")
    assert span.metadata == {"thread_id": "t1", "user_id": "ada", "plan": "pro", "LANGSMITH_PROJECT": "shop"}


def test_the_first_token() -> None:
    events = [
        {"name": "start", "time": "2026-01-02T03:00:00Z"},
        {"name": "new_token", "time": "2026-01-02T03:00:00.250Z"},
    ]
    assert span_of(events=events).time_to_first_token_ns == 250_000_000
    assert span_of(events=[{"name": "new_token", "time": "2026-01-02T02:00:00Z"}, 3]).time_to_first_token_ns is None


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("ValueError('no such order')Traceback (most recent call last):\n  File", "ValueError", "no such order"),
        (
            "openai.NotFoundError(\"Error code: 404 - {'a': 1}\")\n\n\nTraceback ...",
            "NotFoundError",
            "Error code: 404 - {'a': 1}",
        ),
        ("KeyError('x')", "KeyError", "x"),
        ("it broke\nin two", None, "it broke"),
    ],
)
def test_errors(error: str, kind: str | None, message: str) -> None:
    found = span_of(error=error).error
    assert found is not None
    assert (found.type, found.message) == (kind, message)


def test_messages_of_langchain_and_of_openai() -> None:
    human = {
        "lc": 1,
        "type": "constructor",
        "id": [*AI[:3], "HumanMessage"],
        "kwargs": {"content": "Hi", "type": "human"},
    }
    call = {"name": "lookup", "args": {"order": "K-7"}, "id": "c1", "type": "tool_call"}
    found = read(inputs={"messages": [[human]]}, outputs=langchain_answer(tool_calls=[call]))
    assert [(message.role, message.text) for message in found.input_messages] == [("user", "Hi")]
    (answer,) = found.output_messages
    assert (answer.role, answer.text, answer.tool_calls[0].arguments) == ("assistant", "Five days.", {"order": "K-7"})
    chat = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.2, "model": "gpt-4o"}
    found = read(inputs=chat, outputs={"choices": [{"message": {"role": "assistant", "content": "Ho"}}]})
    assert [message.text for message in (*found.input_messages, *found.output_messages)] == ["Hi", "Ho"]
    assert found.parameters == {"temperature": 0.2}


def test_documents_tools_and_embeddings() -> None:
    document = {"page_content": "text", "id": "d1", "metadata": {"score": 0.5}, "type": "Document"}
    for outputs in ({"documents": [document]}, {"output": [document]}):
        (found,) = read(run_type="retriever", outputs=outputs).documents
        assert (found.id, found.text, found.score) == ("d1", "text", 0.5)
    result = {"content": "fine", "type": "tool", "tool_call_id": "c1"}
    tool = read(run_type="tool", name="weather", inputs={"city": "Lyon"}, outputs={"output": result}).tool
    assert tool is not None
    assert (tool.name, tool.arguments, tool.result, tool.call_id) == ("weather", {"city": "Lyon"}, "fine", "c1")
    embeddings = read(run_type="embedding", inputs={"texts": ["a", "b"]}).embeddings
    assert [embedding.text for embedding in embeddings] == ["a", "b"]


def test_values_that_are_wrapped_for_no_reason_are_unwrapped() -> None:
    found = read(run_type="chain", inputs={"input": "Hi"}, outputs={"output": "Ho"})
    assert (found.input, found.output) == ("Hi", "Ho")
    found = read(run_type="chain", inputs={}, outputs={"a": 1})
    assert (found.input, found.output) == (None, {"a": 1})


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "generations", "message", "kwargs", "usage_metadata", "metadata", "output"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.sampled_from(["llm", "tool", "retriever", "prompt", "embedding", "chain"]),
    anything,
    anything,
    anything,
    anything,
)
def test_no_value_does_harm(run_type: str, inputs: Any, outputs: Any, extra: Any, events: Any) -> None:
    faults: list[Exception] = []
    change = ended(0, run_type=run_type, inputs=inputs, outputs=outputs, extra=extra, events=events, tags=inputs)
    (span,) = process_with(faults, change)
    assert not faults
    content(span)


def process_with(faults: list[Exception], change: Any) -> list[Span]:
    from collector.codec.run_spans import batch_of
    from collector.processors.chain import process

    batch = batch_of([head(change)])
    process(batch, None, lambda _, error: faults.append(error))
    return batch.spans
