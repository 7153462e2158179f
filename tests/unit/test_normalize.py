"""Facts and content of spans that speak OpenTelemetry GenAI, OpenInference, both or neither."""

from __future__ import annotations

from typing import Any

import pytest

from collector.model import Content, Cost, ErrorInfo, Event, Span, Usage
from collector.processors.normalize import content, error, facts

START = 1_795_305_600_000_000_000

GENAI: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "gcp.vertex_ai",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.response.model": "gemini-2.5-flash-001",
    "gen_ai.response.id": "r-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.conversation.id": "conversation",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.response.time_to_first_chunk": 0.25,
}
OPENINFERENCE: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.provider": "google",
    "llm.invocation_parameters": '{"model": "gemini-2.5-flash", "temperature": 0.2}',
    "llm.model_name": "gemini-2.5-flash-001",
    "llm.finish_reason": "stop",
    "session.id": "session",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 30,
    "llm.token_count.total": 130,
    "llm.token_count.prompt_details.cache_read": 60,
    "llm.token_count.completion_details.reasoning": 20,
}


def span_of(attributes: dict[str, Any], **fields: Any) -> Span:
    return Span(bytes(16), bytes(8), None, "name", START, START + 10**9, attributes=attributes, **fields)


def normalised(attributes: dict[str, Any], **fields: Any) -> Span:
    span = span_of(attributes, **fields)
    facts(span)
    return span


@pytest.mark.parametrize("attributes", [GENAI, OPENINFERENCE, {**GENAI, **OPENINFERENCE}], ids=["genai", "oi", "both"])
def test_the_same_call_in_either_convention_or_both(attributes: dict[str, Any]) -> None:
    span = normalised(attributes)
    assert (span.kind, span.provider) == ("llm", "google")
    assert (span.request_model, span.response_model) == ("gemini-2.5-flash", "gemini-2.5-flash-001")
    assert span.usage == Usage(100, 30, 130, cache_read_tokens=60, reasoning_tokens=20)
    assert span.finish_reasons == ["stop"]


def test_what_one_convention_leaves_out_the_other_fills() -> None:
    span = normalised({**OPENINFERENCE, **GENAI, "openinference.span.kind": "GUARDRAIL"})
    assert span.kind == "guardrail"  # told on purpose, not taken from an operation
    assert span.session_id == "session"  # likewise: a conversation id may be made up for each run
    assert span.response_id == "r-1"
    assert span.time_to_first_token_ns == 250_000_000


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "llm"),
        ("text_completion", "llm"),
        ("generate_content", "llm"),
        ("embeddings", "embedding"),
        ("retrieval", "retriever"),
        ("execute_tool", "tool"),
        ("invoke_agent", "agent"),
        ("create_agent", "agent"),
        ("invoke_workflow", "chain"),
        ("search_memory", "task"),
        (["chat"], "task"),
    ],
)
def test_kinds_by_operation(operation: Any, kind: str) -> None:
    assert normalised({"gen_ai.operation.name": operation}).kind == kind


@pytest.mark.parametrize(
    ("value", "kind"), [("LLM", "llm"), ("Reranker", "reranker"), ("UNKNOWN", "task"), (7, "task")]
)
def test_kinds_by_openinference(value: Any, kind: str) -> None:
    assert normalised({"openinference.span.kind": value}).kind == kind


def test_any_other_span_is_a_task_of_its_service() -> None:
    span = normalised(
        {"http.request.method": "POST", "session.id": "s", "enduser.id": 7}, resource={"service.name": "shop"}
    )
    assert (span.kind, span.project, span.service) == ("task", "shop", "shop")
    assert (span.session_id, span.user_id, span.usage, span.cost) == ("s", "7", None, None)
    assert content(span) == Content()


@pytest.mark.parametrize(
    ("attributes", "resource", "project"),
    [
        ({}, {}, "default"),
        ({}, {"service.name": "unknown_service:python"}, "default"),
        ({}, {"service.name": "shop"}, "shop"),
        ({}, {"service.name": "shop", "openinference.project.name": "kettles"}, "kettles"),
        ({"tracekit.project": "mine"}, {"service.name": "shop", "openinference.project.name": "kettles"}, "mine"),
        ({"tracekit.project": ["a"]}, {}, '["a"]'),
    ],
)
def test_project(attributes: dict[str, Any], resource: dict[str, Any], project: str) -> None:
    assert normalised(attributes, resource=resource).project == project


@pytest.mark.parametrize(
    ("provider", "extra", "found"),
    [
        ("openai", {}, "openai"),
        ("OpenAI", {}, "openai"),
        ("openai", {"server.address": "api.deepseek.com"}, "deepseek"),
        ("openai", {"server.address": "mine.openai.azure.com"}, "azure"),
        ("aws.bedrock", {}, "aws"),
        ("mistral_ai", {}, "mistral"),
        ("x_ai", {}, "x-ai"),
        ("acme", {}, "acme"),
        ("langchain", {}, None),
        ("strands-agents", {"gen_ai.request.model": "claude-sonnet-4-5"}, "anthropic"),
        ({"odd": 1}, {}, None),
    ],
)
def test_provider(provider: Any, extra: dict[str, Any], found: str | None) -> None:
    assert normalised({"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, **extra}).provider == found


def test_a_vector_store_is_no_provider_of_models() -> None:
    assert normalised({"gen_ai.operation.name": "retrieval", "gen_ai.provider.name": "FAISS"}).provider is None


@pytest.mark.parametrize(
    ("attributes", "request_model", "response_model", "provider"),
    [
        ({"llm.model_name": "gpt-4o-2024-08-06"}, "gpt-4o", "gpt-4o-2024-08-06", "openai"),
        (
            {"llm.model_name": "claude-sonnet-4-5-20250929"},
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "anthropic",
        ),
        ({"llm.model_name": "openai/gpt-4o-mini"}, "gpt-4o-mini", "gpt-4o-mini", "openai"),
        ({"llm.model_name": "meta-llama/Llama-3"}, "meta-llama/Llama-3", "meta-llama/Llama-3", None),
        ({"llm.model_name": "openai/gpt-oss-120b", "llm.provider": "groq"}, *["openai/gpt-oss-120b"] * 2, "groq"),
        (
            {
                "llm.model_name": "gpt-4o",
                "llm.invocation_parameters": '{"model": "gpt-4o"}',
                "output.value": '{"text": "\\"model\\": \\"fake\\"", "model": "gpt-4o-2024-08-06", "id": "chatcmpl-1"}',
            },
            "gpt-4o",
            "gpt-4o-2024-08-06",
            "openai",
        ),
    ],
)
def test_models_of_openinference(
    attributes: dict[str, Any], request_model: str, response_model: str, provider: str | None
) -> None:
    span = normalised({"openinference.span.kind": "LLM", **attributes})
    assert (span.request_model, span.response_model, span.provider) == (request_model, response_model, provider)


def test_a_failed_call_has_no_response_model() -> None:
    span = normalised({"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}, status="error")
    assert (span.request_model, span.response_model) == ("gpt-4o", None)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"id":"chatcmpl-7","object":"chat.completion"}', "chatcmpl-7"),
        ('{"output": [{"id": "msg_1"}], "id": "resp_2"}', "resp_2"),
        ('{"response_metadata": {"id": "msg_1"}, "id": "lc_run--3"}', "msg_1"),
        ('{"text": "\\"id\\": \\"chatcmpl-8\\""}', None),
    ],
)
def test_the_answers_id_from_its_body(body: str, found: str | None) -> None:
    assert normalised({"openinference.span.kind": "LLM", "output.value": body}).response_id == found


@pytest.mark.parametrize(
    ("tokens", "usage"),
    [
        ({"input_tokens": 21, "cache_read.input_tokens": 1250, "output_tokens": 5}, Usage(1271, 5, 1276, 1250)),
        (
            {"input_tokens": 10, "cache_creation.input_tokens": 4, "cache_write.input_tokens": 4},
            Usage(10, None, None, None, 4),
        ),
        ({"input_tokens": 10, "output_tokens": 5, "reasoning.output_tokens": 7}, Usage(10, 12, 22, reasoning_tokens=7)),
        ({"input_tokens": "10", "output_tokens": 5.0}, Usage(10, 5, 15)),
        ({"input_tokens": -1, "output_tokens": 5}, Usage(None, 5)),
        ({"input_tokens": 2**63, "output_tokens": True}, Usage()),
        ({"input_tokens": 2**63 - 1, "output_tokens": 1}, Usage(2**63 - 1, 1)),
        ({"input_tokens": 1, "output_tokens": 2, "audio.input_tokens": 1}, Usage(1, 2, 3, audio_input_tokens=1)),
        ({"input_tokens": 1, "output_tokens": 2, "total_tokens": 4}, Usage(1, 2, 4)),
    ],
)
def test_usage_is_inclusive_and_unknown_is_not_zero(tokens: dict[str, Any], usage: Usage) -> None:
    attributes = {f"gen_ai.usage.{name}": value for name, value in tokens.items()}
    assert normalised({"gen_ai.operation.name": "chat", **attributes}).usage == usage


def test_an_embedding_has_no_output_tokens() -> None:
    span = normalised({"openinference.span.kind": "EMBEDDING", "llm.token_count.total": 7, "embedding.model_name": "m"})
    assert (span.usage, span.request_model) == (Usage(7, None, 7), "m")


@pytest.mark.parametrize(
    ("attributes", "ns"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.5}, 500_000_000),
        ({"gen_ai.client.operation.time_to_first_chunk": 1}, 10**9),
        ({"gen_ai.server.time_to_first_token": 0.5}, 500_000_000),
        ({"gen_ai.server.time_to_first_token": 500}, 500_000_000),
        ({"gen_ai.response.time_to_first_chunk": float("nan")}, None),
        ({"gen_ai.response.time_to_first_chunk": -1.0}, None),
    ],
)
def test_time_to_first_token(attributes: dict[str, Any], ns: int | None) -> None:
    assert normalised({"gen_ai.operation.name": "chat", **attributes}).time_to_first_token_ns == ns


def test_time_to_first_token_of_an_event() -> None:
    span = normalised({"openinference.span.kind": "LLM"}, events=[Event("First Token Stream Event", START + 42)])
    assert span.time_to_first_token_ns == 42


@pytest.mark.parametrize("time_ns", [START - 1, START + 2**63])
def test_an_event_out_of_time_tells_nothing(time_ns: int) -> None:
    span = normalised({"openinference.span.kind": "LLM"}, events=[Event("First Token Stream Event", time_ns)])
    assert span.time_to_first_token_ns is None


def test_reported_cost() -> None:
    attributes = {"llm.cost.total": 0.003, "llm.cost.prompt": 0.001, "llm.cost.completion": 0.002}
    span = normalised({"openinference.span.kind": "LLM", **attributes})
    assert span.cost == Cost("reported", 3 * 10**9, 10**9, 2 * 10**9, None, 3 * 10**9)
    assert normalised({"openinference.span.kind": "LLM", "llm.cost.total": float("inf")}).cost is None


def test_tags_and_metadata() -> None:
    span = normalised({"tag.tags": ["a", "", 3], "metadata": '{"tier": "gold", "n": [1, null]}'})
    assert span.tags == ["a", "3"]
    assert span.metadata == {"tier": "gold", "n": [1, None]}
    span = normalised({"tag.tags": '["a", "b"]', "metadata": {"x": float("nan"), "y": b"z"}})
    assert (span.tags, span.metadata) == (["a", "b"], {"x": None, "y": "z"})
    span = normalised({"tag.tags": "alone", "metadata": "no object"})
    assert (span.tags, span.metadata) == (["alone"], None)


def exception(**attributes: str) -> Event:
    return Event("exception", START, {f"exception.{key}": value for key, value in attributes.items()})


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, ErrorInfo()),
        ({"status_message": "RateLimitError: slow down"}, ErrorInfo("RateLimitError", "slow down")),
        ({"status_message": "openai.RateLimitError: slow"}, ErrorInfo("RateLimitError", "slow")),
        ({"status_message": "Error in run: {'a': 1}"}, ErrorInfo(None, "Error in run: {'a': 1}")),
        (
            {"attributes": {"error.type": "a.b.TimeoutError"}, "status_message": "late"},
            ErrorInfo("TimeoutError", "late"),
        ),
        (
            {
                "status_message": "ValueError: outer",
                "events": [exception(type="KeyError"), exception(type="x.ValueError", message="m", stacktrace="s")],
            },
            ErrorInfo("ValueError", "m", "s"),
        ),
    ],
)
def test_error(fields: dict[str, Any], found: ErrorInfo) -> None:
    span = Span(bytes(16), bytes(8), None, "name", START, START, status="error", **fields)
    facts(span)
    assert span.error == found == error(span)


def test_an_exception_that_was_handled_is_no_error() -> None:
    span = normalised({}, events=[exception(type="KeyError")], status="ok")
    assert span.error is None


def test_a_cost_that_an_sdk_worked_out_was_not_reported() -> None:
    told = {**OPENINFERENCE, "llm.cost.total": 0.25}
    reported, computed = span_of(told), span_of({**told, "tracekit.cost.source": "genai-prices"})
    facts(reported)
    facts(computed)
    assert reported.cost is not None and reported.cost.status == "reported"
    assert computed.cost is None


def test_embeddings_with_texts_win_over_a_bare_dimension() -> None:
    both = span_of(
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.embeddings.dimension.count": 2,
            "openinference.span.kind": "EMBEDDING",
            "embedding.embeddings.0.embedding.text": "one",
            "embedding.embeddings.0.embedding.vector": [0.5, 0.25],
            "embedding.embeddings.1.embedding.text": "two",
        }
    )
    assert [(found.text, found.vector) for found in content(both).embeddings] == [("one", [0.5, 0.25]), ("two", None)]
