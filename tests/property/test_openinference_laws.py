"""Laws of translating to OpenInference: whatever a span holds, it gets there whole, in values that receivers keep."""

from __future__ import annotations

from math import isfinite
from typing import Any

from export_records import records_of
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WiredSpan
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from test_dialect_laws import foreign_spans
from test_processors import law, spans
from wire_spans import request_of

from collector.exporters.api import Record
from collector.exporters.attributes import plain
from collector.exporters.openinference import ORIGINAL, attributes_of, rewrite
from collector.exporters.phoenix.spans import request_of as phoenix_request
from collector.model import Link, Span
from tracekit.semconv import OPENINFERENCE_KINDS

_KINDS = set(OPENINFERENCE_KINDS.values())
#: Names that Phoenix would not get apart, and values that it would parse.
_TRAPS = st.dictionaries(
    st.sampled_from(
        ["a.².b", "x.٣.y", "deep" + ".a" * 400, "n.99999999999.m", "", ".", "..", "metadata", "a.metadata"]
    ),
    st.sampled_from(["", "1", '{"a": NaN}', '{"a": "\\u0000"}', '"\\ud800"', "[" * 900 + "]" * 900, "null", b"\x00"]),
    max_size=4,
)


@st.composite
def hostile_spans(draw: st.DrawFn) -> Span:
    span = draw(spans() | foreign_spans())
    span.trace_id, span.span_id = bytes(15) + b"\1", bytes(7) + b"\2"
    span.attributes = {**span.attributes, **draw(_TRAPS)}
    span.links = [Link(draw(st.sampled_from([bytes(16), b"\1" * 16])), b"\1" * 8, draw(_TRAPS))]
    return span


def translated(record: Record) -> WiredSpan:
    """Read again from its bytes."""
    sent = TracesData.FromString(record.original.raw)
    wired = sent.resource_spans[0].scope_spans[0].spans[0]
    rewrite(wired, record)
    return WiredSpan.FromString(wired.SerializeToString())


def _leaves(value: Any) -> list[Any]:
    which = value.WhichOneof("value")
    if which == "array_value":
        return [leaf for item in value.array_value.values for leaf in _leaves(item)]
    return [(which, None if which is None else getattr(value, which))]


def _is_kept(which: str | None, value: Any) -> bool:
    if which == "string_value":
        return "\0" not in value
    return which in (None, "bool_value", "int_value") or (which == "double_value" and isfinite(value))


@law(200)
@given(hostile_spans())
def test_nothing_a_span_holds_makes_it_unfit(span: Span) -> None:
    (record,) = records_of(request_of(span))
    wired = translated(record)
    said = [*wired.attributes, *(pair for event in wired.events for pair in event.attributes)]
    said += [pair for link in wired.links for pair in link.attributes]
    for pair in said:
        assert pair.key and "\0" not in pair.key
        assert all(_is_kept(*leaf) for leaf in _leaves(pair.value))
    found = {pair.key: pair.value.string_value for pair in wired.attributes}
    kind = found["openinference.span.kind"]
    assert kind.isalpha() and (kind in _KINDS or record.facts.kind == "task")
    assert all(any(link.trace_id) for link in wired.links)


@law(200)
@given(hostile_spans())
def test_what_a_span_said_is_still_there(span: Span) -> None:
    (record,) = records_of(request_of(span))
    said, told = plain(record.span.attributes), attributes_of(record)
    for key, value in said.items():
        kept = told.get(key), told.get(ORIGINAL + key)
        # Metadata are completed, and what is empty is filled.
        assert value in kept or value in (None, "") or key == "metadata", key


@law(100)
@given(hostile_spans())
def test_phoenix_can_take_every_name_apart(span: Span) -> None:
    records = records_of(request_of(span))
    request = ExportTraceServiceRequest.FromString(phoenix_request("p", records, {}, True))
    (wired,) = request.resource_spans[0].scope_spans[0].spans
    for pair in wired.attributes:
        names = [name.strip() for name in pair.key.split(".")]
        assert len(names) <= 33
        assert all(int(name) < 10**9 for name in names if name.isdigit())
