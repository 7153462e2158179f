"""The span processor that joins a provider to the exporter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, SynchronousMultiSpanProcessor

from tracekit import semconv
from tracekit.context import inherited_attributes
from tracekit.guard import swallow

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from tracekit.export import Exporter
    from tracekit.recording import RecordedSpan


class Processors(SynchronousMultiSpanProcessor):
    """A provider's processors, and which of them have anything to do when a span of tracekit's starts and ends."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        #: called with a span and its context
        self.starting: tuple[Callable[[Any, Any], None], ...] = ()
        #: called with a span that is about to end, and can still be changed
        self.ending: tuple[Callable[[Any], None], ...] = ()
        #: called with a span that has ended
        self.ended: tuple[Callable[[Any], None], ...] = ()

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        super().add_span_processor(span_processor)
        kind = type(span_processor)
        if kind is ExportProcessor:
            self.ended += (span_processor.on_ended,)  # type: ignore[attr-defined]
            return
        self.starting += (lambda span, context: span_processor.on_start(span, parent_context=context),)
        self.ended += (span_processor.on_end,)
        if getattr(kind, "_on_ending", None) is not getattr(SpanProcessor, "_on_ending", None):
            self.ending += (span_processor._on_ending,)


class ExportProcessor(SpanProcessor):
    """Gives spans of other instrumentations what ``tracekit.context`` holds, and queues what is to be sent."""

    def __init__(self, exporter: Exporter, own: bool = False) -> None:
        """``own``: of tracekit's own provider, which samples by the settings."""
        self._exporter = exporter
        self._own = own

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            inherited = inherited_attributes(parent_context)
            if inherited:
                scope = span.instrumentation_scope
                if scope is None or scope.name != semconv.SCOPE:
                    span.set_attributes(inherited)
        except Exception as error:  # noqa: BLE001
            swallow("on_start", error)

    def on_ended(self, span: RecordedSpan) -> None:
        """Queue a span of tracekit's own."""
        exporter = self._exporter
        try:
            if span.flags & 1 and not exporter.flushes_at_root:
                exporter.put(span, span.size)
            else:
                exporter.ended(span, True)
        except Exception as error:  # noqa: BLE001
            swallow("on_end", error)

    def on_end(self, span: ReadableSpan) -> None:
        try:
            self._exporter.ended(span, self._own)
        except Exception as error:  # noqa: BLE001
            swallow("on_end", error)

    def shutdown(self) -> None:
        self._exporter.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.flush(timeout_millis / 1000).pending == 0
