"""Stored spans as exporters are given them, without a store: of a batch, or of what LangSmith's client sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from collector.codec.otlp import Original
from collector.codec.run_spans import RUN_ID, batch_of
from collector.codec.runs import Attachment, Document, RunChange, head_of, merged
from collector.exporters.api import Record
from collector.model import Span, SpanBatch
from collector.processors.chain import process
from collector.receivers.langsmith.messages import of_multipart


def records_of(batch: SpanBatch, attachments: dict[bytes, list[Attachment]] | None = None) -> list[Record]:
    """Of processed spans with their chunks, in their order; each span once."""
    originals = [Original(chunk.data) for chunk in batch.chunks]
    spans = {(span.trace_id, span.span_id): span for span in reversed(batch.spans)}
    runs = {key: UUID(span.attributes[RUN_ID]).bytes for key, span in spans.items() if RUN_ID in span.attributes}
    found = []
    for span in batch.spans:
        if spans[span.trace_id, span.span_id] is not span:
            continue
        above, is_rooted = _above(span, spans)
        path = [*above, span]
        known = {one.span_id: runs[span.trace_id, one.span_id] for one in path if (span.trace_id, one.span_id) in runs}
        run = known.get(span.span_id)
        mine = (attachments or {}).get(run, []) if run else []
        # The columns have nothing of attributes, events, links and resource.
        bare = [replace(one, attributes={}, events=(), links=(), resource={}) for one in path]
        original = originals[span.chunk]
        found.append(Record(bare[-1], original, tuple(bare[:-1]), is_rooted, known, lambda mine=mine: mine))  # type: ignore[misc]
    return found


def _above(span: Span, spans: dict[tuple[bytes, bytes], Span]) -> tuple[list[Span], bool]:
    path: list[Span] = []
    while span.parent_span_id is not None:
        parent = spans.get((span.trace_id, span.parent_span_id))
        if parent is None or parent in path or len(path) > 1_000:
            return path, False
        path.insert(0, parent)
        span = parent
    return path, True


def records_received(bodies: Sequence[tuple[bytes, str]]) -> list[Record]:
    """What our receiver makes of multipart bodies, in the order they came."""
    return records_of_changes(*(change for body, kind in bodies for change in of_multipart(body, kind).changes))


def records_of_changes(*changes: RunChange) -> list[Record]:
    documents: dict[bytes, Document] = {}
    attachments: dict[bytes, list[Attachment]] = {}
    for change in changes:
        documents[change.run_id] = merged(documents.get(change.run_id), [change])
        attachments.setdefault(change.run_id, []).extend(change.attachments)
    heads = [head_of(run, found) for run, found in documents.items()]
    return records_of(process(batch_of(heads)), attachments)
