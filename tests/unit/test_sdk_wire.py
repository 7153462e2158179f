"""OTLP bytes: what the official classes read from ours is what OpenTelemetry's own encoder would have sent."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tracekit import wire

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(["x" * 130, "é" * 9000])
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
values = st.recursive(
    texts | numbers | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(texts.filter(bool), inner, max_size=2),
    max_leaves=5,
)
attributes = st.dictionaries(texts.filter(bool), values, max_size=5)
times = st.integers(0, 2**63)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(1)),
    st.sampled_from([None, TraceState([("a", "b"), ("c", "d")])]),
)
statuses = st.sampled_from(
    [Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "bad é"), Status(StatusCode.ERROR)]
)
events = st.builds(Event, texts, attributes, times)
links = st.builds(Link, contexts, attributes)
SCOPE = InstrumentationScope("scope", "1.2", None, {"k": "v"})
RESOURCE = Resource({"service.name": "s", "n": 5})
readable = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.just(RESOURCE),
    attributes=attributes,
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=times,
    end_time=times,
    instrumentation_scope=st.sampled_from([SCOPE, InstrumentationScope("other")]),
)


def encoded(spans: list[ReadableSpan]) -> ExportTraceServiceRequest:
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for span in spans:
        scopes = groups.setdefault(wire.resource(span.resource.attributes), {})
        found: Any = span.attributes
        scopes.setdefault(wire.scope(span.instrumentation_scope), []).append(wire.span(span, dict(found)))
    return ExportTraceServiceRequest.FromString(wire.request(groups))


@settings(max_examples=80, deadline=None)
@given(spans=st.lists(readable, min_size=1, max_size=4))
def test_the_same_as_opentelemetrys_encoder(spans: list[ReadableSpan]) -> None:
    ours, theirs = encoded(spans), encode_spans(spans)
    for resource in ours.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                # OpenTelemetry's encoder leaves the trace's own flags out, and a link's.
                assert span.flags & 0xFF == 1
                span.flags &= ~0xFF
    for resource in theirs.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                for link in span.links:
                    link.flags = 0
                if span.status.code == 0:
                    span.ClearField("status")
    assert ours == theirs


def test_text_that_is_no_utf8_is_repaired() -> None:
    context = SpanContext(1, 2, False, TraceFlags(1))
    span = ReadableSpan("\ud800", context, attributes={"k\ud800": "v\ud800", "o": object()}, start_time=1, end_time=2)
    [found] = encoded([span]).resource_spans[0].scope_spans[0].spans
    assert found.name == "?"
    assert found.attributes[0].key == "k?" and found.attributes[0].value.string_value == "v?"
    assert found.attributes[1].value.string_value.startswith("<object object")


def test_vectors() -> None:
    vector = tuple(n / 7 for n in range(1536))
    context = SpanContext(1, 2, False, TraceFlags(1))
    span = ReadableSpan("embed", context, attributes={"vector": vector, "ints": tuple(range(20))}, start_time=1)
    [found] = encoded([span]).resource_spans[0].scope_spans[0].spans
    assert tuple(item.double_value for item in found.attributes[0].value.array_value.values) == vector
    assert [item.int_value for item in found.attributes[1].value.array_value.values] == list(range(20))


@given(count=st.integers(0, 2**40), why=texts)
def test_partial_success_is_read(count: int, why: str) -> None:
    answer = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=count, error_message=why)
    )
    assert wire.rejected_spans(answer.SerializeToString()) == (count, why)


@given(st.binary(max_size=60))
def test_any_answer_can_be_read(answer: bytes) -> None:
    count, why = wire.rejected_spans(answer)
    assert count >= 0 and isinstance(why, str)
