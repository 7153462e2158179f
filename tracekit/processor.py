"""The span processor that joins a provider to the exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from tracekit import semconv
from tracekit.context import inherited_attributes
from tracekit.guard import swallow

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from tracekit.export import Exporter


class ExportProcessor(SpanProcessor):
    """Gives spans of other instrumentations what ``tracekit.context`` holds, and queues every sampled span."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            inherited = inherited_attributes(parent_context)
            if inherited:
                scope = span.instrumentation_scope
                if scope is None or scope.name != semconv.SCOPE:
                    span.set_attributes(inherited)
        except Exception as error:  # noqa: BLE001
            swallow("on_start", error)

    def on_end(self, span: ReadableSpan) -> None:
        try:
            context = span.context
            if context is not None and context.trace_flags.sampled:
                self._exporter.put(span)
        except Exception as error:  # noqa: BLE001
            swallow("on_end", error)

    def shutdown(self) -> None:
        self._exporter.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.flush(timeout_millis / 1000).pending == 0
