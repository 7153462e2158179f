"""Translating to OpenInference: what is added, what is kept, and what moves out of the way."""

from __future__ import annotations

import json
from typing import Any

from export_records import records_of
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from wire_spans import request_of

from collector.exporters.api import Record
from collector.exporters.openinference import ORIGINAL, attributes_of, rewrite
from collector.model import PICO_USD, Cost, Event, Span

NS = 1_795_305_600_000_000_000


def record(**attributes: Any) -> Record:
    span = Span(b"\1" * 16, b"\2" * 8, None, "s", NS, NS + 1)
    span.attributes = {key.replace("__", "."): value for key, value in attributes.items()}
    (found,) = records_of(request_of(span))
    return found


def told(**attributes: Any) -> dict[str, Any]:
    return attributes_of(record(**attributes))


def test_a_call_in_other_conventions_is_told_in_openinferences() -> None:
    asked = [{"role": "user", "parts": [{"type": "text", "content": "How hot?"}]}]
    call = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Oslo"}}
    found = told(
        gen_ai__operation__name="chat",
        gen_ai__provider__name="openai",
        gen_ai__request__model="gpt-4o",
        gen_ai__response__model="gpt-4o-2024-08-06",
        gen_ai__usage__input_tokens=10,
        gen_ai__usage__output_tokens=5,
        gen_ai__usage__cache_read__input_tokens=4,
        gen_ai__input__messages=json.dumps(asked),
        gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": [call]}]),
        gen_ai__request__temperature=0.5,
        gen_ai__response__finish_reasons=["tool_calls"],
        user__id="u",
    )
    expected = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-2024-08-06",
        "llm.request.model_name": "gpt-4o",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.finish_reason": "tool_calls",
        "llm.invocation_parameters": '{"temperature":0.5}',
        "llm.token_count.prompt": 10,
        "llm.token_count.completion": 5,
        "llm.token_count.total": 15,
        "llm.token_count.prompt_details.cache_read": 4,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "How hot?",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Oslo"}',
        "input.value": "How hot?",
        "input.mime_type": "text/plain",
        "output.mime_type": "application/json",
        "gen_ai.usage.input_tokens": 10,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert json.loads(found["output.value"])[0]["tool_calls"][0]["id"] == "c1"


def test_what_openinference_said_itself_is_left_alone() -> None:
    said = {
        "openinference__span__kind": "LLM",
        "input__value": '{"messages": []}',
        "input__mime_type": "application/json",
        "llm__input_messages__3__message__role": "user",
        "llm__input_messages__3__message__content": "x",
        "llm__token_count__prompt": 3,
        "metadata": '{"a": 1}',
        "tag__tags": ["t"],
        "session__id": "s",
    }
    found = told(**said)
    for key, value in said.items():
        assert found[key.replace("__", ".")] == value
    assert not any(key.startswith(ORIGINAL) for key in found)
    assert "llm.input_messages.0.message.role" not in found


def test_what_does_not_count_gives_way_and_stays() -> None:
    found = told(
        openinference__span__kind="llm",
        llm__model_name="openai/gpt-4o",
        llm__token_count__prompt="12",
        llm="in the way",
        input__value=42,
        tag__tags='["a", "b"]',
    )
    assert found["openinference.span.kind"] == "LLM" and found[ORIGINAL + "openinference.span.kind"] == "llm"
    assert found["llm.model_name"] == "gpt-4o" and found[ORIGINAL + "llm.model_name"] == "openai/gpt-4o"
    assert found["llm.token_count.prompt"] == 12 and found[ORIGINAL + "llm.token_count.prompt"] == "12"
    assert found[ORIGINAL + "llm"] == "in the way" and "llm" not in found
    assert found["input.value"] == "42" and found["tag.tags"] == ["a", "b"]


def test_documents_in_one_json_text_become_documents() -> None:
    found = told(
        openinference__span__kind="RETRIEVER",
        retrieval__documents='[{"id": 7, "content": "k", "score": "0.5", "metadata": {"p": 1}}, {}]',
    )
    assert found["retrieval.documents.0.document.id"] == "7" and found["retrieval.documents.0.document.score"] == 0.5
    assert found["retrieval.documents.0.document.metadata"] == '{"p":1}'
    assert found["retrieval.documents.1.document.content"] == ""
    assert "retrieval.documents" not in found


def test_parts_of_a_message_keep_their_kinds() -> None:
    parts = [
        {"type": "text", "content": "look"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QUJD"},
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call_response", "id": "c", "response": {"a": 1}},
        {"type": "odd", "x": 1},
    ]
    found = told(gen_ai__operation__name="chat", gen_ai__input__messages=json.dumps([{"role": "user", "parts": parts}]))
    at = "llm.input_messages.0.message.contents."
    assert [found[f"{at}{position}.message_content.type"] for position in range(5)] == [
        "text",
        "image",
        "reasoning",
        "tool_result",
        "odd",
    ]
    assert found[f"{at}1.message_content.image.image.url"] == "data:image/png;base64,QUJD"
    assert found[f"{at}3.message_content.tool_call_id"] == "c"


def test_a_computed_cost_is_told_from_a_reported_one() -> None:
    computed = record(openinference__span__kind="LLM", llm__model_name="gpt-4o")
    computed.facts.cost = Cost("computed", 3 * PICO_USD, PICO_USD, 2 * PICO_USD, "p")
    found = attributes_of(computed)
    assert (found["llm.cost.total"], found["llm.cost.prompt"], found["tracekit.cost.source"]) == (3.0, 1.0, "collector")
    reported = told(openinference__span__kind="LLM", llm__cost__total=0.25)
    assert reported["llm.cost.total"] == 0.25 and "tracekit.cost.source" not in reported
    unpriced = record(openinference__span__kind="LLM")
    unpriced.facts.cost = Cost()
    assert not any(key.startswith("llm.cost") for key in attributes_of(unpriced))


def test_a_tools_run_and_an_embedding() -> None:
    tool = told(
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="add",
        gen_ai__tool__call__id="c",
        gen_ai__tool__call__arguments='{"a": 1}',
        gen_ai__tool__call__result="2",
    )
    assert (tool["tool.name"], tool["tool.id"], tool["tool.parameters"]) == ("add", "c", '{"a":1}')
    assert (json.loads(tool["input.value"]), tool["output.value"]) == ({"a": 1}, "2")
    vector = told(
        openinference__span__kind="EMBEDDING",
        embedding__embeddings__0__embedding__text="t",
        embedding__embeddings__0__embedding__vector="[1, 2.5]",
    )
    assert vector["embedding.embeddings.0.embedding.vector"] == [1.0, 2.5] and vector["input.value"] == "t"


def test_identity_events_and_state_are_as_stored_and_the_rest_as_sent() -> None:
    span = Span(b"\1" * 16, b"\2" * 8, b"\3" * 8, "na\0me", NS, NS - 1, "error")
    span.events = [Event("exception", NS, {"exception.type": "ValueError", "exception.message": "no", "b": b"\xff"})]
    (found,) = records_of(request_of(span))
    wired = TracesData.FromString(found.original.raw).resource_spans[0].scope_spans[0].spans[0]
    rewrite(wired, found)
    assert (wired.trace_id, wired.span_id, wired.parent_span_id) == (b"\1" * 16, b"\2" * 8, b"\3" * 8)
    assert (wired.name, wired.start_time_unix_nano, wired.end_time_unix_nano) == ("name", NS, NS)
    assert (wired.status.code, wired.status.message) == (2, "ValueError: no")
    assert {pair.key: pair.value.string_value for pair in wired.events[0].attributes}["b"] == "/w=="
