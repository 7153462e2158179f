"""Whether a trace is complete: a fact about its spans, not a time to wait. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from collector.model import Span


def waits_for(spans: Sequence[Span], is_pending: Callable[[Span], bool]) -> str | None:
    """What is missing, in words; None where the root has ended and the parent of every span is stored.

    A span that comes after that is found all the same: what was scored before is scored again.
    """
    if not any(span.parent_span_id is None for span in spans):
        return "the root span has not come"
    known = {span.span_id for span in spans}
    orphans = sum(span.parent_span_id is not None and span.parent_span_id not in known for span in spans)
    if orphans:
        return f"the parents of {orphans} spans have not come"
    pending = sum(is_pending(span) for span in spans)
    return f"{pending} spans have not ended" if pending else None
