"""The processors in their order: sanitize, normalise, redact, price."""

from __future__ import annotations

from collections.abc import Callable

from collector.model import Cost, Span, SpanBatch
from collector.processors.normalize import DEFAULT_PROJECT, facts
from collector.processors.price import Pricer
from collector.processors.redact import Redaction
from collector.processors.sanitize import sanitize

#: Called with a span that a processor failed on, and the exception: to count and to log.
OnFault = Callable[[Span, Exception], None]


def process(
    batch: SpanBatch,
    pricer: Pricer | None = None,
    on_fault: OnFault | None = None,
    redaction: Redaction | None = None,
) -> SpanBatch:
    """Sanitize, normalise, (with a redaction) redact and (with a pricer) price every span of the batch, in place.

    Never raises for a span: one that cannot be normalised is kept without facts, as a task; one that cannot be priced
    is unpriced. Either way ``on_fault`` hears of it. One that cannot be redacted loses its content, and is counted in
    ``batch.emptied``.
    """
    sanitize(batch)
    unread = {id(span) for span in batch.spans if not _read(span, on_fault)}
    if redaction is not None:
        redacted(batch, redaction, on_fault)
    if pricer is not None:
        for span in batch.spans:
            if id(span) not in unread:
                _price(span, pricer, on_fault)
    return batch


def _price(span: Span, pricer: Pricer, on_fault: OnFault | None) -> None:
    try:
        pricer.price(span)
    except Exception as fault:  # noqa: BLE001 - one hostile span must not lose the batch
        span.cost = Cost()
        _report(on_fault, span, fault)


def _read(span: Span, on_fault: OnFault | None) -> bool:
    try:
        facts(span)
    except Exception as fault:  # noqa: BLE001 - the same
        _forget(span)
        _report(on_fault, span, fault)
        return False
    return True


def redacted(batch: SpanBatch, redaction: Redaction, on_fault: OnFault | None = None) -> None:
    """Redact a batch whose facts are known. Which rules hold is known once the project is; then the facts are made
    again of what is left."""
    done = redaction.redact(batch)
    for span in done.spans:
        project, service = span.project, span.service
        _forget(span)
        span.service = service
        _read(span, on_fault)
        span.project = project
    batch.emptied += done.failed


def _report(on_fault: OnFault | None, span: Span, fault: Exception) -> None:
    if on_fault is not None:
        on_fault(span, fault)


def _forget(span: Span) -> None:
    """Half-made facts might not fit their columns."""
    span.kind, span.project = "task", DEFAULT_PROJECT
    span.service = span.request_model = span.response_model = span.provider = span.response_id = None
    span.session_id = span.user_id = span.time_to_first_token_ns = None
    span.usage = span.cost = span.finish_reasons = span.tags = span.metadata = span.error = None
