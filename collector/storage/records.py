"""Traces as filters look at them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from collector.annotations import Annotation
from collector.filters.matches import SpanRecord, TraceRecord
from collector.model import Span, TraceSummary
from collector.processors.normalize import content


def trace_record(
    summary: TraceSummary, spans_of: Callable[[], Iterable[Span]], annotations_of: Callable[[], Sequence[Annotation]]
) -> TraceRecord:
    """``spans_of`` gives the trace's spans with their originals, ``annotations_of`` what is said of any part of it."""

    def said_of(span: Span) -> list[Annotation]:
        return [
            said
            for said in record.annotations
            if said.target.span_id == span.span_id and said.target.trace_id in (None, span.trace_id)
        ]

    def spans() -> list[SpanRecord]:
        return [SpanRecord(span, content, lambda span=span: said_of(span)) for span in spans_of()]  # type: ignore[misc]

    record = TraceRecord(summary, spans, annotations_of)
    return record
