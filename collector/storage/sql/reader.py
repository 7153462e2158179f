"""``TraceReader`` over a ``Database``: every call is one snapshot."""

from __future__ import annotations

from sqlalchemy import text

from collector.model import Span, TraceSummary
from collector.storage.api import ProjectSummary, TracePage, TraceQuery, TraceStats, UsageQuery, UsageRow
from collector.storage.originals import attach
from collector.storage.sql import listing, spans, stats, usage
from collector.storage.sql.engine import Database
from collector.storage.synthesis import summary_of

_PROJECTS = text(
    "SELECT p.name, (SELECT count(*) FROM traces t WHERE t.project_id = p.id), "
    "(SELECT min(t.start_ns) FROM traces t WHERE t.project_id = p.id), "
    "(SELECT max(t.start_ns) FROM traces t WHERE t.project_id = p.id) FROM projects p"
)


class SqlTraceReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    def list_traces(self, query: TraceQuery) -> TracePage:
        with self._database.read() as connection:
            return listing.page(connection, query)

    def stats(self, query: TraceQuery, buckets: int = 0) -> TraceStats:
        with self._database.read() as connection:
            return stats.stats(connection, query, buckets)

    def get_trace(self, trace_id: bytes) -> TraceSummary | None:
        with self._database.read() as connection:
            found = listing.summaries(connection, [trace_id])
        if found:
            return found[trace_id]
        stored = self.get_spans(trace_id)
        return summary_of(stored) if stored else None

    def get_spans(self, trace_id: bytes, *, originals: bool = True) -> list[Span]:
        with self._database.read() as connection:
            found = list(spans.of_traces(connection, [trace_id]))
            data = spans.originals(connection, sorted({number for _, number in found})) if originals else {}
        if originals:
            attach(found, data.__getitem__)
        return [span for span, _ in found]

    def get_span(self, trace_id: bytes, span_id: bytes) -> Span | None:
        with self._database.read() as connection:
            found = spans.one(connection, trace_id, span_id)
            if found is None:
                return None
            data = spans.originals(connection, [found[1]])
        attach([found], data.__getitem__)
        return found[0]

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        with self._database.read() as connection:
            return usage.usage(connection, query)

    def projects(self) -> list[ProjectSummary]:
        with self._database.read() as connection:
            return sorted((ProjectSummary(*row) for row in connection.execute(_PROJECTS)), key=lambda found: found.name)

    def neighbours(self, trace_id: bytes) -> tuple[bytes | None, bytes | None]:
        with self._database.read() as connection:
            return listing.neighbours(connection, trace_id)
