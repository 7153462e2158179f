"""The head of a trace list: totals and buckets over everything that matches, in one pass over an index."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from collector.storage import totals
from collector.storage.api import StatsBucket, TraceQuery, TraceStats
from collector.storage.sql import filters
from collector.storage.sql.aggregates import SumOf, known, summed
from collector.summarise import sums

#: SQLite sorts to group; a subquery per bucket walks the index once instead.
_PER_BUCKET: Final = {
    "sqlite": "WITH RECURSIVE bucket (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM bucket WHERE n + 1 < :buckets) "
    "SELECT n, (SELECT {aggregates} FROM traces t WHERE {conditions} AND t.start_ns >= :low + n * :width "
    "AND t.start_ns < min(:high, :low + (n + 1) * :width)) FROM bucket",
    "postgresql": "SELECT (t.start_ns - :low) / :width, {aggregates} FROM traces t WHERE {conditions} "
    "AND t.start_ns >= :low AND t.start_ns < :high GROUP BY 1",
}
_ALL: Final = "SELECT 0, {aggregates} FROM traces t WHERE {conditions}"
_ARRAY: Final = {
    "sqlite": "json_array({}, json_group_array(t.duration_ns))",
    "postgresql": "CAST(json_build_array({}, json_agg(t.duration_ns)) AS TEXT)",
}


def stats(connection: Connection, query: TraceQuery, buckets: int) -> TraceStats:
    where = filters.but_range(connection, query)
    low, high = _range(connection, query, where)
    edges = totals.bucket_edges(low, high, buckets)
    groups = {} if where.nothing else _groups(connection, where, edges, low, high)
    durations = sorted(duration for group in groups.values() for duration in group[5] or ())
    return TraceStats(
        traces=sum(group[0] for group in groups.values()),
        errors=sum(group[1] for group in groups.values()),
        p50_ns=totals.nearest_rank(durations, 50),
        p99_ns=totals.nearest_rank(durations, 99),
        unpriced_calls=sum(group[2] or 0 for group in groups.values()),
        tokens=sums.add(known(group[3]) for group in groups.values()),
        cost=sums.add(known(group[4]) for group in groups.values()),
        buckets=[StatsBucket(*edge, *(groups[n][:2] if n in groups else (0, 0))) for n, edge in enumerate(edges)],
    )


def _range(connection: Connection, query: TraceQuery, where: filters.Where) -> tuple[int | None, int | None]:
    """The range asked for, and where it is open that of the traces found."""
    low, high = (None if end is None else filters.bounded(end) for end in (query.from_ns, query.to_ns))
    if where.nothing or (low is not None and high is not None):
        return low, high
    ranged = filters.where(connection, query)
    # Two subqueries: SQLite finds one extreme at an end of the index, but not two at once.
    found = f"FROM traces t {ranged.clause()}"
    statement = text(f"SELECT (SELECT min(t.start_ns) {found}), (SELECT max(t.start_ns) {found})")
    first, last = connection.execute(statement, ranged.values).one()
    return first if low is None else low, (None if last is None else last + 1) if high is None else high


def _groups(
    connection: Connection, where: filters.Where, edges: list[tuple[int, int]], low: int | None, high: int | None
) -> dict[int, list[Any]]:
    """Bucket -> traces, errors, unpriced calls, tokens, cost, durations; one group where there are no buckets."""
    dialect = connection.dialect.name
    if edges:
        template = _PER_BUCKET[dialect]
        where.values |= {"low": low, "high": high, "width": edges[0][1] - edges[0][0], "buckets": len(edges)}
    else:
        template = _ALL
        filters.add_range(where, "t.start_ns", low, high)
    conditions = " AND ".join(where.conditions) or "1 = 1"

    def statement(sum_of: SumOf) -> str:
        parts = ["count(*)", "count(CASE WHEN t.status = 2 THEN 1 END)"]
        parts += [sum_of(f"t.{column}") for column in ("unpriced_calls", "total_tokens", "cost_total")]
        return template.format(aggregates=_ARRAY[dialect].format(", ".join(parts)), conditions=conditions)

    return {int(row[0]): orjson.loads(row[1]) for row in summed(connection, statement, where.values)}
