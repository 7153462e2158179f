"""Traces that people are to judge, one after the other: ``/review``.

What is asked for is in the address; traces are reserved and annotations stored by the JSON API (static/js/review.js).
"""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.processors import normalize
from dashboards.review import Shown, shown
from dashboards.site import Site, hex_id

#: Longer values in an address are cut.
_MAX_VALUE: Final = 2_000
_SCALES: Final = {"yesno": "yes or no", "5": "1 to 5"}
_TIMES: Final = {"": "all time", "24h": "last 24 h", "7d": "last 7 days", "30d": "last 30 days"}
_ASKED: Final = ("name", "project", "filter", "from", "to")
#: Traces with more spans are shown by their summary.
_MAX_SPANS: Final = 500


class Review:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [Route("/review", self.page), Route("/review/traces/{trace_id}", self.trace)]

    async def page(self, request: Request) -> Response:
        given = request.query_params
        asked = {name: given.get(name, "").strip()[:_MAX_VALUE] for name in _ASKED}
        scale = given.get("scale", "")
        projects = await self._site.read(self._site.reader.projects)
        return self._site.html(
            request,
            "review.html",
            active="review",
            asked=asked,
            scale=scale if scale in _SCALES else "yesno",
            each=given.get("each") == "1",
            scales=_SCALES,
            times=_TIMES if asked["from"] in _TIMES else _TIMES | {asked["from"]: asked["from"]},
            projects=sorted({project.name for project in projects} | ({asked["project"]} - {""})),
        )

    async def trace(self, request: Request) -> Response:
        """The part of the page that shows one trace."""
        found = await self._site.read(self._shown, hex_id(request, "trace_id", 16))
        if found is None:
            raise HTTPException(404)
        return self._site.html(request, "_review_trace.html", trace=found)

    def _shown(self, trace_id: bytes) -> Shown | None:
        reader = self._site.reader
        summary = reader.get_trace(trace_id)
        if summary is None:
            return None
        spans = reader.get_spans(trace_id) if summary.span_count <= _MAX_SPANS else []
        return shown(summary, spans, normalize.content, reader.annotations_of_trace(trace_id))
