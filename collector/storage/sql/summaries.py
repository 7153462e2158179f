"""``SummaryStore`` over a ``Database``: reading for the consumers, and storing what they made.

Several workers, of several collectors on PostgreSQL, may summarise one trace at the same time. Each read a snapshot,
and snapshots only grow, so of two summaries the one that covers more spans is right, and one made from a span that has
been replaced since is outdated: what replaced it has a queue item of its own. The row in ``traces`` decides:
writing it locks it until the commit, and only who wrote it goes on to the trace's calls and to ``spans.counted``.
Where it was there before, these are compared with what is stored at that moment, and only what differs is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, TextClause, bindparam, text

from collector.model import Span, SummaryUpdate
from collector.queue.api import Item
from collector.storage.sql import search, spans
from collector.storage.sql.address import Dialect
from collector.storage.sql.engine import Database
from collector.storage.sql.queue import remove_claimed
from collector.storage.sql.rows import SPAN_COLUMNS, span_of
from collector.storage.sql.summary_rows import CALL_COLUMNS, TRACE_COLUMNS, call_row, trace_row

_T = TypeVar("_T")
_Row = tuple[Any, ...]
_SpanKey = tuple[bytes, bytes]

#: Rows per statement; few sizes, so that each is prepared once.
_SIZES: Final = (32, 8, 1)
_IDS: Final = 5_000


def _of(name: str, statement: str) -> TextClause:
    return text(statement).bindparams(bindparam(name, expanding=True))


_TRACES_OF_BATCHES: Final = _of(
    "ids",
    "SELECT o.trace_id, (SELECT count(*) FROM spans s WHERE s.trace_id = o.trace_id) AS spans "
    "FROM (SELECT DISTINCT trace_id FROM originals WHERE batch_id IN :ids) o",
)
_ORIGINALS_OF_BATCH: Final = text("SELECT id, data FROM originals WHERE batch_id = :id ORDER BY id")
_SPANS: Final = (
    f"SELECT {', '.join(f's.{name}' for name in SPAN_COLUMNS)}, p.name FROM spans s "
    "JOIN projects p ON p.id = s.project_id WHERE s.trace_id IN {rows}"
)
_ORIGINAL_ID: Final = SPAN_COLUMNS.index("original_id")
_PROJECTS: Final = _of("names", "SELECT name, id FROM projects WHERE name IN :names")
_CALLS: Final = _of("ids", f"SELECT {', '.join(CALL_COLUMNS)} FROM calls WHERE trace_id IN :ids")
_DROP_CALL: Final = text("DELETE FROM calls WHERE trace_id = :trace_id AND span_id = :span_id")
_UNCOUNTED: Final = _of(
    "ids", "SELECT trace_id, span_id, duplicate_of FROM spans WHERE trace_id IN :ids AND NOT counted"
)

_LOCK_TRACE: Final = text("SELECT 1 FROM traces WHERE trace_id = :trace_id FOR UPDATE")
_COUNT_ORIGINALS: Final = _of("ids", "SELECT count(*) FROM originals WHERE id IN :ids")
_ADD_TRACE: Final = (
    f"INSERT INTO traces ({', '.join(TRACE_COLUMNS)}) VALUES {{rows}} ON CONFLICT DO NOTHING RETURNING trace_id"
)
# A stored summary of more spans than there are is one of spans that have been deleted since.
_REPLACE_TRACE: Final = (
    f"INSERT INTO traces ({', '.join(TRACE_COLUMNS)}) VALUES {{rows}} ON CONFLICT (trace_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in TRACE_COLUMNS[1:])
    + " WHERE traces.span_count <= excluded.span_count "
    "OR traces.span_count > (SELECT count(*) FROM spans s WHERE s.trace_id = traces.trace_id) RETURNING trace_id"
)
_PUT_CALL: Final = (
    f"INSERT INTO calls ({', '.join(CALL_COLUMNS)}) VALUES {{rows}} ON CONFLICT (trace_id, span_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in CALL_COLUMNS[2:])
)
_SET_COUNTED: Final = (
    "WITH changed (trace_id, span_id, counted, duplicate_of) AS (VALUES {rows}) "
    "UPDATE spans SET counted = changed.counted, duplicate_of = changed.duplicate_of FROM changed "
    "WHERE spans.trace_id = changed.trace_id AND spans.span_id = changed.span_id"
)


class SqlSummaries:
    def __init__(self, database: Database) -> None:
        self._database = database

    def traces_of_batches(self, batch_ids: Sequence[int]) -> dict[bytes, int]:
        with self._database.read() as connection:
            rows = connection.execute(_TRACES_OF_BATCHES, {"ids": list(batch_ids)})
            return {row.trace_id: row.spans for row in rows}

    def spans_of_traces(self, trace_ids: Sequence[bytes]) -> dict[bytes, list[Span]]:
        found: dict[bytes, list[Span]] = {}
        with self._database.read() as connection:
            for ids in _parts(trace_ids):
                for row in _plain_rows(connection, _with_values(self._database.dialect, _SPANS, len(ids), 1), ids):
                    span = span_of(row, row[-1])
                    span.chunk = row[_ORIGINAL_ID]
                    found.setdefault(span.trace_id, []).append(span)
        return found

    def originals_of(self, original_ids: Sequence[int]) -> dict[int, bytes]:
        with self._database.read() as connection:
            return spans.originals(connection, original_ids)

    def complete_summaries(self, items: Sequence[Item], updates: Sequence[SummaryUpdate]) -> int:
        # In the order of their ids: two that write the same traces wait for each other instead of locking each other.
        ordered = sorted(updates, key=lambda update: update.summary.trace_id)

        def job(connection: Connection) -> int:
            ours = remove_claimed(connection, items)
            if ordered and (ours or not items):
                _store(connection, self._database.dialect, ordered)
            return ours

        return self._database.write(job).result()

    def originals_of_batch(self, batch_id: int) -> list[tuple[int, bytes]]:
        with self._database.read() as connection:
            return [(row.id, bytes(row.data)) for row in connection.execute(_ORIGINALS_OF_BATCH, {"id": batch_id})]

    def complete_index(self, texts: Sequence[tuple[Item, Sequence[tuple[int, str]]]]) -> int:
        documents = [(item, search.documents(self._database.dialect, found)) for item, found in texts]

        def job(connection: Connection) -> int:
            ours = [found for item, found in documents if remove_claimed(connection, [item])]
            search.insert_documents(connection, list(chain.from_iterable(ours)))
            return len(ours)

        return self._database.write(job).result()


def _store(connection: Connection, dialect: Dialect, updates: Sequence[SummaryUpdate]) -> None:
    names = {update.summary.project for update in updates} | {call.project for u in updates for call in u.calls}
    projects = {row.name: row.id for row in connection.execute(_PROJECTS, {"names": sorted(names)})}

    def calls_of(some: Iterable[SummaryUpdate]) -> list[_Row]:
        return [call_row(call, projects[call.project]) for update in some for call in update.calls]

    rows = [trace_row(update.summary, projects[update.summary.project]) for update in updates]
    new = {trace_id for (trace_id,) in rows_at_once(connection, dialect, _ADD_TRACE, rows)}
    rows_at_once(connection, dialect, _PUT_CALL, calls_of(u for u in updates if u.summary.trace_id in new))
    known = [row for row in rows if row[0] not in new]
    outdated = _outdated(connection, dialect, [u for u in updates if u.sources and u.summary.trace_id not in new])
    known = [row for row in known if row[0] not in outdated]
    replaced = {trace_id for (trace_id,) in rows_at_once(connection, dialect, _REPLACE_TRACE, known)}
    again = [update for update in updates if update.summary.trace_id in replaced]
    _replace_calls(connection, dialect, sorted(replaced), calls_of(again))
    uncounted = _stored_uncounted(connection, sorted(replaced))
    _set_counted(connection, dialect, uncounted, [u for u in updates if u.summary.trace_id in new | replaced])


def _outdated(connection: Connection, dialect: Dialect, updates: Sequence[SummaryUpdate]) -> set[bytes]:
    """Traces of which a span was replaced since it was read. Their rows are locked, so that none can be until we are
    done: replacing one changes its trace's row."""
    found: set[bytes] = set()
    for update in updates:
        trace_id = update.summary.trace_id
        if dialect == "postgresql":
            connection.execute(_LOCK_TRACE, {"trace_id": trace_id})
        present = sum(
            connection.execute(_COUNT_ORIGINALS, {"ids": ids}).scalar_one() for ids in _parts(sorted(update.sources))
        )
        if present != len(update.sources):
            found.add(trace_id)
    return found


def _replace_calls(connection: Connection, dialect: Dialect, trace_ids: Sequence[bytes], rows: Sequence[_Row]) -> None:
    """Write those that are new or differ, drop those that are no calls any more."""
    stored = {
        (row[0], row[1]): tuple(row) for ids in _parts(trace_ids) for row in connection.execute(_CALLS, {"ids": ids})
    }
    rows_at_once(connection, dialect, _PUT_CALL, [row for row in rows if stored.get(row[:2]) != row])
    gone = stored.keys() - {row[:2] for row in rows}
    if gone:
        connection.execute(_DROP_CALL, [{"trace_id": key[0], "span_id": key[1]} for key in sorted(gone)])


def _stored_uncounted(connection: Connection, trace_ids: Sequence[bytes]) -> dict[_SpanKey, str | None]:
    return {
        (row.trace_id, row.span_id): row.duplicate_of
        for ids in _parts(trace_ids)
        for row in connection.execute(_UNCOUNTED, {"ids": ids})
    }


def _set_counted(
    connection: Connection, dialect: Dialect, stored: dict[_SpanKey, str | None], updates: Sequence[SummaryUpdate]
) -> None:
    wanted: dict[_SpanKey, str | None] = {
        (update.summary.trace_id, span_id): duplicate_of
        for update in updates
        for span_id, duplicate_of in update.uncounted.items()
    }
    changed: list[_Row] = [(*key, True, None) for key in stored.keys() - wanted.keys()]
    changed += [(*key, False, of) for key, of in wanted.items() if key not in stored or stored[key] != of]
    rows_at_once(connection, dialect, _SET_COUNTED, sorted(changed, key=lambda row: row[:2]))


def rows_at_once(connection: Connection, dialect: Dialect, statement: str, rows: Sequence[_Row]) -> list[Any]:
    """Run a statement over multi-row VALUES. Returns what it returns."""
    returned: list[Any] = []
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            result = connection.exec_driver_sql(
                _with_values(dialect, statement, len(part[0]), size), tuple(chain.from_iterable(part))
            )
            if result.returns_rows:
                returned += result.all()
            start += size
    return returned


def _plain_rows(connection: Connection, statement: str, values: Sequence[Any]) -> Iterator[_Row]:
    """The driver's own tuples: SQLAlchemy's rows cost as much again as reading them."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement, tuple(values))
        yield from cursor.fetchall()
    finally:
        cursor.close()


@cache
def _with_values(dialect: Dialect, statement: str, columns: int, rows: int) -> str:
    row = ", ".join(["?" if dialect == "sqlite" else "%s"] * columns)
    return statement.replace("{rows}", ", ".join([f"({row})"] * rows))


def _parts(ids: Iterable[_T]) -> Iterator[list[_T]]:
    every = list(ids)
    return (every[start : start + _IDS] for start in range(0, len(every), _IDS))
