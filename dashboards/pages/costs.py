"""What was spent: ``/costs``, by model, user, project, session, provider or day, and over time."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collector.storage.api import UsageRow
from dashboards import format as fmt
from dashboards import timeseries
from dashboards.filters import GROUPINGS, Filters, parse
from dashboards.rows import Figure
from dashboards.site import Site

#: More groups than this are added up in the last line.
MAX_ROWS = 200
_LABELS = {
    "project": "Project",
    "model": "Model",
    "provider": "Provider",
    "user_id": "User",
    "session_id": "Session",
    "day": "Day",
}


@dataclass(frozen=True, slots=True)
class CostRow:
    """``query`` leads to the traces of the group, where filters can say so. ``share`` of all cost, 0 to 100."""

    name: str | None
    query: str | None
    cost: str
    share: float
    calls: str
    unpriced: str
    input: str
    output: str
    errors: str
    p50: str
    p99: str


class Costs:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [Route("/costs", self.page), Route("/costs/plot.json", self.plot)]

    async def page(self, request: Request) -> Response:
        filters = parse(request.query_params)
        query = filters.usage_query(self._site.clock(), filters.by)
        groups = await self._site.read(self._site.reader.usage, query)
        if filters.by == "day":
            groups.sort(key=lambda row: row.group["day"] or "", reverse=True)
        projects = await self._site.read(self._site.reader.projects)
        total = sum(row.cost.total or 0 for row in groups)
        return self._site.html(
            request,
            "costs.html",
            active="costs",
            filters=filters,
            projects=projects,
            figures=_figures(groups),
            rows=[_row(row, filters, total) for row in groups[:MAX_ROWS]],
            more=max(0, len(groups) - MAX_ROWS),
            groupings=[(name, _LABELS[name]) for name in GROUPINGS],
            label=_LABELS[filters.by],
        )

    async def plot(self, request: Request) -> Response:
        filters = parse(request.query_params)
        now = self._site.clock()
        from_ns, to_ns = filters.bounds(now)
        if from_ns is None:
            projects = await self._site.read(self._site.reader.projects)
            from_ns = min((p.first_ns for p in projects if p.first_ns is not None), default=now)
        to_ns = now if to_ns is None else to_ns
        step = timeseries.step_of(from_ns, to_ns)
        rows = await self._site.read(self._site.reader.usage, filters.usage_query(now, step, "model"))
        return JSONResponse(timeseries.costs_over_time(rows, step, from_ns, to_ns))


def _figures(rows: list[UsageRow]) -> list[Figure]:
    calls, unpriced = sum(row.calls for row in rows), sum(row.unpriced_calls for row in rows)
    costs = [row.cost.total for row in rows if row.cost.total is not None]
    tokens = [row.usage.total_tokens for row in rows if row.usage.total_tokens is not None]
    errors = sum(row.errors for row in rows)
    figures = [Figure(fmt.money(sum(costs)) if costs else fmt.UNKNOWN, "spent")]
    figures.append(Figure(fmt.count(calls), "call" if calls == 1 else "calls"))
    if tokens:
        figures.append(Figure(fmt.compact(sum(tokens)), "tokens", fmt.count(sum(tokens))))
    if errors:
        figures.append(Figure(fmt.count(errors), "failed", "Calls that ended in an error", "error"))
    if unpriced:
        figures.append(
            Figure(fmt.count(unpriced), "unpriced", "Calls without a known price: they are in no sum", "amber")
        )
    return figures


def _row(row: UsageRow, filters: Filters, total: int) -> CostRow:
    name = row.group[filters.by]
    return CostRow(
        name=fmt.day_of(name) if filters.by == "day" else name,
        query=_traces_query(filters, name),
        cost=fmt.cost(row.cost, row.calls, row.unpriced_calls),
        share=round((row.cost.total or 0) / total * 100, 2) if total else 0.0,
        calls=fmt.count(row.calls),
        unpriced=fmt.count(row.unpriced_calls) if row.unpriced_calls else "",
        input=fmt.compact(row.usage.input_tokens),
        output=fmt.compact(row.usage.output_tokens),
        errors=fmt.count(row.errors) if row.errors else "",
        p50=fmt.duration(row.latency_ns.get("p50")),
        p99=fmt.duration(row.latency_ns.get("p99")),
    )


def _traces_query(filters: Filters, name: str | None) -> str | None:
    if name is None or filters.by not in ("user_id", "session_id", "project"):
        return None
    return filters.query_string(by="model", **{filters.by: name})
