"""Reading spans and originals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from collector.model import Span
from collector.storage.sql.rows import SPAN_COLUMNS, span_of

#: Ids per statement: engines bound the number of values.
_IDS: Final = 5_000
_ORIGINAL_ID: Final = SPAN_COLUMNS.index("original_id")

_SELECT = (
    f"SELECT {', '.join(f's.{name}' for name in SPAN_COLUMNS)}, p.name "
    "FROM spans s JOIN projects p ON p.id = s.project_id"
)
_OF_TRACES = text(f"{_SELECT} WHERE s.trace_id IN :ids ORDER BY s.trace_id, s.start_ns, s.span_id").bindparams(
    bindparam("ids", expanding=True)
)
_ONE = text(f"{_SELECT} WHERE s.trace_id = :trace_id AND s.span_id = :span_id")
_COUNTS = text("SELECT trace_id, count(*) FROM spans WHERE trace_id IN :ids GROUP BY trace_id").bindparams(
    bindparam("ids", expanding=True)
)
_ORIGINALS = text("SELECT id, data FROM originals WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))


def of_traces(connection: Connection, trace_ids: Sequence[bytes]) -> Iterator[tuple[Span, int]]:
    """(span with facts, original id) by trace, then (start, span id)."""
    for ids in _parts(trace_ids):
        for row in connection.execute(_OF_TRACES, {"ids": ids}):
            yield span_of(row, row[-1]), row[_ORIGINAL_ID]


def one(connection: Connection, trace_id: bytes, span_id: bytes) -> tuple[Span, int] | None:
    row = connection.execute(_ONE, {"trace_id": trace_id, "span_id": span_id}).first()
    return None if row is None else (span_of(row, row[-1]), row[_ORIGINAL_ID])


def counts(connection: Connection, trace_ids: Sequence[bytes]) -> dict[bytes, int]:
    """Stored spans per trace; a trace without any is left out."""
    return {trace_id: n for ids in _parts(trace_ids) for trace_id, n in connection.execute(_COUNTS, {"ids": ids})}


def originals(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    """Compressed OTLP TracesData by original id."""
    return {
        number: bytes(data) for part in _parts(ids) for number, data in connection.execute(_ORIGINALS, {"ids": part})
    }


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _IDS] for start in range(0, len(values), _IDS))
