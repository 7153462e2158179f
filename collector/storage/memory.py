"""The store in memory: the contract of ``storage/api.py`` at its plainest. For tests, and to compare engines with.

Nothing survives the process. ``submit`` stores at once. Summaries come from outside through ``complete_summaries``,
as they do for the SQL engines.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from collector.filters.matches import TraceRecord, matches
from collector.model import Call, Chunk, ErrorInfo, Span, SpanBatch, SummaryUpdate, TraceSummary, Usage
from collector.queue.api import INDEX, SUMMARISE, Item, Queue
from collector.storage import cursor, totals, words
from collector.storage.api import (
    ProjectSummary,
    StatsBucket,
    TracePage,
    TraceQuery,
    TraceStats,
    UsageQuery,
    UsageRow,
    WriteResult,
)
from collector.storage.memory_annotations import MemoryAnnotations
from collector.storage.memory_datasets import MemoryDatasets
from collector.storage.memory_evaluation import MemoryEvaluation
from collector.storage.memory_forward import MemoryForward
from collector.storage.memory_projects import MemoryProjects
from collector.storage.memory_reviews import MemoryReviews
from collector.storage.memory_runs import MemoryRuns
from collector.storage.memory_usage import Group, group_value, in_range, usage_row
from collector.storage.originals import attach
from collector.storage.records import trace_record
from collector.storage.synthesis import summary_of
from collector.summarise import sums


@dataclass(slots=True)
class _Original:
    batch_id: int
    chunk: Chunk
    words: list[set[str]] = field(default_factory=list)


class MemoryStore(
    MemoryForward, MemoryAnnotations, MemoryRuns, MemoryProjects, MemoryEvaluation, MemoryDatasets, MemoryReviews
):
    """``Store`` and ``SummaryStore`` over dicts. Each batch puts an item for each consumer on ``queue``; without one,
    every claim counts as ours."""

    def __init__(self, queue: Queue | None = None, *, consumers: Sequence[str] = (SUMMARISE, INDEX)) -> None:
        MemoryAnnotations.__init__(self)
        MemoryRuns.__init__(self)
        MemoryProjects.__init__(self)
        MemoryForward.__init__(self)
        MemoryEvaluation.__init__(self)
        MemoryDatasets.__init__(self)
        MemoryReviews.__init__(self)
        self.queue = queue
        self._consumers = tuple(consumers)
        self._subscribers: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._batches = 0
        self._originals: dict[int, _Original] = {}
        self._original_ids = itertools.count(1)
        self._spans: dict[bytes, dict[bytes, tuple[Span, int]]] = defaultdict(dict)
        self._summaries: dict[bytes, TraceSummary] = {}
        self._calls: dict[bytes, list[Call]] = {}

    # SpanWriter

    def submit(self, batch: SpanBatch) -> Future[WriteResult]:
        with self._lock:
            self._batches += 1
            batch_id, stored, ids = self._batches, 0, {}
            for span in batch.spans:
                self._projects.setdefault(span.project)
                trace = self._spans[span.trace_id]
                if span.span_id in trace:
                    continue
                if span.chunk not in ids:
                    ids[span.chunk] = next(self._original_ids)
                    self._originals[ids[span.chunk]] = _Original(batch_id, batch.chunks[span.chunk])
                trace[span.span_id] = (_facts(span), ids[span.chunk])
                stored += 1
            if stored and self.queue:
                for consumer in self._consumers:
                    self.queue.put(consumer, batch_id, now_ns=time.time_ns())
                self.queue_for_destinations(batch_id, stored)
                self.queue_for_rules(batch_id)
        if stored:
            for tell in self._subscribers:
                tell()
        future: Future[WriteResult] = Future()
        future.set_result(WriteResult(stored, len(batch.spans) - stored))
        return future

    def replace_spans(self, batch: SpanBatch, keys: set[tuple[bytes, bytes]]) -> None:
        with self._lock:
            for trace_id, span_id in keys:
                self._forget(trace_id, span_id)
            self.submit(batch)

    def subscribe(self, tell: Callable[[], None]) -> None:
        self._subscribers.append(tell)

    def pending_spans(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is ever waiting."""

    def check_writable(self) -> None:
        """Always."""

    def size_bytes(self) -> int | None:
        with self._lock:
            return sum(len(original.chunk.data) for original in self._originals.values())

    # TraceReader

    def list_traces(self, query: TraceQuery) -> TracePage:
        after = cursor.decode(query)
        with self._lock:
            found = sorted(
                ((_sort_value(query, summary), summary.trace_id) for summary in self._matching(query)),
                reverse=query.descending,
            )
            if after is not None:
                found = [key for key in found if (key < after if query.descending else key > after)]
            page = found[: query.limit]
            items = [self._current(self._summaries[trace_id]) for _, trace_id in page]
        more = len(found) > len(page) and page
        return TracePage(items, cursor.encode(query, *page[-1]) if more else None)

    def stats(self, query: TraceQuery, buckets: int = 0) -> TraceStats:
        with self._lock:
            found = list(self._matching(query))
        durations = sorted(summary.duration_ns for summary in found)
        return TraceStats(
            traces=len(found),
            errors=sum(summary.status == "error" for summary in found),
            p50_ns=totals.nearest_rank(durations, 50),
            p99_ns=totals.nearest_rank(durations, 99),
            tokens=sums.add(summary.usage.total_tokens for summary in found if summary.usage),
            cost=sums.add(summary.cost.total for summary in found if summary.cost),
            unpriced_calls=sum(summary.unpriced_calls for summary in found),
            buckets=_buckets(query, found, buckets),
        )

    def get_trace(self, trace_id: bytes) -> TraceSummary | None:
        with self._lock:
            if trace_id not in self._spans:
                return None
            summary = self._summaries.get(trace_id)
            return self._current(summary) if summary else summary_of(self.get_spans(trace_id))

    def get_spans(self, trace_id: bytes, *, originals: bool = True) -> list[Span]:
        with self._lock:
            found = [(replace(span), original) for span, original in self._spans.get(trace_id, {}).values()]
            found.sort(key=lambda pair: _order(pair[0]))
            if originals:
                attach(found, lambda original: self._originals[original].chunk.data)
            return [span for span, _ in found]

    def get_span(self, trace_id: bytes, span_id: bytes) -> Span | None:
        return next((span for span in self.get_spans(trace_id) if span.span_id == span_id), None)

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        with self._lock:
            calls: dict[Group, list[Call]] = defaultdict(list)
            traces: dict[Group, set[bytes]] = defaultdict(set)
            for call in (call for calls_of_trace in self._calls.values() for call in calls_of_trace):
                if in_range(query, call.project, call.start_ns):
                    group = self._group_of_call(query, call)
                    calls[group].append(call)
                    traces[group].add(call.trace_id)
            for summary in self._traces_without_calls(query):
                traces[self._group_of_trace(query, summary)].add(summary.trace_id)
        rows = [usage_row(query, group, calls[group], len(ids)) for group, ids in traces.items()]
        return sorted(rows, key=totals.usage_order)

    def projects(self) -> list[ProjectSummary]:
        with self._lock:
            starts = {
                name: [s.start_ns for s in self._summaries.values() if s.project == name] for name in self._projects
            }
        return [
            ProjectSummary(name, len(found), min(found, default=None), max(found, default=None))
            for name, found in sorted(starts.items())
        ]

    def neighbours(self, trace_id: bytes) -> tuple[bytes | None, bytes | None]:
        with self._lock:
            here = self._summaries.get(trace_id)
            if here is None:
                return None, None
            keys = [(s.start_ns, s.trace_id) for s in self._summaries.values() if s.project == here.project]
        key = (here.start_ns, here.trace_id)
        newer = min((other for other in keys if other > key), default=None)
        older = max((other for other in keys if other < key), default=None)
        return newer and newer[1], older and older[1]

    def project_of(self, trace_id: bytes | None) -> str | None:
        with self._lock:
            summary = self._summaries.get(trace_id or b"")
            return summary.project if summary else None

    def span_ids_of(self, trace_id: bytes) -> set[bytes]:
        with self._lock:
            return set(self._spans.get(trace_id, ()))

    # SummaryStore

    def traces_of_batches(self, batch_ids: Sequence[int]) -> dict[bytes, int]:
        with self._lock:
            found = dict.fromkeys(o.chunk.trace_id for o in self._originals.values() if o.batch_id in batch_ids)
            return {trace_id: len(self._spans[trace_id]) for trace_id in found}

    def spans_of_traces(self, trace_ids: Sequence[bytes]) -> dict[bytes, list[Span]]:
        with self._lock:
            return {
                trace_id: [replace(span, chunk=original) for span, original in self._spans[trace_id].values()]
                for trace_id in trace_ids
                if trace_id in self._spans
            }

    def originals_of(self, original_ids: Sequence[int]) -> dict[int, bytes]:
        with self._lock:
            known = self._originals
            return {number: known[number].chunk.data for number in original_ids if number in known}

    def complete_summaries(self, items: Sequence[Item], updates: Sequence[SummaryUpdate]) -> int:
        with self._lock:
            ours = self._acknowledge(items)
            for update in updates if ours or not items else ():
                summary = update.summary
                known = self._summaries.get(summary.trace_id)
                is_newest = known is None or known.span_count <= summary.span_count
                if is_newest and update.sources <= self._originals.keys():
                    self._summarised(update)
            return ours

    def originals_of_batch(self, batch_id: int) -> list[tuple[int, bytes]]:
        with self._lock:
            return [(number, o.chunk.data) for number, o in self._originals.items() if o.batch_id == batch_id]

    def complete_index(self, texts: Sequence[tuple[Item, Sequence[tuple[int, str]]]]) -> int:
        with self._lock:
            ours = [found for item, found in texts if self._acknowledge([item])]
            for original_id, text in (pair for found in ours for pair in found):
                if original_id in self._originals:
                    self._originals[original_id].words.append(set(words.document(text)))
            return len(ours)

    # what the above are made of

    def _forget(self, trace_id: bytes, span_id: bytes) -> None:
        spans = self._spans.get(trace_id, {})
        _, original_id = spans.pop(span_id, (None, None))
        if original_id is None:
            return
        if all(original != original_id for _, original in spans.values()):
            del self._originals[original_id]
        summary = self._summaries.get(trace_id)
        if summary is not None:
            summary.span_count = max(0, summary.span_count - 1)
        if not spans:
            for known in (self._spans, self._summaries, self._calls):
                known.pop(trace_id, None)

    def _acknowledge(self, items: Sequence[Item]) -> int:
        return self.queue.ack(list(items)) if self.queue else len(items)

    def _summarised(self, update: SummaryUpdate) -> None:
        trace_id = update.summary.trace_id
        self._projects.setdefault(update.summary.project)
        self._summaries[trace_id] = update.summary
        self._calls[trace_id] = list(update.calls)
        for span, _ in self._spans[trace_id].values():
            span.counted = span.span_id not in update.uncounted
            span.duplicate_of = update.uncounted.get(span.span_id)

    def _current(self, summary: TraceSummary) -> TraceSummary:
        return replace(summary, stale=len(self._spans.get(summary.trace_id, ())) != summary.span_count)

    def _matching(self, query: TraceQuery) -> Iterable[TraceSummary]:
        asked = words.query(query.q or "")
        for summary in self._summaries.values():
            found = _matches(query, summary) and (not asked or self._found_by(asked, summary.trace_id))
            if found and (query.filter is None or matches(query.filter, self._record(summary))):
                yield summary

    def _record(self, summary: TraceSummary) -> TraceRecord:
        trace_id = summary.trace_id
        return trace_record(summary, lambda: self.get_spans(trace_id), lambda: self.annotations_of_trace(trace_id))

    def _found_by(self, asked: list[str], trace_id: bytes) -> bool:
        *whole, prefix = asked
        return any(
            found.issuperset(whole) and any(word.startswith(prefix) for word in found)
            for original in self._originals.values()
            if original.chunk.trace_id == trace_id
            for found in original.words
        )

    def _traces_without_calls(self, query: UsageQuery) -> Iterable[TraceSummary]:
        if {"model", "provider"} & set(query.group_by):
            return
        for summary in self._summaries.values():
            if not self._calls[summary.trace_id] and in_range(query, summary.project, summary.start_ns):
                yield summary

    def _group_of_call(self, query: UsageQuery, call: Call) -> Group:
        return tuple(
            self._tag(name, call.trace_id) if name.startswith("tag:") else group_value(name, call)
            for name in query.group_by
        )

    def _group_of_trace(self, query: UsageQuery, summary: TraceSummary) -> Group:
        return tuple(
            self._tag(name, summary.trace_id) if name.startswith("tag:") else group_value(name, summary)
            for name in query.group_by
        )

    def _tag(self, name: str, trace_id: bytes) -> str | None:
        summary = self._summaries[trace_id]
        return totals.tag_value(name.removeprefix("tag:"), summary.tags, summary.metadata)


def _order(span: Span) -> tuple[int, bytes]:
    return span.start_ns, span.span_id


def _facts(span: Span) -> Span:
    """What the engines keep in columns; empty values are the same as unknown ones."""
    error = span.error
    return replace(
        span,
        resource={},
        attributes={},
        events=(),
        links=(),
        status_message="",
        chunk=0,
        usage=None if span.usage == Usage() else span.usage,
        finish_reasons=span.finish_reasons or None,
        tags=span.tags or None,
        metadata=span.metadata or None,
        error=ErrorInfo(error.type, error.message) if error and (error.type or error.message) else None,
    )


def _matches(query: TraceQuery, summary: TraceSummary) -> bool:
    return (
        query.project in (None, summary.project)
        and query.session_id in (None, summary.session_id)
        and query.user_id in (None, summary.user_id)
        and query.status in (None, summary.status)
        and (query.from_ns is None or query.from_ns <= summary.start_ns)
        and (query.to_ns is None or summary.start_ns < query.to_ns)
        and (query.newer_than is None or (summary.start_ns, summary.trace_id) > query.newer_than)
    )


def _sort_value(query: TraceQuery, summary: TraceSummary) -> int:
    """Unknown sorts below everything."""
    if query.sort == "start_time":
        return summary.start_ns
    if query.sort == "duration":
        return summary.duration_ns
    if query.sort == "cost":
        value = summary.cost.total if summary.cost else None
    else:
        value = summary.usage.total_tokens if summary.usage else None
    return -1 if value is None else value


def _buckets(query: TraceQuery, found: list[TraceSummary], count: int) -> list[StatsBucket]:
    starts = [summary.start_ns for summary in found]
    low = min(starts, default=None) if query.from_ns is None else query.from_ns
    high = (max(starts) + 1 if starts else None) if query.to_ns is None else query.to_ns
    edges = totals.bucket_edges(low, high, count)
    return [
        StatsBucket(
            low,
            high,
            traces=sum(low <= summary.start_ns < high for summary in found),
            errors=sum(low <= summary.start_ns < high and summary.status == "error" for summary in found),
        )
        for low, high in edges
    ]
