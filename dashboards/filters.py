"""What a page shows, read from its address and written back to it. Pure.

A value that makes no sense is left out rather than refused: addresses are shared, cut and edited by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

from collector.filters.parse import MAX_CHARS
from collector.filters.parse import parse as parse_filter
from collector.storage.api import SortKey, TraceQuery, UsageQuery
from dashboards import format as fmt

_MINUTE: Final = 60 * 10**9
#: name in the address -> (length in ns, label)
RANGES: Final[dict[str, tuple[int | None, str]]] = {
    "15m": (15 * _MINUTE, "last 15 min"),
    "1h": (60 * _MINUTE, "last hour"),
    "6h": (360 * _MINUTE, "last 6 h"),
    "24h": (1_440 * _MINUTE, "last 24 h"),
    "7d": (7 * 1_440 * _MINUTE, "last 7 days"),
    "30d": (30 * 1_440 * _MINUTE, "last 30 days"),
    "all": (None, "all time"),
}
DEFAULT_RANGE: Final = "24h"
STATUSES: Final = ("ok", "error", "unset")
SORTS: Final[tuple[str, ...]] = get_args(SortKey)
Grouping = Literal["project", "model", "provider", "user_id", "session_id", "day"]
GROUPINGS: Final[tuple[str, ...]] = get_args(Grouping)
#: Longer ones are cut: no id, and no question, needs more.
_MAX_VALUE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Filters:
    """``from_ns`` and ``to_ns`` are set where the address names moments; they then win over ``range``."""

    project: str | None = None
    range: str = DEFAULT_RANGE
    from_ns: int | None = None
    to_ns: int | None = None
    status: str | None = None
    q: str | None = None
    filter: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    sort: SortKey = "start_time"
    descending: bool = True
    live: bool = False
    by: str = "model"

    def bounds(self, now_ns: int) -> tuple[int | None, int | None]:
        """(from, to) in ns; an end that is open is None."""
        if self.from_ns is not None or self.to_ns is not None:
            return self.from_ns, self.to_ns
        length = RANGES[self.range][0]
        return (None, None) if length is None else (now_ns - length, None)

    def trace_query(self, now_ns: int, *, limit: int, cursor: str | None = None) -> TraceQuery:
        """Raises ``FilterFault``."""
        from_ns, to_ns = self.bounds(now_ns)
        return TraceQuery(
            project=self.project,
            session_id=self.session_id,
            user_id=self.user_id,
            from_ns=from_ns,
            to_ns=to_ns,
            status=self.status,
            q=self.q,
            filter=None if self.filter is None else parse_filter(self.filter, "trace"),
            sort=self.sort,
            descending=self.descending,
            limit=limit,
            cursor=cursor,
        )

    def usage_query(self, now_ns: int, *group_by: str) -> UsageQuery:
        from_ns, to_ns = self.bounds(now_ns)
        return UsageQuery(project=self.project, from_ns=from_ns, to_ns=to_ns, group_by=group_by)

    @property
    def narrowed(self) -> bool:
        """Whether anything but project and time leaves traces out."""
        return any((self.status, self.q, self.filter, self.user_id, self.session_id))

    def query_string(self, **changes: Any) -> str:
        """The address' query, with ``changes``; defaults are left out. Starts with ``?`` unless it is empty."""
        shown = replace(self, **changes)
        absolute = shown.from_ns is not None or shown.to_ns is not None
        pairs = {
            "project": shown.project,
            "range": shown.range if shown.range != DEFAULT_RANGE and not absolute else None,
            "from": fmt.rfc3339(shown.from_ns) if shown.from_ns is not None else None,
            "to": fmt.rfc3339(shown.to_ns) if shown.to_ns is not None else None,
            "status": shown.status,
            "user_id": shown.user_id,
            "session_id": shown.session_id,
            "q": shown.q,
            "filter": shown.filter,
            "sort": shown.sort if shown.sort != "start_time" else None,
            "order": None if shown.descending else "asc",
            "live": "1" if shown.live else None,
            "by": shown.by if shown.by != "model" else None,
        }
        query = urlencode({name: value for name, value in pairs.items() if value is not None})
        return f"?{query}" if query else ""


def parse(params: Mapping[str, str]) -> Filters:
    """From a request's query parameters."""

    def text(name: str, most: int = _MAX_VALUE) -> str | None:
        return params.get(name, "").replace("\0", "").strip()[:most] or None

    def choice(name: str, choices: Any, default: Any) -> Any:
        value = params.get(name)
        return value if value in choices else default

    return Filters(
        project=text("project"),
        range=choice("range", RANGES, DEFAULT_RANGE),
        from_ns=_nanoseconds(params.get("from")),
        to_ns=_nanoseconds(params.get("to")),
        status=choice("status", STATUSES, None),
        q=text("q"),
        filter=text("filter", MAX_CHARS),
        user_id=text("user_id"),
        session_id=text("session_id"),
        sort=choice("sort", SORTS, "start_time"),
        descending=params.get("order") != "asc",
        live=params.get("live") == "1",
        by=choice("by", GROUPINGS, "model"),
    )


def _nanoseconds(text: str | None) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()) * 10**9 + moment.microsecond * 1_000)
