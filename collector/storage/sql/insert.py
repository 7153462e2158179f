"""One transaction's rows: originals, spans, the batch and its queue items. The hot path."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from sqlalchemy import Connection, bindparam, text

from collector.destinations import PREFIX
from collector.model import SpanBatch
from collector.storage.api import WriteResult
from collector.storage.evaluation_api import DECIDE
from collector.storage.sql import bulk_postgres, bulk_sqlite
from collector.storage.sql.address import Dialect
from collector.storage.sql.rows import SpanRows, add_span

#: Beyond this many the cache of project ids starts again: names come from senders.
MAX_CACHED_PROJECTS: Final = 10_000

_FIND_PROJECTS = text("SELECT name, id FROM projects WHERE name IN :names").bindparams(
    bindparam("names", expanding=True)
)
_ADD_PROJECT = text("INSERT INTO projects (name, created_ns) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING")
_ADD_BATCH = text("INSERT INTO batches (id, created_ns, span_count) VALUES (:id, :now, :span_count)")
_ADD_ITEM = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns) "
    "VALUES (:consumer, :batch_id, 'ready', 0, :now, :now)"
)
_ADD_DERIVED = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns) "
    f"SELECT '{PREFIX}' || d.id, :batch_id, 'ready', 0, :now, :now FROM destinations d UNION ALL "
    f"SELECT '{DECIDE}', :batch_id, 'ready', 0, :now, :now WHERE EXISTS (SELECT 1 FROM rules WHERE state = 'active')"
)
_STORED_PER_ORIGINAL = text(
    "SELECT original_id, count(*) FROM spans WHERE original_id BETWEEN :first AND :last "
    "AND trace_id IN (SELECT trace_id FROM originals WHERE batch_id = :batch_id) GROUP BY original_id"
)
_DROP_ORIGINAL = text("DELETE FROM originals WHERE id = :id")


class Inserter:
    """Writes batches through a connection. Several threads may use it, each in a transaction of its own."""

    def __init__(self, dialect: Dialect, consumers: Sequence[str]) -> None:
        self._bulk = bulk_sqlite if dialect == "sqlite" else bulk_postgres
        self._consumers = tuple(consumers)
        self._projects: dict[str, int] = {}

    def insert(self, connection: Connection, batches: Sequence[SpanBatch]) -> tuple[dict[str, int], list[WriteResult]]:
        """All of the batches, as one row of ``batches``. Returns ids of projects that become good with the commit
        (tell ``committed``), and what became of each batch."""
        now = time.time_ns()
        projects = self._project_ids(connection, {span.project for batch in batches for span in batch.spans}, now)
        used = [sorted({span.chunk for span in batch.spans}) for batch in batches]
        batch_id, free = self._bulk.reserve(connection, sum(map(len, used)))
        ids = iter(free)
        original_ids = [dict(zip(chunks, islice(ids, len(chunks)), strict=True)) for chunks in used]
        rows = SpanRows([], [])
        for batch, id_of in zip(batches, original_ids, strict=True):
            for span in batch.spans:
                add_span(rows, span, projects[span.project], id_of[span.chunk])
        originals = [
            (original_id, batch_id, batch.chunks[chunk].trace_id, batch.chunks[chunk].data, batch.chunks[chunk].via)
            for batch, id_of in zip(batches, original_ids, strict=True)
            for chunk, original_id in id_of.items()
        ]
        self._bulk.insert_originals(connection, originals)
        if self._bulk.insert_spans(connection, rows) == sum(len(batch.spans) for batch in batches):
            results = [WriteResult(len(batch.spans), 0) for batch in batches]
        else:
            results = _settle_duplicates(connection, batch_id, batches, original_ids)
        self._queue(connection, batch_id, sum(result.stored for result in results), now)
        return projects, results

    def committed(self, projects: dict[str, int]) -> None:
        if len(self._projects) > MAX_CACHED_PROJECTS:
            self._projects = {}
        self._projects |= projects

    def _project_ids(self, connection: Connection, names: set[str], now: int) -> dict[str, int]:
        known = self._projects
        ids = {name: known[name] for name in names if name in known}
        missing = sorted(names - ids.keys())  # sorted: two collectors that add the same ones must not deadlock
        if not missing:
            return ids
        ids |= _find_projects(connection, missing)
        new = [{"name": name, "now": now} for name in missing if name not in ids]
        if new:
            connection.execute(_ADD_PROJECT, new)
            ids |= _find_projects(connection, missing)
        return ids

    def _queue(self, connection: Connection, batch_id: int, span_count: int, now: int) -> None:
        if not span_count:
            return
        connection.execute(_ADD_BATCH, {"id": batch_id, "now": now, "span_count": span_count})
        if self._consumers:
            items = [{"consumer": consumer, "batch_id": batch_id, "now": now} for consumer in self._consumers]
            connection.execute(_ADD_ITEM, items)
        connection.execute(_ADD_DERIVED, {"batch_id": batch_id, "now": now})


def _find_projects(connection: Connection, names: list[str]) -> dict[str, int]:
    return {row.name: row.id for row in connection.execute(_FIND_PROJECTS, {"names": names})}


def _settle_duplicates(
    connection: Connection, batch_id: int, batches: Sequence[SpanBatch], original_ids: Sequence[dict[int, int]]
) -> list[WriteResult]:
    """Count what was new in each batch, and drop originals that no span came to point to."""
    every = [original_id for id_of in original_ids for original_id in id_of.values()]
    bounds = {"batch_id": batch_id, "first": min(every), "last": max(every)}
    stored: Counter[int] = Counter()
    for original_id, count in connection.execute(_STORED_PER_ORIGINAL, bounds):
        stored[original_id] = count
    unused = [{"id": original_id} for original_id in every if not stored[original_id]]
    if unused:
        connection.execute(_DROP_ORIGINAL, unused)
    results = []
    for batch, id_of in zip(batches, original_ids, strict=True):
        count = sum(stored[original_id] for original_id in id_of.values())
        results.append(WriteResult(count, len(batch.spans) - count))
    return results
