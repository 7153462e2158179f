"""The pages as an ASGI app, mountable alone over any ``Reader``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.storage.api import Reader, StorageError
from collector.storage.datasets_api import DatasetStore
from dashboards.pages.costs import Costs
from dashboards.pages.datasets import Datasets
from dashboards.pages.evaluation import Evaluation, EvaluationPageStore
from dashboards.pages.experiments import Experiments
from dashboards.pages.operations import Operations, OperationsStore
from dashboards.pages.review import Review
from dashboards.pages.trace import TracePage
from dashboards.pages.traces import TraceList
from dashboards.site import Site, is_fragment

#: Nothing is loaded from, or sent to, anywhere else, and no markup that slipped into a page could run.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def build_dashboards(
    reader: Reader,
    *,
    operations: OperationsStore | None = None,
    evaluation: EvaluationPageStore | None = None,
    datasets: DatasetStore | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> ASGIApp:
    """The pages over ``reader``; ``clock`` gives nanoseconds since the epoch. ``/`` leads to the trace list.
    Operations is there with ``operations``, Evaluation with ``evaluation``, Datasets with ``datasets``; what they do
    goes to the collector's API, at the same host."""
    given = {"operations": operations, "evaluation": evaluation, "datasets": datasets}
    site = Site(reader, clock, [name for name, store in given.items() if store is not None])
    pages: list[Page] = [TraceList(site), TracePage(site), Costs(site)]
    if operations is not None:
        pages += [Operations(site, operations), Review(site)]
    if evaluation is not None:
        pages.append(Evaluation(site, evaluation, datasets))
    if datasets is not None:
        pages += [Datasets(site, datasets), Experiments(site, datasets)]
    routes = [Route("/", _home), site.assets.route(), *(route for page in pages for route in page.routes())]
    faults = _Faults(site)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=2_000, compresslevel=4)],
        exception_handlers={HTTPException: faults.refused, StorageError: faults.unavailable, Exception: faults.failed},
    )
    return _SecurityHeaders(app)


class Page(Protocol):
    def routes(self) -> list[Route]: ...


async def _home(request: Request) -> Response:
    return RedirectResponse(request.scope.get("root_path", "") + "/traces")


class _SecurityHeaders:
    """Outermost, so that answers to faults have them too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Faults:
    """What a reader sees when there is nothing to see. Never a traceback."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def refused(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = "Check the address, or look for it in the list." if status == 404 else "That cannot be done here."
        return self._say(request, status, "There is nothing here" if status == 404 else "Not possible", detail)

    async def unavailable(self, request: Request, error: Exception) -> Response:
        return self._say(request, 503, "The store cannot be read now", f"{error} Try again in a moment.")

    async def failed(self, request: Request, error: Exception) -> Response:
        detail = "The collector's log says what. Nothing that was stored is lost."
        return self._say(request, 500, "Something went wrong on this page", detail)

    def _say(self, request: Request, status: int, title: str, detail: str) -> Response:
        template = "_message.html" if is_fragment(request) else "message.html"
        return self._site.html(request, template, status, title=title, detail=detail, active="")
