"""Percentiles of calls, and naming the groups they fall into. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from collector.storage.api import UsageRow

PERCENTILES = (50, 90, 99)
HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS


def nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least ``percent`` % of the sorted values do not exceed."""
    return ordered[rank(len(ordered), percent) - 1] if ordered else None


def rank(count: int, percent: int) -> int:
    return max(1, -(-count * percent // 100))


def percentiles(values: Iterable[int | None]) -> dict[str, int | None]:
    ordered = sorted(value for value in values if value is not None)
    return {f"p{percent}": nearest_rank(ordered, percent) for percent in PERCENTILES}


def tag_value(name: str, tags: Sequence[str], metadata: dict[str, Any]) -> str | None:
    """What ``tag:NAME`` groups a trace by: its metadata value NAME, else the rest of a tag ``NAME:`` or ``NAME=``."""
    value = metadata.get(name)
    if value is not None:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    return next((tag[len(name) + 1 :] for tag in tags if tag.startswith((f"{name}:", f"{name}="))), None)


def day(time_ns: int) -> str:
    return _instant(time_ns // DAY_NS * DAY_NS)


def hour(time_ns: int) -> str:
    return _instant(time_ns // HOUR_NS * HOUR_NS)


def _instant(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def usage_order(row: UsageRow) -> tuple[int, list[str]]:
    """Largest cost first, what has none last, then by the names of the groups."""
    return (-1 if row.cost.total is None else row.cost.total) * -1, [value or "" for value in row.group.values()]


def bucket_edges(low: int | None, high: int | None, count: int) -> list[tuple[int, int]]:
    """``count`` (start, end) of equal width over the range; the last one may reach beyond it."""
    if count < 1 or low is None or high is None or high <= low:
        return []
    width = -(-(high - low) // count)
    return [(low + width * i, low + width * (i + 1)) for i in range(count)]
