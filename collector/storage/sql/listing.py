"""Reading trace summaries: keyset pages, one trace, its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, bindparam, text

from collector.model import Cost, ErrorInfo, TraceSummary
from collector.storage import cursor
from collector.storage.api import SortKey, TracePage, TraceQuery
from collector.storage.sql import filters, spans
from collector.storage.sql.rows import COST_STATUSES, STATUSES, usage_of_json

#: Unknown sorts below everything.
_SORT: Final[dict[SortKey, str]] = {
    "start_time": "t.start_ns",
    "duration": "t.duration_ns",
    "cost": "coalesce(t.cost_total, -1)",
    "tokens": "coalesce(t.total_tokens, -1)",
}
_SUMMARIES = text(
    "SELECT t.*, p.name AS project FROM traces t JOIN projects p ON p.id = t.project_id WHERE t.trace_id IN :ids"
).bindparams(bindparam("ids", expanding=True))


def page(connection: Connection, query: TraceQuery) -> TracePage:
    """Finds the keys of the page first, in an index, and only then reads the rows."""
    after = cursor.decode(query)
    where = filters.where(connection, query)
    if where.nothing or query.limit < 1:
        return TracePage([], None)
    value, (compare, order) = _SORT[query.sort], ("<", "DESC") if query.descending else (">", "ASC")
    if after is not None:
        where.add(f"({value}, t.trace_id) {compare} (:after, :after_id)", after=after[0], after_id=after[1])
    keys = connection.execute(
        text(
            f"SELECT {value}, t.trace_id FROM traces t {where.clause()} "
            f"ORDER BY {value} {order}, t.trace_id {order} LIMIT :limit"
        ),
        {**where.values, "limit": query.limit + 1},
    ).all()
    shown = [trace_id for _, trace_id in keys[: query.limit]]
    found = summaries(connection, shown)
    more = len(keys) > query.limit
    return TracePage(
        [found[trace_id] for trace_id in shown], cursor.encode(query, *keys[len(shown) - 1]) if more else None
    )


def summaries(connection: Connection, trace_ids: Sequence[bytes]) -> dict[bytes, TraceSummary]:
    """Those of the traces that have been summarised."""
    if not trace_ids:
        return {}
    stored = spans.counts(connection, trace_ids)
    rows = connection.execute(_SUMMARIES, {"ids": list(trace_ids)})
    return {row.trace_id: _summary(row, stored.get(row.trace_id, 0)) for row in rows}


def neighbours(connection: Connection, trace_id: bytes) -> tuple[bytes | None, bytes | None]:
    here = connection.execute(
        text("SELECT project_id, start_ns, trace_id FROM traces WHERE trace_id = :id"), {"id": trace_id}
    ).first()
    if here is None:
        return None, None
    return _beside(connection, here, ">", "ASC"), _beside(connection, here, "<", "DESC")


def _beside(connection: Connection, here: Row[Any], compare: str, order: str) -> bytes | None:
    found: bytes | None = connection.execute(
        text(
            f"SELECT trace_id FROM traces WHERE project_id = :project_id AND (start_ns, trace_id) {compare} "
            f"(:start_ns, :trace_id) ORDER BY start_ns {order}, trace_id {order} LIMIT 1"
        ),
        dict(here._mapping),
    ).scalar()
    return found


def _summary(row: Row[Any], stored_spans: int) -> TraceSummary:
    return TraceSummary(
        trace_id=row.trace_id,
        project=row.project,
        name=row.name,
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        status=STATUSES[row.status],
        span_count=row.span_count,
        error_count=row.error_count,
        root_span_id=row.root_span_id,
        session_id=row.session_id,
        user_id=row.user_id,
        tags=_parsed(row.tags) or [],
        metadata=_parsed(row.metadata) or {},
        input=_parsed(row.input),
        output=_parsed(row.output),
        error=None if row.error_type is row.error_message is None else ErrorInfo(row.error_type, row.error_message),
        usage=usage_of_json(row.usage),
        cost=_cost(row),
        llm_calls=row.llm_calls,
        unpriced_calls=row.unpriced_calls,
        time_to_first_token_ns=row.ttft_ns,
        stale=stored_spans != row.span_count,
    )


def _cost(row: Row[Any]) -> Cost | None:
    if row.cost_status is None:
        return None
    status = COST_STATUSES[row.cost_status]
    return Cost(status, row.cost_total, row.cost_input, row.cost_output, reported_total=row.cost_reported)


def _parsed(json: str | None) -> Any:
    return None if json is None else orjson.loads(json)
