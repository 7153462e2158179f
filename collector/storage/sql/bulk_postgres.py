"""Many rows at once on PostgreSQL: COPY, and an INSERT that tolerates duplicates where COPY met one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from collector.storage.sql.errors import is_duplicate
from collector.storage.sql.rows import CALL_COLUMNS, SPAN_COLUMNS, Row, SpanRows
from collector.storage.sql.tables import metadata

_ORIGINAL_COLUMNS: Final = ("id", "batch_id", "trace_id", "data", "via")
_NO_CALL: Final = (None,) * len(CALL_COLUMNS)
_RESERVE = text(
    "SELECT nextval('batches_id_seq'), array(SELECT nextval('originals_id_seq') FROM generate_series(1, :count))"
)


def reserve(connection: Connection, originals: int) -> tuple[int, Sequence[int]]:
    """(batch id, original ids) that no other collector gets."""
    batch_id, ids = connection.execute(_RESERVE, {"count": originals}).one()
    return batch_id, ids


def insert_originals(connection: Connection, rows: Sequence[Row]) -> None:
    _copy(connection, "originals", _ORIGINAL_COLUMNS, rows)


def insert_spans(connection: Connection, rows: SpanRows) -> int:
    """How many were new; the others are left as they are."""
    # Sorted by their ids, so that collectors that store the same spans wait for each other in the same order.
    every = sorted(chain((row + _NO_CALL for row in rows.plain), rows.calls), key=_ids)
    savepoint = connection.begin_nested()
    try:
        _copy(connection, "spans", SPAN_COLUMNS, every)
    except Exception as error:
        if not is_duplicate(error):
            raise
        savepoint.rollback()
        return _insert_new(connection, every)
    savepoint.commit()
    return len(every)


def _ids(row: Row) -> tuple[bytes, bytes]:
    return row[0], row[1]


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    driver: Any = connection.connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_types(table, columns))
        for row in rows:
            copy.write_row(row)


def _insert_new(connection: Connection, rows: Sequence[Row]) -> int:
    arrays = ", ".join(f"%s::{name}[]" for name in _types("spans", SPAN_COLUMNS))
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO spans ({', '.join(SPAN_COLUMNS)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING",
            [list(column) for column in zip(*rows, strict=True)],
        )
        count: int = cursor.rowcount
        return count


@cache
def _types(table: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = (metadata.tables[table].columns[name].type.compile(dialect) for name in columns)
    return tuple(name.split("(")[0].lower() for name in types)
