"""One trace: ``/traces/{trace_id}``, its tree, its spans' details and both as JSON."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from collector.api import handlers
from collector.api.problems import Problem
from collector.model import TraceSummary
from collector.processors import normalize
from dashboards import detail, waterfall
from dashboards import format as fmt
from dashboards.annotations import of_span, of_trace
from dashboards.rows import error_line, trace_figures
from dashboards.site import Site, hex_id

#: A trace that got a span within this time may still be growing: its page keeps asking.
LIVE_NS: Final = 60 * 10**9


class TracePage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        trace = "/traces/{trace_id}"
        return [
            Route(trace, self.page),
            Route(f"{trace}/head", self.head),
            Route(f"{trace}/tree.json", self.tree),
            Route(f"{trace}/trace.json", self.trace_json),
            Route(f"{trace}/spans/{{span_id}}.json", self.span_json),
            Route(f"{trace}/spans/{{span_id}}", self.span),
        ]

    async def page(self, request: Request) -> Response:
        summary = await self._summary(request)
        newer, older = await self._site.read(self._site.reader.neighbours, summary.trace_id)
        linked = request.query_params.get("span")
        root = summary.root_span_id.hex() if summary.root_span_id else None
        return self._site.html(
            request,
            "trace.html",
            active="traces",
            newer=newer.hex() if newer else None,
            older=older.hex() if older else None,
            linked=linked is not None,
            chosen=linked if linked and re.fullmatch("[0-9a-f]{16}", linked) else root,
            **await self._head(summary),
        )

    async def head(self, request: Request) -> Response:
        summary = await self._summary(request)
        return self._site.html(request, "_trace_head.html", **await self._head(summary))

    async def tree(self, request: Request) -> Response:
        """The tree as arrays; 304 while the summary is the one that the asking page has."""
        summary = await self._summary(request)
        tag = f'"{_version(summary)}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        body = await self._site.read(self._tree_json, summary)
        return Response(body, media_type="application/json", headers={"etag": tag, "cache-control": "no-cache"})

    async def span(self, request: Request) -> Response:
        summary = await self._summary(request)
        span = await self._site.read(self._site.reader.get_span, summary.trace_id, hex_id(request, "span_id", 8))
        if span is None:
            raise HTTPException(404)
        shown = detail.build(span, normalize.content(span), summary.start_ns)
        found = await self._site.read(self._site.reader.annotations_of_trace, summary.trace_id)
        said = of_span(found, span.span_id, span.span_id == summary.root_span_id)
        return self._site.html(request, "_detail.html", detail=shown, said=said)

    async def trace_json(self, request: Request) -> Response:
        """The whole trace, as ``/api/v1/traces/{trace_id}`` has it."""
        summary = await self._summary(request)
        pieces = handlers.trace_pieces(self._site.reader, summary.trace_id, True)
        return StreamingResponse(pieces, media_type="application/json")

    async def span_json(self, request: Request) -> Response:
        summary = await self._summary(request)
        span_id = hex_id(request, "span_id", 8)
        try:
            body = await self._site.read(handlers.one_span, self._site.reader, summary.trace_id, span_id)
        except Problem:
            raise HTTPException(404) from None
        return Response(body, media_type="application/json")

    async def _summary(self, request: Request) -> TraceSummary:
        trace_id = hex_id(request, "trace_id", 16)
        summary = await self._site.read(self._site.reader.get_trace, trace_id)
        if summary is None:
            raise HTTPException(404)
        return summary

    async def _head(self, summary: TraceSummary) -> dict[str, Any]:
        found = await self._site.read(self._site.reader.annotations_of_trace, summary.trace_id)
        return _head(summary) | {"said": of_trace(found)}

    def _tree_json(self, summary: TraceSummary) -> bytes:
        spans = self._site.reader.get_spans(summary.trace_id, originals=False)
        columns = waterfall.as_columns(waterfall.build(spans))
        return orjson.dumps({**columns, "live": self._is_live(summary)})

    def _is_live(self, summary: TraceSummary) -> bool:
        return summary.stale or self._site.clock() - summary.end_ns < LIVE_NS


def _version(summary: TraceSummary) -> str:
    cost = summary.cost.total if summary.cost else None
    return f"{summary.span_count}-{summary.end_ns}-{summary.error_count}-{cost}-{int(summary.stale)}"


def _head(summary: TraceSummary) -> dict[str, Any]:
    title = fmt.line(summary.input, 600)
    failed = summary.status == "error"
    return {
        "summary": summary,
        "trace_id": summary.trace_id.hex(),
        "title": title or summary.name or "(no name)",
        "named": not title,
        "second": error_line(summary.error) if failed else fmt.line(summary.output, 600),
        "failed": failed,
        "figures": trace_figures(summary),
    }
