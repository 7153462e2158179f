"""The list of traces: ``/traces``, its further rows and the head that sums it up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.filters.faults import FilterFault
from collector.storage.api import BadCursor, ProjectSummary, TooBroad
from dashboards import timeseries
from dashboards.filters import Filters, parse
from dashboards.rows import TraceRow, list_version, stats_figures, trace_row
from dashboards.site import Site

PAGE_ROWS = 50
HISTOGRAM_BARS = 72


@dataclass(frozen=True, slots=True)
class _Rows:
    items: list[TraceRow]
    version: str
    next_cursor: str | None
    #: why there are no rows: what is wrong with the filter
    fault: str | None = None


class TraceList:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            Route("/traces", self.page),
            Route("/traces/rows", self.rows),
            Route("/traces/head", self.head),
        ]

    async def page(self, request: Request) -> Response:
        filters = parse(request.query_params)
        rows = await self._rows(request, filters)
        projects = await self._site.read(self._site.reader.projects)
        latest = _latest(projects, filters) if not rows.items else None
        return self._site.html(
            request, "traces.html", active="traces", filters=filters, rows=rows, projects=projects, latest=latest
        )

    async def rows(self, request: Request) -> Response:
        """One page of rows as a fragment; 304 while it is what the asking page has (``If-None-Match``)."""
        filters = parse(request.query_params)
        rows = await self._rows(request, filters)
        tag = f'"{rows.version}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        response = self._site.html(request, "_rows.html", filters=filters, rows=rows)
        response.headers["etag"] = tag
        return response

    async def head(self, request: Request) -> Response:
        filters = parse(request.query_params)
        try:
            return await self._head(request, filters)
        except (FilterFault, TooBroad):  # the list says it
            return Response(media_type="text/html")

    async def _head(self, request: Request, filters: Filters) -> Response:
        query = filters.trace_query(self._site.clock(), limit=0)
        if query.from_ns is not None and query.to_ns is None:
            query = replace(query, to_ns=self._site.clock())  # the histogram ends now, not with the latest trace
        stats = await self._site.read(self._site.reader.stats, query, HISTOGRAM_BARS)
        bars = timeseries.histogram(stats.buckets)
        edges = (stats.buckets[0].start_ns, stats.buckets[-1].end_ns) if stats.buckets else None
        return self._site.html(
            request,
            "_list_head.html",
            figures=stats_figures(stats),
            bars=bars,
            edges=edges,
            count=len(stats.buckets),
            height=timeseries.HEIGHT,
        )

    async def _rows(self, request: Request, filters: Filters) -> _Rows:
        try:
            return await self._found(request, filters)
        except (FilterFault, TooBroad) as fault:
            return _Rows([], "fault", None, str(fault))

    async def _found(self, request: Request, filters: Filters) -> _Rows:
        query = filters.trace_query(self._site.clock(), limit=PAGE_ROWS, cursor=request.query_params.get("cursor"))
        list_traces = self._site.reader.list_traces
        try:
            page = await self._site.read(list_traces, query)
        except BadCursor:
            # an address that was edited: its filters mean something, its place in the list does not
            page = await self._site.read(list_traces, replace(query, cursor=None))
        rows = [trace_row(summary) for summary in page.items]
        return _Rows(rows, list_version(rows), page.next_cursor)


def _latest(projects: list[ProjectSummary], filters: Filters) -> int | None:
    """Start of the latest trace that a longer time range would show."""
    starts = [p.last_ns for p in projects if p.last_ns is not None and filters.project in (None, p.name)]
    return max(starts, default=None)
