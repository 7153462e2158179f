"""The rows of runs: reading what is known of some, and everything that one transaction writes for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from collector.codec.runs import RunChange, RunHead
from collector.model import Span, SpanBatch
from collector.storage.sql import search
from collector.storage.sql.insert import Inserter
from collector.storage.sql.summaries import rows_at_once

RUN_COLUMNS: Final = (
    "run_id",
    "trace_id",
    "span_id",
    "parent_run_id",
    "project_id",
    "name",
    "run_type",
    "start_ns",
    "end_ns",
    "status",
    "reference_example_id",
    "version",
)
STATUSES: Final = ("pending", "success", "error")
_IDS: Final = 5_000
_ATTACHMENT_COLUMNS: Final = ("run_id", "name", "mime_type", "size", "data")

_KNOWN: Final = text(
    "SELECT r.run_id, r.trace_id, r.version, o.data FROM runs r "
    "LEFT JOIN spans s ON s.trace_id = r.trace_id AND s.span_id = r.span_id "
    "LEFT JOIN originals o ON o.id = s.original_id WHERE r.run_id IN :ids"
).bindparams(bindparam("ids", expanding=True))
# A list of pairs would make SQLite read the whole table; CROSS JOIN tells it which to begin with.
_DELETE_SPANS: Final = (
    "WITH gone (trace_id, span_id) AS (VALUES {rows}) DELETE FROM spans WHERE id IN (SELECT s.id FROM gone "
    "CROSS JOIN spans s WHERE s.trace_id = gone.trace_id AND s.span_id = gone.span_id) RETURNING trace_id, original_id"
)
_DELETE_ORIGINALS: Final = text(
    "DELETE FROM originals WHERE id IN :ids AND NOT EXISTS (SELECT 1 FROM spans s "
    "WHERE s.trace_id = originals.trace_id AND s.original_id = originals.id) RETURNING id, trace_id"
).bindparams(bindparam("ids", expanding=True))
# A summary that counts fewer spans than there are is stale, and is replaced by the next one.
_FORGET: Final = text(
    "UPDATE traces SET span_count = CASE WHEN span_count > :count THEN span_count - :count ELSE 0 END "
    "WHERE trace_id = :trace_id"
)
_EMPTY: Final = tuple(
    text(
        f"DELETE FROM {table} WHERE trace_id = :trace_id "
        "AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = :trace_id)"
    )
    for table in ("traces", "calls")
)
_PUT_RUN: Final = (
    f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES {{rows}} ON CONFLICT (run_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS[1:])
    + " WHERE runs.version = excluded.version - 1 RETURNING run_id"
)
_PUT_ATTACHMENT: Final = (
    f"INSERT INTO run_attachments ({', '.join(_ATTACHMENT_COLUMNS)}) VALUES {{rows}} "
    "ON CONFLICT (run_id, name) DO UPDATE SET mime_type = excluded.mime_type, size = excluded.size, "
    "data = excluded.data"
)


class Outdated(Exception):
    """Another collector changed one of the runs since it was read: nothing was stored."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a run: ``data`` is its original."""

    trace_id: bytes
    version: int
    data: bytes | None


def known(connection: Connection, run_ids: Sequence[bytes]) -> dict[bytes, Known]:
    found = {}
    for start in range(0, len(run_ids), _IDS):
        for row in connection.execute(_KNOWN, {"ids": run_ids[start : start + _IDS]}):
            data = None if row.data is None else bytes(row.data)
            found[bytes(row.run_id)] = Known(bytes(row.trace_id), row.version, data)
    return found


def attachment_rows(changes: Sequence[RunChange]) -> list[tuple[Any, ...]]:
    """Of an attachment that comes twice the last counts."""
    rows = {
        (change.run_id, attached.name): (
            change.run_id,
            attached.name,
            attached.mime_type,
            len(attached.data),
            attached.data,
        )
        for change in changes
        for attached in change.attachments
    }
    return [row for _, row in sorted(rows.items())]


def store(
    connection: Connection,
    inserter: Inserter,
    batch: SpanBatch,
    heads: Sequence[RunHead],
    known: Mapping[bytes, Known],
    attachments: Sequence[tuple[Any, ...]],
) -> dict[str, int]:
    """Everything of one transaction; ``batch`` has one span for each head. Returns ids of projects that become good
    with the commit. Raises ``Outdated``."""
    dialect: Any = connection.dialect.name
    projects: dict[str, int] = {}
    if heads:
        replaced = _replaced_spans(connection, dialect, heads, known)
        projects, (result,) = inserter.insert(connection, [batch])
        if result.duplicates:
            raise Outdated
        _drop(connection, replaced)
        rows = [
            _run_row(head, span, projects[span.project], known) for head, span in zip(heads, batch.spans, strict=True)
        ]
        if len(rows_at_once(connection, dialect, _PUT_RUN, rows)) != len(rows):
            raise Outdated
    rows_at_once(connection, dialect, _PUT_ATTACHMENT, attachments)
    return projects


def _replaced_spans(
    connection: Connection, dialect: Any, heads: Sequence[RunHead], known: Mapping[bytes, Known]
) -> list[tuple[bytes, int]]:
    """Delete the spans that these runs had, also in another trace; (trace id, original id) of each."""
    keys = {(head.trace_id, head.span_id) for head in heads}
    keys |= {(known[head.run_id].trace_id, head.span_id) for head in heads if head.run_id in known}
    deleted = rows_at_once(connection, dialect, _DELETE_SPANS, sorted(keys))
    return [(bytes(trace_id), original_id) for trace_id, original_id in deleted]


def _drop(connection: Connection, replaced: Sequence[tuple[bytes, int]]) -> None:
    """What was made of the spans that are gone: originals, their words, the count in their traces' summaries."""
    if not replaced:
        return
    ids = sorted({original_id for _, original_id in replaced})
    gone = [
        (row.id, bytes(row.trace_id))
        for start in range(0, len(ids), _IDS)
        for row in connection.execute(_DELETE_ORIGINALS, {"ids": ids[start : start + _IDS]})
    ]
    search.remove_documents(connection, gone)
    counts = Counter(trace_id for trace_id, _ in replaced)
    connection.execute(_FORGET, [{"trace_id": trace_id, "count": count} for trace_id, count in sorted(counts.items())])
    for statement in _EMPTY:
        connection.execute(statement, [{"trace_id": trace_id} for trace_id in sorted(counts)])


def _run_row(head: RunHead, span: Span, project_id: int, known: Mapping[bytes, Known]) -> tuple[Any, ...]:
    found = known.get(head.run_id)
    return (
        head.run_id,
        head.trace_id,
        head.span_id,
        head.parent_run_id,
        project_id,
        span.name,
        head.run_type,
        head.start_ns,
        head.end_ns,
        STATUSES.index(head.status),
        head.reference_example_id,
        1 if found is None else found.version + 1,
    )
