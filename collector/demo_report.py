"""What a demonstration stored, read back through the JSON API, and how it is shown."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Column, Table

from collector.demo_processes import DemoError, until


@dataclass(slots=True)
class UserUsage:
    """``cost`` in USD as a decimal string, None where nothing had a price."""

    user_id: str | None
    traces: int
    calls: int
    errors: int
    tokens: int
    cost: str | None


@dataclass(slots=True)
class Report:
    traces: int
    spans: int
    errors: int
    tokens: int
    cost: str | None
    projects: list[str]
    by_user: list[UserUsage]


def settled(base_url: str, since: str, spans: int, timeout_s: float = 60.0) -> Report:
    """What has been stored since ``since`` (RFC 3339), as soon as ``spans`` spans are there and summarised.

    Raises DemoError where that does not come about within ``timeout_s``.
    """
    seen = 0
    for _ in until(time.monotonic() + timeout_s):
        traces = list_traces(base_url, since)
        seen = sum(trace["span_count"] for trace in traces)
        if seen >= spans and not any(trace["stale"] for trace in traces):
            return report(base_url, since, traces)
    raise DemoError(f"of {spans} spans that were sent, {seen} are stored and summarised after {timeout_s:.0f} s")


def list_traces(base_url: str, since: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"from": since, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = get(base_url, "/api/v1/traces", query)
        found += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def report(base_url: str, since: str, traces: list[dict[str, Any]]) -> Report:
    whole = get(base_url, "/api/v1/usage", {"from": since})["items"]
    users = get(base_url, "/api/v1/usage", {"from": since, "group_by": "user_id"})["items"]
    return Report(
        traces=len(traces),
        spans=sum(trace["span_count"] for trace in traces),
        errors=sum(trace["status"] == "error" for trace in traces),
        tokens=whole[0]["usage"]["total_tokens"] or 0 if whole else 0,
        cost=whole[0]["cost"]["total"] if whole else None,
        projects=sorted({trace["project"] for trace in traces}),
        by_user=[
            UserUsage(
                item["user_id"],
                item["traces"],
                item["calls"],
                item["errors"],
                item["usage"]["total_tokens"] or 0,
                item["cost"]["total"],
            )
            for item in users
        ],
    )


def get(base_url: str, path: str, query: dict[str, str]) -> dict[str, Any]:
    """One answer of the API. Raises DemoError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{base_url}{path}?{urlencode(query)}", timeout=10) as response:
            value: dict[str, Any] = json.load(response)
            return value
    except (OSError, ValueError) as error:
        raise DemoError(f"the collector does not answer at {base_url}{path}: {error}") from None


def as_json(found: Report, more: dict[str, Any]) -> str:
    return json.dumps(asdict(found) | more)


def show(console: Console, found: Report) -> None:
    """Totals in a line, then a table of users."""
    console.print(
        f"Stored [bold]{found.traces}[/] traces with [bold]{found.spans}[/] spans"
        f" ({found.errors} with errors, on purpose): [bold]{found.tokens:,}[/] tokens, [bold]{dollars(found.cost)}[/]"
    )
    table = Table("user", *(column(name) for name in ("traces", "calls", "errors", "tokens", "cost")), box=None)
    for row in found.by_user:
        name = row.user_id or "(no user)"
        table.add_row(name, str(row.traces), str(row.calls), str(row.errors), f"{row.tokens:,}", dollars(row.cost))
    console.print(table)


def column(name: str) -> Column:
    return Column(name, justify="right")


def dollars(amount: str | None) -> str:
    """Six digits after the point: a call of a small model costs a fraction of a cent."""
    return "unpriced" if amount is None else f"${Decimal(amount):.6f}"
