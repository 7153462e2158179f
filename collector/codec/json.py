"""OTLP's JSON encoding to the protobuf message (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"). Pure.

It is proto3 JSON with three differences: trace and span ids are hex, enums are integers, keys are lowerCamelCase.
Names in snake_case and enum names are understood too, since senders use them. Unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

#: AnyValues nested deeper than this would not survive protobuf's own recursion limit of 100 messages.
MAX_DEPTH: Final = 40


class JsonFault(ValueError):
    """What is wrong, and where."""


def request_of_json(body: bytes, max_reasons: int) -> tuple[Any, int, list[str]]:
    """(TracesData, spans left out, the first reasons why).

    Raises ``JsonFault`` where the document as a whole is wrong.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise JsonFault(f"the body is not valid JSON: {error}") from error
    request = TracesData()
    faults = 0
    reasons: list[str] = []
    for resource_spans in _objects(document, "resourceSpans", "resource_spans"):
        into = request.resource_spans.add()
        _fill_resource(into, resource_spans)
        for scope_spans in _objects(resource_spans, "scopeSpans", "scope_spans"):
            target = into.scope_spans.add()
            _fill_scope(target, scope_spans)
            for number, span in enumerate(_list(scope_spans, "spans", "spans")):
                try:
                    target.spans.append(_span(span))
                except (JsonFault, TypeError, ValueError) as error:
                    faults += 1
                    if len(reasons) < max_reasons:
                        reasons.append(f"span {number}: {str(error)[:200]}")
    return request, faults, reasons


def _fill_resource(target: Any, source: dict[str, Any]) -> None:
    resource = source.get("resource")
    if isinstance(resource, dict):
        _whole(target.resource.attributes.extend, resource)
    target.schema_url = _text(_get(source, "schemaUrl", "schema_url"))


def _fill_scope(target: Any, source: dict[str, Any]) -> None:
    scope = source.get("scope")
    if isinstance(scope, dict):
        target.scope.name = _text(scope.get("name"))
        target.scope.version = _text(scope.get("version"))
        _whole(target.scope.attributes.extend, scope)
    target.schema_url = _text(_get(source, "schemaUrl", "schema_url"))


def _whole(extend: Any, source: dict[str, Any]) -> None:
    try:
        extend(_attributes(source))
    except (TypeError, ValueError) as error:
        raise JsonFault(f"attributes of a resource or scope: {error}") from error


def _span(source: Any) -> Any:
    if not isinstance(source, dict):
        raise JsonFault("a span must be an object")
    span = Span(
        trace_id=_id(_get(source, "traceId", "trace_id"), "traceId"),
        span_id=_id(_get(source, "spanId", "span_id"), "spanId"),
        parent_span_id=_id(_get(source, "parentSpanId", "parent_span_id") or "", "parentSpanId"),
        trace_state=_text(_get(source, "traceState", "trace_state")),
        name=_text(source.get("name")),
        kind=_enum(source.get("kind"), Span.SpanKind),
        start_time_unix_nano=_integer(_get(source, "startTimeUnixNano", "start_time_unix_nano")),
        end_time_unix_nano=_integer(_get(source, "endTimeUnixNano", "end_time_unix_nano")),
        attributes=list(_attributes(source)),
        flags=_integer(source.get("flags")),
    )
    for name, camel in (("attributes", "Attributes"), ("events", "Events"), ("links", "Links")):
        dropped = _get(source, f"dropped{camel}Count", f"dropped_{name}_count")
        setattr(span, f"dropped_{name}_count", _integer(dropped))
    for event in _objects(source, "events", "events"):
        span.events.add(
            time_unix_nano=_integer(_get(event, "timeUnixNano", "time_unix_nano")),
            name=_text(event.get("name")),
            attributes=list(_attributes(event)),
        )
    for link in _objects(source, "links", "links"):
        span.links.add(
            trace_id=_id(_get(link, "traceId", "trace_id"), "traceId"),
            span_id=_id(_get(link, "spanId", "span_id"), "spanId"),
            attributes=list(_attributes(link)),
        )
    status = source.get("status")
    if isinstance(status, dict):
        span.status.CopyFrom(
            Status(code=_enum(status.get("code"), Status.StatusCode), message=_text(status.get("message")))
        )
    return span


def _attributes(source: dict[str, Any]) -> Iterator[Any]:
    for pair in _objects(source, "attributes", "attributes"):
        yield KeyValue(key=_text(pair.get("key")), value=_any_value(pair.get("value"), 0))


def _any_value(source: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise JsonFault(f"attribute values nested more than {MAX_DEPTH} deep")
    if not isinstance(source, dict):
        return AnyValue()
    for name, read in _SCALARS.items():
        value = source.get(name)
        if value is not None:
            scalar = AnyValue()
            setattr(scalar, _SNAKE.get(name, name), read(value))
            return scalar
    array = _get(source, "arrayValue", "array_value")
    if isinstance(array, dict):
        value = AnyValue()
        value.array_value.SetInParent()
        value.array_value.values.extend(_any_value(item, depth + 1) for item in _list(array, "values", "values"))
        return value
    pairs = _get(source, "kvlistValue", "kvlist_value")
    if isinstance(pairs, dict):
        value = AnyValue()
        value.kvlist_value.SetInParent()
        for pair in _objects(pairs, "values", "values"):
            value.kvlist_value.values.add(key=_text(pair.get("key")), value=_any_value(pair.get("value"), depth + 1))
        return value
    return AnyValue()


def _integer(value: Any) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str | float) or (value != value or value in _INFINITE):
        raise JsonFault(f"not an integer: {str(value)[:40]!r}")
    if isinstance(value, str) and len(value) > 24:
        raise JsonFault("an integer of more than 64 bits")
    return int(value)


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise JsonFault("not a number")
    return float(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise JsonFault("not a boolean")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise JsonFault("bytesValue must be base64")
    padded = value + "=" * (-len(value) % 4)
    try:
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise JsonFault("bytesValue is not base64") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise JsonFault("a text was expected")
    return value


def _id(value: Any, name: str) -> bytes:
    if not isinstance(value, str):
        raise JsonFault(f"{name} must be a hex string")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise JsonFault(f"{name} is not hex") from error


def _enum(value: Any, names: Any) -> Any:
    if value is None:
        return 0
    if isinstance(value, str) and not value.isdigit():
        if value not in names.keys():  # noqa: SIM118  (an EnumTypeWrapper is no dict)
            raise JsonFault(f"unknown enum value {value[:40]!r}")
        return names.Value(value)
    return _integer(value)


def _get(source: dict[str, Any], camel: str, snake: str) -> Any:
    value = source.get(camel)
    return source.get(snake) if value is None else value


def _list(source: Any, camel: str, snake: str) -> list[Any]:
    if not isinstance(source, dict):
        raise JsonFault("an object was expected")
    value = _get(source, camel, snake)
    if value is None:
        return []
    if not isinstance(value, list):
        raise JsonFault(f"{camel} must be a list")
    return value


def _objects(source: Any, camel: str, snake: str) -> Iterator[dict[str, Any]]:
    for item in _list(source, camel, snake):
        if not isinstance(item, dict):
            raise JsonFault(f"{camel} must hold objects")
        yield item


_INFINITE: Final = (float("inf"), float("-inf"))
_SCALARS: Final = {
    "stringValue": _text,
    "intValue": _integer,
    "doubleValue": _double,
    "boolValue": _boolean,
    "bytesValue": _bytes,
    "string_value": _text,
    "int_value": _integer,
    "double_value": _double,
    "bool_value": _boolean,
    "bytes_value": _bytes,
}
_SNAKE: Final = {
    "stringValue": "string_value",
    "intValue": "int_value",
    "doubleValue": "double_value",
    "boolValue": "bool_value",
    "bytesValue": "bytes_value",
}
