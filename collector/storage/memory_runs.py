"""Runs of the store in memory."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from collector.codec.runs import Attachment, Document, RunChange, RunHead, head_of, merged, shown
from collector.model import Span, SpanBatch
from collector.storage.runs_api import AttachmentInfo, Run, RunPage, RunQuery, RunResult, SpansOf


class MemoryRuns(ABC):
    """``RunStore`` over dicts."""

    def __init__(self) -> None:
        self._runs: dict[bytes, RunHead] = {}
        self._attachments: dict[bytes, dict[str, Attachment]] = {}
        self._runs_lock = threading.RLock()

    @abstractmethod
    def replace_spans(self, batch: SpanBatch, keys: set[tuple[bytes, bytes]]) -> None:
        """Store the batch in the place of the spans of these (trace id, span id), in one step."""

    def submit_runs(self, changes: Sequence[RunChange], spans_of: SpansOf) -> Future[RunResult]:
        with self._runs_lock:
            result = self._submitted_runs(changes, spans_of)
        future: Future[RunResult] = Future()
        future.set_result(result)
        return future

    def _submitted_runs(self, changes: Sequence[RunChange], spans_of: SpansOf) -> RunResult:
        documents: dict[bytes, Document] = {}
        for change in changes:
            attached = self._attachments.setdefault(change.run_id, {})
            attached |= {attachment.name: attachment for attachment in change.attachments}
            if change.fields:
                known = self._runs.get(change.run_id)
                before = documents.get(change.run_id, known.document if known else None)
                documents[change.run_id] = merged(before, [change])
        created = len(documents.keys() - self._runs.keys())
        heads = [head_of(run_id, document) for run_id, document in sorted(documents.items())]
        heads = [head for head in heads if head != self._stored_run(head.run_id)]
        if heads:
            self._put_runs(heads, spans_of(heads))
        return RunResult(created, len(documents) - created)

    def get_runs(self, run_ids: Sequence[bytes]) -> dict[bytes, Run]:
        return {run_id: self._shown_run(self._runs[run_id]) for run_id in run_ids if run_id in self._runs}

    def query_runs(self, query: RunQuery) -> RunPage:
        found = [head for head in self._runs.values() if _matches(query, head)]
        found.sort(key=_key, reverse=query.descending)
        if (after := query.after) is not None:
            found = [head for head in found if (_key(head) < after if query.descending else _key(head) > after)]
        items = [self._shown_run(head) for head in found[: query.limit]]
        return RunPage(items, _key(items[-1]) if len(found) > len(items) and items else None)

    def get_attachment(self, run_id: bytes, name: str) -> Attachment | None:
        return self._attachments.get(run_id, {}).get(name)

    def _stored_run(self, run_id: bytes) -> RunHead | None:
        """As ``head_of`` said it."""
        known = self._runs.get(run_id)
        return known and head_of(run_id, known.document)

    def _put_runs(self, heads: Sequence[RunHead], batch: SpanBatch) -> None:
        keys = {(head.trace_id, head.span_id) for head in heads}
        keys |= {(known.trace_id, known.span_id) for head in heads if (known := self._runs.get(head.run_id))}
        self.replace_spans(batch, keys)
        self._runs |= {head.run_id: _as_span_says(head, span) for head, span in zip(heads, batch.spans, strict=True)}

    def _shown_run(self, head: RunHead) -> Run:
        attached = sorted(self._attachments.get(head.run_id, {}).values(), key=lambda attachment: attachment.name)
        return Run(
            head.run_id,
            head.trace_id,
            head.parent_run_id,
            head.project,
            head.name,
            head.run_type,
            head.start_ns,
            head.end_ns,
            head.status,
            head.reference_example_id,
            shown(head.document),
            attachments=[AttachmentInfo(found.name, found.mime_type, len(found.data)) for found in attached],
        )


def _as_span_says(head: RunHead, span: Span) -> RunHead:
    """Project and name as the processors left them."""
    return replace(head, project=span.project, name=span.name)


def _key(head: RunHead) -> tuple[int, bytes]:
    return head.start_ns, head.run_id


def _matches(query: RunQuery, head: RunHead) -> bool:
    return (
        (query.run_ids is None or head.run_id in query.run_ids)
        and (query.projects is None or head.project in query.projects)
        and query.trace_id in (None, head.trace_id)
        and query.parent_run_id in (None, head.parent_run_id)
        and query.is_root in (None, head.is_root)
        and query.run_type in (None, head.run_type)
        and query.error in (None, head.status == "error")
        and (
            query.reference_example_ids is None
            or (head.reference_example_id is not None and head.reference_example_id in query.reference_example_ids)
        )
        and (query.from_ns is None or query.from_ns <= head.start_ns)
        and (query.to_ns is None or head.start_ns < query.to_ns)
    )
