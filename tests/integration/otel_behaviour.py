"""A tracer of tracekit's and one of OpenTelemetry's SDK, to be asked the same things."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tracekit.capture import Capture
from tracekit.ids import Ids
from tracekit.processor import Processors
from tracekit.recording import FastTracer

SCOPE = "behaviour"


class Made:
    """A provider, its tracer (``start_span``), and what ended."""

    def __init__(self, kind: str, sampler: Sampler | None = None, limits: SpanLimits | None = None) -> None:
        limits = limits or SpanLimits()
        processors = Processors()
        self.memory = InMemorySpanExporter()
        self.provider = TracerProvider(
            sampler=sampler or ParentBased(ALWAYS_ON),
            resource=Resource({"service.name": "behaviour"}),
            active_span_processor=processors if kind == "tracekit" else None,
            id_generator=Ids(),
            span_limits=limits,
        )
        self.tracer: Any = (
            FastTracer(self.provider, processors, limits, InstrumentationScope(SCOPE, ""), Capture())
            if kind == "tracekit"
            else self.provider.get_tracer(SCOPE)
        )
        self.add(SimpleSpanProcessor(self.memory))

    def add(self, processor: SpanProcessor) -> None:
        self.provider.add_span_processor(processor)

    def start(self, name: str = "work", **given: Any) -> Any:
        return self.tracer.start_span(name, **given)

    def ended(self) -> list[ReadableSpan]:
        return list(self.memory.get_finished_spans())

    def one(self) -> ReadableSpan:
        (span,) = self.ended()
        return span


def under(span: trace_api.Span | trace_api.SpanContext) -> Any:
    """A context in which this is the current span."""
    found = span if isinstance(span, trace_api.Span) else trace_api.NonRecordingSpan(span)
    return trace_api.set_span_in_context(found)


def remote(flags: int = 1, trace_id: int = 0xABC, **state: str) -> trace_api.SpanContext:
    entries = list(state.items())
    return trace_api.SpanContext(trace_id, 0xDEF, True, trace_api.TraceFlags(flags), trace_api.TraceState(entries))


def comparable(span: ReadableSpan) -> dict[str, Any]:
    """What a span says of itself, but for what no two spans have in common."""
    found: dict[str, Any] = json.loads(span.to_json())
    for name in ("context", "parent_id", "start_time", "end_time"):
        found.pop(name)
    for event in found["events"]:
        event.pop("timestamp")
        event.get("attributes", {}).pop("exception.stacktrace", None)
    found["dropped"] = (span.dropped_attributes, span.dropped_events, span.dropped_links)
    return found
