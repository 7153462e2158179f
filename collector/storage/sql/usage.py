"""Usage, cost and latency of counted calls by group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from collector.model import Cost, CostStatus, Usage
from collector.storage import totals
from collector.storage.api import UsageQuery, UsageRow
from collector.storage.sql import filters
from collector.storage.sql.aggregates import VALUES, SumOf, known, summed
from collector.summarise import sums

_Key = tuple[str | None, ...]
_SUMS: Final = (*sums.USAGE_COUNTS, "cost_total", "cost_input", "cost_output", "cost_reported")


@dataclass(frozen=True, slots=True)
class _Dimension:
    """One name of ``group_by``: what SQL groups by, and how that becomes the group's value."""

    columns: tuple[str, ...]
    value: Callable[..., str | None]
    of_calls_only: bool = False
    joins_trace: bool = False


def usage(connection: Connection, query: UsageQuery) -> list[UsageRow]:
    dimensions = [_dimension(name) for name in query.group_by]
    groups: dict[_Key, _Totals] = {}
    where = filters.Where()
    if query.project is not None:
        filters.add_project(connection, where, query.project, column="r.project_id")
    if where.nothing:
        return []
    filters.add_range(where, "r.start_ns", query.from_ns, query.to_ns)
    for key, row in _rows(connection, dimensions, _call_sums(connection.dialect.name), "calls", where):
        groups.setdefault(key, _Totals()).add_calls(row)
    if not any(dimension.of_calls_only for dimension in dimensions):
        where.add("NOT EXISTS (SELECT 1 FROM calls c WHERE c.trace_id = r.trace_id)")
        for key, row in _rows(connection, dimensions, _count, "traces", where):
            groups.setdefault(key, _Totals()).traces += row[0]
    return sorted((found.row(query.group_by, key) for key, found in groups.items()), key=totals.usage_order)


def _rows(
    connection: Connection,
    dimensions: Sequence[_Dimension],
    aggregates: Callable[[SumOf], str],
    table: str,
    where: filters.Where,
) -> Iterable[tuple[_Key, Sequence[Any]]]:
    """(group, sums) from SQL. Several rows may belong to one group: they add up."""
    columns = [column for dimension in dimensions for column in dimension.columns]
    join = " JOIN traces t ON t.trace_id = r.trace_id" if any(d.joins_trace for d in dimensions) else ""
    grouping = f" GROUP BY {', '.join(str(i + 1) for i in range(len(columns)))}" if columns else " HAVING count(*) > 0"
    names = _project_names(connection) if any("r.project_id" in d.columns for d in dimensions) else {}

    def statement(sum_of: SumOf) -> str:
        return f"SELECT {', '.join([*columns, aggregates(sum_of)])} FROM {table} r{join} {where.clause()}{grouping}"

    for row in summed(connection, statement, where.values):
        rest = iter(row)
        key = tuple(d.value(names, *(next(rest) for _ in d.columns)) for d in dimensions)
        yield key, row[len(columns) :]


def _count(_: SumOf) -> str:
    return "count(*)"


def _call_sums(dialect: str) -> Callable[[SumOf], str]:
    return lambda sum_of: ", ".join(
        (
            "count(DISTINCT r.trace_id)",
            "count(*)",
            "count(CASE WHEN r.status = 2 THEN 1 END)",
            "count(CASE WHEN r.estimated THEN 1 END)",
            "count(r.cost_total)",
            "count(CASE WHEN r.cost_status = 1 THEN r.cost_total END)",
            *(VALUES[dialect].format(f"r.{column}") for column in ("duration_ns", "ttft_ns")),
            *(sum_of(f"r.{column}") for column in _SUMS),
        )
    )


@dataclass(slots=True)
class _Totals:
    traces: int = 0
    calls: int = 0
    errors: int = 0
    estimated: int = 0
    priced: int = 0
    computed: int = 0
    latencies: list[int] = field(default_factory=list)
    first_tokens: list[int] = field(default_factory=list)
    sums: dict[str, int | None] = field(default_factory=dict)

    def add_calls(self, row: Sequence[Any]) -> None:
        self.traces += row[0]
        self.calls += row[1]
        self.errors += row[2]
        self.estimated += row[3]
        self.priced += row[4]
        self.computed += row[5]
        self.latencies += orjson.loads(row[6] or "[]")
        self.first_tokens += orjson.loads(row[7] or "[]")
        for name, value in zip(_SUMS, row[8:], strict=True):
            self.sums[name] = sums.add((self.sums.get(name), known(value)))

    def row(self, names: Sequence[str], key: _Key) -> UsageRow:
        get = self.sums.get
        statuses: set[CostStatus] = {"computed"} if self.computed else {"reported"} if self.priced else set()
        return UsageRow(
            group=dict(zip(names, key, strict=True)),
            traces=self.traces,
            calls=self.calls,
            errors=self.errors,
            usage=Usage(**{name: get(name) for name in sums.USAGE_COUNTS}, estimated=self.estimated > 0),
            cost=Cost(
                sums.sum_status(statuses),
                get("cost_total"),
                get("cost_input"),
                get("cost_output"),
                reported_total=get("cost_reported"),
            ),
            unpriced_calls=self.calls - self.priced,
            latency_ns=totals.percentiles(self.latencies),
            time_to_first_token_ns=totals.percentiles(self.first_tokens),
        )


def _dimension(name: str) -> _Dimension:
    if name.startswith("tag:"):
        tag = name.removeprefix("tag:")
        return _Dimension(
            ("t.tags", "t.metadata"), lambda _, tags, metadata: _tag(tag, tags, metadata), joins_trace=True
        )
    return _DIMENSIONS[name]


def _tag(name: str, tags: str | None, metadata: str | None) -> str | None:
    return totals.tag_value(name, orjson.loads(tags or "[]"), orjson.loads(metadata or "{}"))


def _project_names(connection: Connection) -> dict[int, str]:
    return {row.id: row.name for row in connection.execute(text("SELECT id, name FROM projects"))}


def _same(_: object, value: str | None) -> str | None:
    return value


_DIMENSIONS: Final = {
    "user_id": _Dimension(("r.user_id",), _same),
    "session_id": _Dimension(("r.session_id",), _same),
    "project": _Dimension(("r.project_id",), lambda names, number: names[number]),
    "model": _Dimension(("r.model",), _same, of_calls_only=True),
    "provider": _Dimension(("r.provider",), _same, of_calls_only=True),
    "day": _Dimension((f"r.start_ns / {totals.DAY_NS}",), lambda _, number: totals.day(number * totals.DAY_NS)),
    "hour": _Dimension((f"r.start_ns / {totals.HOUR_NS}",), lambda _, number: totals.hour(number * totals.HOUR_NS)),
}
