"""What the captured cases of other tools do not hold: older versions, streams, failures, names that others use too."""

from __future__ import annotations

from typing import Any

import pytest

from collector.model import Cost, Event, Span
from collector.processors.dialects import dialects_of
from collector.processors.dialects.messages import message_of
from collector.processors.normalize import content, error, facts
from collector.processors.providers import provider_id

START = 1_795_305_600_000_000_000


def span_of(attributes: dict[str, Any], **fields: Any) -> Span:
    """With its facts."""
    span = Span(bytes(16), bytes(8), None, "name", START, START + 10**9, attributes=attributes, **fields)
    facts(span)
    return span


def test_only_spans_with_a_mark_are_shown_to_the_dialects_of_tools() -> None:
    assert len(dialects_of({"gen_ai.operation.name": "chat", "input.value": "x"})) == 2
    assert len(dialects_of({"langfuse.observation.type": "span", "input.value": "x"})) == 3


def test_langfuse_leaves_out_of_input_what_it_names_beside_it() -> None:
    usage = '{"input": 40, "output": 5, "input_cache_read": 60, "output_reasoning": 7}'
    span = span_of({"langfuse.observation.type": "generation", "langfuse.observation.usage_details": usage})
    assert span.usage is not None
    assert (span.usage.input_tokens, span.usage.output_tokens, span.usage.total_tokens) == (100, 12, 112)
    assert (span.usage.cache_read_tokens, span.usage.reasoning_tokens) == (60, 7)


def test_langfuse_errors_are_a_level_with_a_message_and_cost_nothing() -> None:
    span = span_of(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "RateLimitError: slow down",
            "langfuse.observation.cost_details": '{"input": 0, "output": 0, "total": 0}',
        }
    )
    found = error(span)
    assert span.status == "error" and found is not None and span.cost is None
    assert (found.type, found.message) == ("RateLimitError", "slow down")


def test_langfuse_tells_when_the_answer_began() -> None:
    began = '"2026-11-22T00:00:00.250000Z"'
    kind = "langfuse.observation.type"
    span = span_of({kind: "generation", "langfuse.observation.completion_start_time": began})
    assert span.time_to_first_token_ns == 250_000_000
    early = span_of({kind: "generation", "langfuse.observation.completion_start_time": '"2020-01-01T00:00:00Z"'})
    assert early.time_to_first_token_ns is None


def test_a_model_is_mlflows_only_where_it_is_json() -> None:
    assert span_of({"gen_ai.operation.name": "chat", "model": '"gpt-4o"'}).request_model == "gpt-4o"
    assert span_of({"gen_ai.operation.name": "chat", "model": "tesla-3"}).request_model is None


@pytest.mark.parametrize("name", ["gen_ai.content.completion.chunk", "llm.content.completion.chunk"])
def test_traceloops_first_chunk_is_the_first_token(name: str) -> None:
    chunks = [Event(name, START + 300), Event(name, START + 900)]
    span = span_of({"gen_ai.operation.name": "chat", "gen_ai.is_streaming": True}, events=chunks)
    assert span.time_to_first_token_ns == 300


def test_traceloops_properties_are_session_user_and_metadata() -> None:
    properties = {"session_id": "s", "user_id": "u", "plan": "gold"}
    span = span_of({f"traceloop.association.properties.{name}": value for name, value in properties.items()})
    assert (span.session_id, span.user_id, span.metadata) == ("s", "u", {"plan": "gold"})


def test_logfires_stream_is_the_span_that_has_the_answer() -> None:
    asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "request_data": "{}"}
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 2}
    assert span_of({**asked, "logfire.span_type": "span"}).kind == "task"
    assert span_of({**asked, "logfire.span_type": "span"}, status="error").kind == "llm"
    assert span_of({**asked, "logfire.span_type": "log", **usage}).kind == "llm"
    assert span_of({**asked, "logfire.span_type": "span", **usage}).kind == "llm"


def test_litellm_writes_its_usage_in_python() -> None:
    usage = "{'completion_tokens': 11, 'prompt_tokens': 30, 'prompt_tokens_details': {'cached_tokens': 20, 'x': None}}"
    span = span_of({"gen_ai.operation.name": "chat", "metadata.usage_object": usage, "gen_ai.cost.total_cost": 0.5})
    assert span.usage is not None and span.usage.cache_read_tokens == 20 and span.usage.input_tokens == 30
    assert span.cost == Cost("reported", 5 * 10**11, reported_total=5 * 10**11)
    assert span_of({"metadata.usage_object": "__import__('os')"}).usage is None


def test_older_conventions_tell_messages_by_events() -> None:
    call = '[{"id": "c", "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}]'
    span = span_of(
        {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"},
        events=[
            Event("gen_ai.system.message", START, {"content": "Be brief."}),
            Event("gen_ai.user.message", START, {"content": "1 + 1?"}),
            Event("gen_ai.assistant.message", START, {"tool_calls": call}),
            Event("gen_ai.tool.message", START, {"id": "c", "content": "2"}),
            Event("gen_ai.choice", START, {"message": '{"content": "2."}', "finish_reason": "stop"}),
        ],
    )
    found = content(span)
    assert [message.role for message in found.input_messages] == ["system", "user", "assistant", "tool"]
    assert found.input_messages[2].tool_calls[0].arguments == {"a": 1}
    assert found.input_messages[3].tool_call_id == "c"
    assert [(message.role, message.text) for message in found.output_messages] == [("assistant", "2.")]


def test_bedrocks_blocks_are_parts() -> None:
    asked = message_of({"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}]})
    said = message_of({"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "2"}]}}]})
    assert asked is not None and [(call.id, call.name) for call in asked.tool_calls] == [("c", "f")]
    assert said is not None and (said.role, said.tool_call_id, said.text) == ("tool", "c", "2")


def test_langsmiths_exceptions_are_told_by_their_repr() -> None:
    told = {"exception.type": "Exception", "exception.message": "TimeoutError('too slow')Traceback (most recent"}
    span = span_of({"langsmith.span.kind": "llm"}, status="error", events=[Event("exception", START, told)])
    found = error(span)
    assert found is not None and (found.type, found.message) == ("TimeoutError", "too slow")


def test_vercel_names_the_api_with_the_provider_and_quotes_results() -> None:
    assert (provider_id("openai.responses"), provider_id("google.vertex")) == ("openai", "google")
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.result": '"21 C"'}
    found = content(span_of(tool)).tool
    assert found is not None and found.result == "21 C"


def test_vercels_embeddings_have_texts_and_vectors() -> None:
    found = content(span_of({"ai.operationId": "ai.embed.doEmbed", "ai.values": ['"a"'], "ai.embeddings": ["[1, 2]"]}))
    assert [(one.text, one.vector, one.dimensions) for one in found.embeddings] == [("a", [1, 2], 2)]
