"""``/runs/query`` and ``/runs/{id}``, in both versions: runs that came by LangSmith's protocol, read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.api.bodies import Bodies
from collector.api.values import encode
from collector.receivers.langsmith import run_reads_json, run_reads_query, v2
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.parameters import Given, json_object, uuid
from collector.receivers.langsmith.run_reads_attachments import AttachmentLinks
from collector.receivers.langsmith.run_reads_fields import Need, RunView
from collector.receivers.langsmith.run_reads_query import Asked
from collector.receivers.langsmith.run_reads_views import RunStores, Views, page_of
from collector.storage import keyset

#: Answers end before they are larger: the rest is on the next page.
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024

Render = Callable[[RunView], dict[str, Any]]


class RunReads:
    def __init__(
        self,
        store: RunStores,
        links: AttachmentLinks,
        bodies: Bodies,
        limiter: anyio.CapacityLimiter,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._links = links
        self._bodies = bodies
        self._limiter = limiter
        self._now_ns = now_ns

    def routes(self) -> list[Route]:
        return [
            Route("/runs/query", self.query, methods=["POST"]),
            Route("/runs/{run_id}", self.get, methods=["GET"]),
            Route("/v2/runs/query", self.query_v2, methods=["POST"]),
            Route("/v2/runs/{run_id}", self.get_v2, methods=["GET"]),
            Route("/v2/runs/{run_id}/url", self.url, methods=["GET"]),
        ]

    async def query(self, request: Request) -> Response:
        async with self._bodies.taken(request) as body:
            asked = run_reads_query.of_v1(json_object(body))
        run_reads_json.check_select(asked.selects)
        needs = run_reads_json.needs(asked.selects)
        runs, cursor = await self._page(
            asked, needs, lambda view: run_reads_json.run(view, asked.selects, self._links.link)
        )
        return _answer(b'{"runs":[', runs, b'],"cursors":' + encode({"next": cursor}) + b"}")

    async def query_v2(self, request: Request) -> Response:
        async with self._bodies.taken(request) as body:
            asked = run_reads_query.of_v2(json_object(body), self._now_ns())
        selects = asked.selects or frozenset({"ID"})
        v2.check_selects(selects)
        link = self._absolute(request)
        runs, cursor = await self._page(
            asked, v2.needs(selects), lambda view: v2.run(view, selects, link, subtree=asked.subtree)
        )
        return _answer(b'{"items":[', runs, b'],"next_cursor":' + encode(cursor) + b"}")

    async def get(self, request: Request) -> Response:
        # What else a client may say (exclude_s3_stored_attributes, session_id ...) chooses among stores there are not.
        view = await self._one(request, {"figures", "feedback"})
        return _answer(b"", [encode(run_reads_json.run(view, None, self._links.link))], b"")

    async def get_v2(self, request: Request) -> Response:
        given = Given(request.query_params.multi_items(), ("project_id", "selects", "start_time"))
        chosen = [name for text in given.texts("selects") for name in text.split(",") if name]
        selects = run_reads_query.selected(chosen, "selects") or frozenset({"ID"})
        v2.check_selects(selects)
        view = await self._one(request, v2.needs(selects))
        if any(project != view.project_id for project in given.uuids("project_id")):
            raise _not_found(view.run.run_id)
        return _answer(b"", [encode(v2.run(view, selects, self._absolute(request), subtree=False))], b"")

    async def url(self, request: Request) -> Response:
        """Of the run's page."""
        Given(request.query_params.multi_items(), ("project_id", "trace_id", "start_time"))
        view = await self._one(request, set())
        return _answer(b"", [encode({"url": _address(request) + run_reads_json.page_path(view.run)})], b"")

    async def _page(self, asked: Asked, needs: set[Need], render: Render) -> tuple[list[bytes], str | None]:
        return await anyio.to_thread.run_sync(self._rendered, asked, needs, render, limiter=self._limiter)

    def _rendered(self, asked: Asked, needs: set[Need], render: Render) -> tuple[list[bytes], str | None]:
        """Of one page, the runs as JSON, and the cursor of the next one."""
        views = Views(self._store, needs)
        rendered: list[bytes] = []
        size = 0
        for view, more in page_of(self._store, views, asked):
            rendered.append(encode(render(view)))
            size += len(rendered[-1])
            full = len(rendered) == asked.query.limit or size > MAX_ANSWER_BYTES
            if full:
                return rendered, keyset.encode(asked.mark, view.run.start_ns, view.run.run_id) if more else None
        return rendered, None

    async def _one(self, request: Request, needs: set[Need]) -> RunView:
        run_id = uuid(request.path_params["run_id"], "run_id")

        def read() -> RunView | None:
            found = self._store.get_runs([run_id])
            return Views(self._store, needs).of(list(found.values()))[0] if found else None

        view = await anyio.to_thread.run_sync(read, limiter=self._limiter)
        if view is None:
            raise _not_found(run_id)
        return view

    def _absolute(self, request: Request) -> run_reads_json.LinkOf:
        """Links with the address that the client called: version 2 puts none before them."""
        base = f"{_address(request)}/langsmith"
        return lambda run_id, name: base + self._links.link(run_id, name)


def _address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _not_found(run_id: bytes) -> Fault:
    return Fault(404, f"Run {UUID(bytes=run_id)} not found")


def _answer(head: bytes, pieces: Sequence[bytes], tail: bytes) -> Response:
    return Response(head + b",".join(pieces) + tail, media_type="application/json")
