"""The OTLP exporter's pure parts: what answers mean, what a destination may say, what a body is made of."""

from __future__ import annotations

import json
from typing import Any

import grpc
import orjson
import pytest
from export_records import records_of
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp_requests import export_request, protobuf

from collector.destinations import Destination
from collector.exporters import genai
from collector.exporters.api import Away, Failed, Receipt, Record, Rejected
from collector.exporters.jsontext import json_of
from collector.exporters.otlp import answers, bodies, build
from collector.exporters.otlp.grpc import target_of
from collector.exporters.otlp.http import address_of


def _partial(rejected: int, reason: str) -> bytes:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans, response.partial_success.error_message = rejected, reason
    return bytes(response.SerializeToString())


@pytest.mark.parametrize(
    ("body", "media", "expected"),
    [
        (b"", "application/x-protobuf", Receipt()),
        (_partial(2, "too old"), "application/x-protobuf", Receipt(2, "too old")),
        (_partial(0, "please use less"), "", Receipt(0, "please use less")),
        (_partial(99, "all"), "application/x-protobuf", Receipt(5, "all")),
        (_partial(-4, ""), "application/x-protobuf", Receipt()),
        (b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}', "application/json", Receipt(1, "no")),
        (b'{"status":"ok"}', "application/json; charset=utf-8", Receipt()),
        (b"<html>", "text/html", Receipt()),
        (b"\xff\xff<html>", "application/x-protobuf", Receipt()),
        (b"[1", "application/json", Receipt()),
        (b"[" * 9000, "application/json", Receipt()),
    ],
)
def test_a_success_is_one_whatever_its_body(body: bytes, media: str, expected: Receipt) -> None:
    assert answers.receipt(body, 5, media=media) == expected


def _retry_info(seconds: int, nanos: int = 0) -> tuple[tuple[str, bytes], ...]:
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = seconds, nanos
    packed = AnyMessage()
    packed.Pack(info)
    return ((answers.DETAILS, Status(code=8, details=[packed]).SerializeToString()),)


CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "metadata", "kind", "after_s"),
    [
        (CODE.UNAVAILABLE, (), Away, 0.0),
        (CODE.UNAVAILABLE, _retry_info(2, 500_000_000), Away, 2.5),
        (CODE.RESOURCE_EXHAUSTED, _retry_info(7), Away, 7.0),
        (CODE.RESOURCE_EXHAUSTED, _retry_info(0), Away, 0.0),
        (CODE.RESOURCE_EXHAUSTED, _retry_info(10**9), Away, 3600.0),
        (CODE.RESOURCE_EXHAUSTED, (), Rejected, None),
        (CODE.RESOURCE_EXHAUSTED, ((answers.DETAILS, b"\xff\xff"),), Rejected, None),
        (CODE.RESOURCE_EXHAUSTED, ((answers.DETAILS, "text"),), Rejected, None),
        (CODE.INVALID_ARGUMENT, _retry_info(7), Rejected, None),
        (CODE.FAILED_PRECONDITION, (), Rejected, None),
        (CODE.INTERNAL, (), Failed, None),
        (CODE.UNKNOWN, None, Failed, None),
        (CODE.UNAUTHENTICATED, (), Away, 0.0),
        (CODE.PERMISSION_DENIED, (), Away, 0.0),
        (CODE.UNIMPLEMENTED, (), Away, 0.0),
        (CODE.ABORTED, (), Away, 0.0),
    ],
)
def test_what_a_failed_call_means(code: Any, metadata: Any, kind: type[Exception], after_s: float | None) -> None:
    fault = answers.grpc_fault(code, "words", metadata)
    assert type(fault) is kind
    assert getattr(fault, "after_s", None) == after_s
    assert str(fault) == f"answered {code.name}: words"


@pytest.mark.parametrize("value", [None, "1", "0123456789abcdeF", "0123456789abcdef,0123456789abcdef", b"\0" * 16])
def test_who_answers_is_told_by_an_id_alone(value: Any) -> None:
    assert answers.peer_of(value) is None
    assert answers.peer_of("0123456789abcdef") == "0123456789abcdef"


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://tempo:4318", "http://tempo:4318/v1/traces"),
        ("http://tempo:4318/", "http://tempo:4318/v1/traces"),
        ("https://x.example/api/public/otel", "https://x.example/api/public/otel/v1/traces"),
        ("https://x.example/otlp/v1/traces", "https://x.example/otlp/v1/traces"),
        ("https://x.example/otlp/v1/traces/?token=a%2Fb", "https://x.example/otlp/v1/traces?token=a%2Fb"),
    ],
)
def test_where_traces_are_posted(endpoint: str, address: str) -> None:
    assert address_of(endpoint) == address


def test_where_calls_go() -> None:
    assert target_of("http://tempo") == ("tempo:4317", False)
    assert target_of("https://[::1]:443") == ("[::1]:443", True)


@pytest.mark.parametrize(
    ("endpoint", "options", "headers", "named"),
    [
        ("ftp://x", {}, {}, ["endpoint"]),
        ("http://x:notaport", {"protocol": "grpc"}, {}, ["Port"]),
        ("tempo:4317", {"protocol": "grpc"}, {}, ["endpoint"]),
        ("http://x", {"protocol": ["grpc"], "dialect": "x"}, {}, ["protocol", "dialect"]),
        (
            "http://x",
            {"protocol": "grpc", "compression": "zstd"},
            {},
            ["options.compression: must be one of gzip, none"],
        ),
        ("http://x", {"timeout_s": -1, "ca_file": 3, "speed": 1}, {}, ["timeout_s", "ca_file", "options.speed"]),
        ("http://x", {}, {"x key": "env:KEY", "x-key": "env:KEY"}, ["'x key'", "headers.x-key"]),
    ],
)
def test_faults_of_a_destination_are_told_together(
    endpoint: str, options: dict[str, Any], headers: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        build(Destination("d", "otlp", endpoint, headers=headers, options=options), {"x-key": "s3cret\r\nHost: x"})
    assert all(name in str(caught.value) for name in named), caught.value
    assert "s3cret" not in str(caught.value)


def _genai(name: str = "work", **attributes: Any) -> dict[str, Any]:
    """What is set on a span with these attributes (``__`` for a dot)."""
    told = {key.replace("__", "."): value for key, value in attributes.items()}
    message = export_request()
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.name = name
    bodies.put(span.attributes, told)
    (record,) = records_of(protobuf(message))
    return genai.attributes(record)


def test_counts_that_leave_the_cached_ones_out_are_put_right_and_kept() -> None:
    found = _genai(
        gen_ai__operation__name="chat",
        gen_ai__provider__name="anthropic",
        gen_ai__request__model="claude-sonnet-4-5",
        gen_ai__usage__input_tokens=21,
        gen_ai__usage__output_tokens="7",
        gen_ai__usage__cache_read__input_tokens=1250,
    )
    assert found["gen_ai.usage.input_tokens"] == 1271
    assert found["tracekit.original.gen_ai.usage.input_tokens"] == 21
    assert found["gen_ai.usage.output_tokens"] == 7
    assert found["tracekit.original.gen_ai.usage.output_tokens"] == "7"
    assert "gen_ai.usage.cache_read.input_tokens" not in found


def test_an_operation_that_the_span_is_not_is_taken_away_and_kept() -> None:
    found = _genai(gen_ai__operation__name="chat", langsmith__span__kind="prompt")
    assert found["gen_ai.operation.name"] is None
    assert found["tracekit.original.gen_ai.operation.name"] == "chat"


@pytest.mark.parametrize(("provider", "apart"), [("anthropic", True), ("openai", False)])
def test_system_instructions_are_apart_where_the_api_has_them_apart(provider: str, apart: bool) -> None:
    found = _genai(
        openinference__span__kind="LLM",
        llm__provider=provider,
        **{
            "llm__input_messages__0__message__role": "system",
            "llm__input_messages__0__message__content": "Be brief.",
            "llm__input_messages__1__message__role": "user",
            "llm__input_messages__1__message__content": "Hello",
        },
    )
    asked = orjson.loads(found["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == (["user"] if apart else ["system", "user"])
    assert asked[-1] == {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    assert ("gen_ai.system_instructions" in found) is apart
    if apart:
        assert orjson.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert found["gen_ai.operation.name"] == "chat"


def test_documents_and_tools_have_the_conventions_names() -> None:
    found = _genai(
        openinference__span__kind="RETRIEVER",
        input__value="which kettle?",
        retrieval__documents__0__document__id="d1",
        retrieval__documents__0__document__content="The K2",
        retrieval__documents__0__document__score=0.5,
    )
    assert found["gen_ai.retrieval.query.text"] == "which kettle?"
    assert orjson.loads(found["gen_ai.retrieval.documents"]) == [{"id": "d1", "score": 0.5, "content": "The K2"}]
    found = _genai(name="weather", openinference__span__kind="TOOL", input__value='{"city": "Oslo"}', output__value="4")
    assert found["gen_ai.tool.name"] == "weather"
    assert orjson.loads(found["gen_ai.tool.call.arguments"]) == {"city": "Oslo"}
    assert found["gen_ai.tool.call.result"] == "4"


def test_spans_of_no_kind_are_left_alone() -> None:
    assert _genai(http__request__method="POST") == {}


def test_a_span_that_is_not_in_its_original_is_refused() -> None:
    (record,) = records_of(protobuf(export_request()))
    record.facts.position = 3
    with pytest.raises(Rejected):
        bodies.original([record])
    with pytest.raises(Rejected):
        bodies.translated([record], genai.attributes)


def test_setting_attributes_leaves_each_key_once() -> None:
    message = export_request(attributes={"a": "1", "b": "2", "c": "3"})
    records: list[Record] = records_of(protobuf(message))
    body = bodies.translated(records, lambda _: {"b": [1, {"x": b"\0"}], "a": None, "d": 2**70, "\ud800": "\udfff"})
    (span,) = TracesData.FromString(body).resource_spans[0].scope_spans[0].spans
    found = records_of(body)[0].span.attributes
    assert found == {"c": "3", "b": [1, {"x": b"\0"}], "d": str(2**70), "?": "?"}
    assert len(span.attributes) == 4


@pytest.mark.parametrize(
    "value", [float("nan"), 2**80, {"a": {1: float("inf")}, "b": 2**64}, b"\xff", {1, 2}, "\ud800"]
)
def test_json_of_anything_is_json(value: Any) -> None:
    read = json.loads(json_of(value), parse_constant=pytest.fail)
    assert json.loads(json_of(read)) == read


def test_json_of_what_nests_too_deep_is_json() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert isinstance(orjson.loads(json_of(value)), str | list)
