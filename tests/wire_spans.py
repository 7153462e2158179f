"""Any model span as an OTLP request, values of any type, the way a hostile sender would write it."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.model import Span

_UINT64 = 2**64 - 1


def request_of(*spans: Span) -> bytes:
    """A serialised ``ExportTraceServiceRequest``; lone surrogates, which no encoder writes, become ``?``."""
    data = TracesData()
    for span in spans:
        resource_spans = data.resource_spans.add()
        _add(resource_spans.resource.attributes, span.resource)
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = _text(span.scope or "")
        wired = scope_spans.spans.add(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id or b"",
            name=_text(span.name),
            start_time_unix_nano=min(max(span.start_ns, 0), _UINT64),
            end_time_unix_nano=min(max(span.end_ns, 0), _UINT64),
        )
        code: Any = {"ok": 1, "error": 2}.get(span.status, 0)
        wired.status.code, wired.status.message = code, _text(span.status_message)
        _add(wired.attributes, span.attributes)
        for event in span.events:
            added = wired.events.add(name=_text(event.name), time_unix_nano=min(max(event.time_ns, 0), _UINT64))
            _add(added.attributes, event.attributes)
        for link in span.links:
            linked = wired.links.add(trace_id=link.trace_id, span_id=link.span_id)
            _add(linked.attributes, link.attributes)
    return bytes(data.SerializeToString())


def _add(pairs: Any, attributes: Any) -> None:
    for key, value in attributes.items():
        pairs.append(KeyValue(key=_text(str(key)), value=_value(value)))


def _value(value: Any) -> AnyValue:
    found = AnyValue()
    if isinstance(value, bool):
        found.bool_value = value
    elif isinstance(value, int):
        found.int_value = (value + 2**63) % 2**64 - 2**63
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, str):
        found.string_value = _text(value)
    elif isinstance(value, bytes):
        found.bytes_value = value
    elif isinstance(value, list):
        found.array_value.values.extend(map(_value, value))
        found.array_value.SetInParent()
    elif isinstance(value, dict):
        _add(found.kvlist_value.values, value)
        found.kvlist_value.SetInParent()
    return found


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
