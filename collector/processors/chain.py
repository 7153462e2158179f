"""The processors in their order: sanitize, normalise, price."""

from __future__ import annotations

from collections.abc import Callable

from collector.model import Cost, Span, SpanBatch
from collector.processors.normalize import DEFAULT_PROJECT, facts
from collector.processors.price import Pricer
from collector.processors.sanitize import sanitize

#: Called with a span that a processor failed on, and the exception: to count and to log.
OnFault = Callable[[Span, Exception], None]


def process(batch: SpanBatch, pricer: Pricer | None = None, on_fault: OnFault | None = None) -> SpanBatch:
    """Sanitize, normalise and (with a pricer) price every span of the batch, in place.

    Never raises for a span: one that cannot be normalised is kept without facts, as a task; one that cannot be priced
    is unpriced. Either way ``on_fault`` hears of it.
    """
    sanitize(batch)
    for span in batch.spans:
        try:
            facts(span)
        except Exception as fault:  # noqa: BLE001 - one hostile span must not lose the batch
            _forget(span)
            _report(on_fault, span, fault)
            continue
        if pricer is not None:
            try:
                pricer.price(span)
            except Exception as fault:  # noqa: BLE001 - the same
                span.cost = Cost()
                _report(on_fault, span, fault)
    return batch


def _report(on_fault: OnFault | None, span: Span, fault: Exception) -> None:
    if on_fault is not None:
        on_fault(span, fault)


def _forget(span: Span) -> None:
    """Half-made facts might not fit their columns."""
    span.kind, span.project = "task", DEFAULT_PROJECT
    span.service = span.request_model = span.response_model = span.provider = span.response_id = None
    span.session_id = span.user_id = span.time_to_first_token_ns = None
    span.usage = span.cost = span.finish_reasons = span.tags = span.metadata = span.error = None
