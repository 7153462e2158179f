"""OTLP requests for tests: small, deterministic, in both encodings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START_NS = 1_795_305_600_000_000_000


def trace_id_of(number: int) -> bytes:
    return (0xABC << 64 | number + 1).to_bytes(16, "big")


def export_request(
    trace: int = 0, spans: Iterable[int] = (0,), *, name: str = "work", attributes: dict[str, str] | None = None
) -> ExportTraceServiceRequest:
    """Spans number ``spans`` of one trace; the first number is the root where it is 0."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    service = resource_spans.resource.attributes.add(key="service.name")
    service.value.string_value = "tests"
    into = resource_spans.scope_spans.add()
    for number in spans:
        span = into.spans.add(
            trace_id=trace_id_of(trace),
            span_id=(number + 1).to_bytes(8, "big"),
            parent_span_id=b"" if number == 0 else (1).to_bytes(8, "big"),
            name=f"{name} {number}",
            start_time_unix_nano=START_NS + number * 1000,
            end_time_unix_nano=START_NS + number * 1000 + 500,
        )
        for key, value in (attributes or {}).items():
            span.attributes.add(key=key).value.string_value = value
    return message


def protobuf(message: ExportTraceServiceRequest) -> bytes:
    return bytes(message.SerializeToString())


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: as protobuf's, but with hex ids."""
    document = MessageToDict(message)
    for resource_spans in document["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for wired, span in zip(_spans(message), scope_spans.get("spans", ()), strict=False):
                span["traceId"] = wired.trace_id.hex()
                span["spanId"] = wired.span_id.hex()
                if wired.parent_span_id:
                    span["parentSpanId"] = wired.parent_span_id.hex()
    return json.dumps(document).encode()


def _spans(message: ExportTraceServiceRequest) -> list[Any]:
    return [span for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans]
