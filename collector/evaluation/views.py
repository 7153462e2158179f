"""Stored traces as rules and evaluators look at them: facts at once, what spans carried when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from collector.annotations import Annotation
from collector.codec.otlp import Original
from collector.codec.run_spans import PENDING
from collector.filters.matches import SpanRecord, TraceRecord
from collector.model import RUN_SCOPE, Content, Span, TraceSummary
from collector.processors.normalize import content
from collector.processors.tools import complete_tools
from collector.storage.api import TracePage, TraceQuery
from collector.storage.records import trace_record
from collector.summarise.summary import summarise

#: A trace of more spans is not evaluated: they would not fit into memory.
MAX_SPANS: Final = 20_000
#: Of a session, so many traces are looked at, the latest ones.
MAX_TRACES: Final = 200


class Reads(Protocol):
    """What of a store views need."""

    def spans_of_traces(self, trace_ids: Sequence[bytes]) -> dict[bytes, list[Span]]: ...

    def originals_of(self, original_ids: Sequence[int]) -> dict[int, bytes]: ...

    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]: ...

    def list_traces(self, query: TraceQuery) -> TracePage: ...


@dataclass
class TraceView:
    """``spans`` with facts, in the order they began, ``chunk`` being the id of each one's original; at least one."""

    spans: list[Span]
    originals_of: Callable[[Sequence[int]], dict[int, bytes]]
    annotations_of: Callable[[bytes], list[Annotation]]
    _contents: dict[bytes, Content] = field(default_factory=dict)
    _completed: bool = False

    @property
    def trace_id(self) -> bytes:
        return self.spans[0].trace_id

    @property
    def project(self) -> str:
        return self.root.project

    @property
    def session_id(self) -> str | None:
        return self.root.session_id or next((span.session_id for span in self.spans if span.session_id), None)

    @cached_property
    def root(self) -> Span:
        known = {span.span_id for span in self.spans}
        tops = [span for span in self.spans if span.parent_span_id not in known]
        roots = [span for span in tops if span.parent_span_id is None]
        return min(roots or tops or self.spans, key=lambda span: (span.start_ns, -span.end_ns))

    @cached_property
    def mark(self) -> int:
        """Grows with every span that is stored or replaced, whichever transaction commits first."""
        return sum(span.chunk for span in self.spans)

    @cached_property
    def summary(self) -> TraceSummary:
        """Of what is stored now; whatever the stored summary says."""
        try:
            update = summarise(self.spans, self.content)
        except Exception:  # noqa: BLE001 - one hostile span must not keep the trace from being judged
            update = summarise(self.spans, lambda _: Content())
        for span in self.spans:
            span.counted = span.span_id not in update.uncounted
        return update.summary

    def span(self, span_id: bytes) -> Span | None:
        return next((span for span in self.spans if span.span_id == span_id), None)

    def is_pending(self, span: Span) -> bool:
        """Whether this is a run whose end is not known."""
        return span.scope == RUN_SCOPE and bool(self.opened(span).attributes.get(PENDING))

    def opened(self, span: Span) -> Span:
        """With resource, attributes, events and links as they were sent."""
        original = self._originals.get(span.chunk)
        if original is not None:  # else replaced since: what replaced it has an item of its own
            sent = original.span(span.position)
            span.resource, span.attributes, span.events, span.links = (
                sent.resource, sent.attributes, sent.events, sent.links
            )  # fmt: skip
            span.status_message = sent.status_message
        return span

    def content(self, span: Span) -> Content:
        found = self._contents.get(span.span_id)
        if found is None:
            try:
                found = content(self.opened(span))
            except Exception:  # noqa: BLE001 - one hostile span is judged without, rather than no span at all
                found = Content()
            self._contents[span.span_id] = found
        return found

    def contents(self) -> list[Content]:
        """Of every span, each completed by what the others tell about it."""
        found = [self.content(span) for span in self.spans]
        if not self._completed:
            complete_tools(found)
            self._completed = True
        return found

    def trace_record(self) -> TraceRecord:
        return trace_record(
            self.summary, lambda: map(self.opened, self.spans), lambda: self.annotations_of(self.trace_id)
        )

    def span_record(self, span: Span, needs_original: bool) -> SpanRecord:
        def said() -> list[Annotation]:
            return [one for one in self.annotations_of(self.trace_id) if one.target.span_id == span.span_id]

        return SpanRecord(self.opened(span) if needs_original else span, self.content, said)

    @cached_property
    def _originals(self) -> dict[int, Original]:
        found: dict[int, Original] = {}
        for number, data in self.originals_of(sorted({span.chunk for span in self.spans})).items():
            try:
                found[number] = Original(data)
            except Exception:  # noqa: BLE001 - damaged: its spans are judged by their facts
                continue
        return found


def views_of(store: Reads, trace_ids: Iterable[bytes]) -> dict[bytes, TraceView]:
    """By trace id; what is not stored is left out."""
    return {
        trace_id: TraceView(
            sorted(spans, key=lambda span: (span.start_ns, span.span_id)),
            store.originals_of,
            store.annotations_of_trace,
        )
        for trace_id, spans in store.spans_of_traces(list(trace_ids)).items()
    }


def session_traces(store: Reads, session_id: str) -> list[TraceSummary]:
    """The latest ``MAX_TRACES`` that have been summarised, the oldest first."""
    page = store.list_traces(TraceQuery(session_id=session_id, limit=MAX_TRACES))
    return page.items[::-1]


def session_mark(traces: Iterable[TraceSummary]) -> int:
    return sum(trace.span_count for trace in traces)
