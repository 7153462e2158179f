"""Many rows at once on SQLite: multi-row VALUES of a few fixed sizes, so that every statement is prepared once.

``executemany`` would let go of the interpreter lock and fight for it again at every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from collector.storage.sql.rows import PLAIN_COLUMNS, SPAN_COLUMNS, Row, SpanRows

#: Rows per statement. 32 rows of a span are 1120 variables of the 32766 that SQLite allows.
_SIZES: Final = (32, 8, 1)
_ORIGINAL_COLUMNS: Final = ("id", "batch_id", "trace_id", "data", "via")


def reserve(connection: Connection, originals: int) -> tuple[int, Sequence[int]]:
    """(batch id, original ids) for this transaction, which holds the write lock."""
    batch_id, last = connection.exec_driver_sql(
        "SELECT (SELECT max(id) FROM batches), (SELECT max(id) FROM originals)"
    ).one()
    first = (last or 0) + 1
    return (batch_id or 0) + 1, range(first, first + originals)


def insert_originals(connection: Connection, rows: Sequence[Row]) -> None:
    _insert(connection, "originals", _ORIGINAL_COLUMNS, rows)


def insert_spans(connection: Connection, rows: SpanRows) -> int:
    """How many were new; the others are left as they are."""
    return _insert(connection, "spans", PLAIN_COLUMNS, rows.plain) + _insert(
        connection, "spans", SPAN_COLUMNS, rows.calls
    )


def _insert(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> int:
    cursor = connection.connection.cursor()
    new = 0
    try:
        for start, size in _slices(len(rows)):
            cursor.execute(_statement(table, columns, size), tuple(chain.from_iterable(rows[start : start + size])))
            new += cursor.rowcount
    finally:
        cursor.close()
    return new


def _slices(count: int) -> Iterator[tuple[int, int]]:
    start = 0
    for size in _SIZES:
        while count - start >= size:
            yield start, size
            start += size


@cache
def _statement(table: str, columns: tuple[str, ...], rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(columns))})"] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} ON CONFLICT DO NOTHING"
