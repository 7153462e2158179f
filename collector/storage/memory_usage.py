"""Adding up usage over calls, for the store in memory. Pure."""

from __future__ import annotations

from collector.model import Call, TraceSummary
from collector.storage import totals
from collector.storage.api import UsageQuery, UsageRow
from collector.summarise import sums

Group = tuple[str | None, ...]


def in_range(query: UsageQuery, project: str, start_ns: int) -> bool:
    return (
        query.project in (None, project)
        and (query.from_ns is None or query.from_ns <= start_ns)
        and (query.to_ns is None or start_ns < query.to_ns)
    )


def group_value(name: str, row: Call | TraceSummary) -> str | None:
    if name in ("day", "hour"):
        return (totals.day if name == "day" else totals.hour)(row.start_ns)
    value: str | None = getattr(row, name)
    return value


def usage_row(query: UsageQuery, group: Group, calls: list[Call], traces: int) -> UsageRow:
    return UsageRow(
        group=dict(zip(query.group_by, group, strict=True)),
        traces=traces,
        calls=len(calls),
        errors=sum(call.status == "error" for call in calls),
        usage=sums.total_usage(call.usage for call in calls),
        cost=sums.total_cost(call.cost for call in calls),
        unpriced_calls=sum(call.cost is None or call.cost.total is None for call in calls),
        latency_ns=totals.percentiles(call.duration_ns for call in calls),
        time_to_first_token_ns=totals.percentiles(call.time_to_first_token_ns for call in calls),
    )
