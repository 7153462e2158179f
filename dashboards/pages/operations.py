"""Where spans are sent on to: ``/operations``, and ``/operations/NAME`` for one destination.

Both are refreshed by asking for their live part; what is done from them goes to the JSON API (static/js/operations.js).
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.destinations import Destination
from collector.forwarding.credentials import NoSecret, resolved
from collector.queue.api import INDEX, SUMMARISE, Queue
from collector.storage.forward_api import DestinationStore, Status
from dashboards import operations as view
from dashboards.destination_settings import settings
from dashboards.site import Site
from tracekit.redaction import PATTERNS

#: More buried items than this are counted, not listed.
MAX_BURIED: Final = 100
_WORK: Final = ((SUMMARISE, "Trace summaries"), (INDEX, "Full-text index"))
_MAX_WORK_ITEMS: Final = 20


class OperationsStore(DestinationStore, Protocol):
    """What this page reads besides what every page does."""

    @property
    def queue(self) -> Queue: ...


class Operations:
    def __init__(self, site: Site, store: OperationsStore) -> None:
        self._site = site
        self._store = store

    def routes(self) -> list[Route]:
        return [Route("/operations", self.all), Route("/operations/{name}", self.one)]

    async def all(self, request: Request) -> Response:
        shown = await self._site.read(self._all)
        template = "_destinations.html" if _is_live(request) else "operations.html"
        return self._site.html(request, template, active="operations", patterns=PATTERNS, **shown)

    async def one(self, request: Request) -> Response:
        shown = await self._site.read(self._one, request.path_params["name"])
        if shown is None:
            raise HTTPException(404)
        template = "_destination.html" if _is_live(request) else "operation.html"
        return self._site.html(request, template, active="operations", **shown)

    def _statuses(self) -> list[Status]:
        return self._store.destination_statuses(now_ns=self._site.clock())

    def _all(self) -> dict[str, Any]:
        statuses = self._statuses()
        rows = [view.row(status, self._fault(status)) for status in statuses]
        return {"rows": rows, "figures": view.figures(statuses), "work": [self._work(*one) for one in _WORK]}

    def _work(self, consumer: str, label: str) -> view.Work:
        stats = self._store.queue.stats(consumer, now_ns=self._site.clock())
        items = self._store.queue.buried(consumer, limit=_MAX_WORK_ITEMS) if stats.buried else []
        return view.work(consumer, label, stats, items)

    def _one(self, name: str) -> dict[str, Any] | None:
        status = next((one for one in self._statuses() if one.destination.name == name), None)
        if status is None:
            return None
        destination, queue = status.destination, self._store.queue
        consumers = (destination.consumer, destination.verifier)
        found = [one for consumer in consumers for one in queue.buried(consumer, limit=MAX_BURIED)]
        items = sorted(found, key=lambda one: one.id, reverse=True)
        return {
            "row": view.row(status, self._fault(status)),
            "figures": view.tallies(status),
            "settings": settings(destination),
            "configured": destination.source == "config",
            "created_ns": destination.created_ns,
            "buried": [view.buried(item) for item in items[:MAX_BURIED]],
            "cut": len(items) >= MAX_BURIED,
            "remove_question": view.remove_question(status),
        }

    def _fault(self, status: Status) -> str | None:
        """Why the destination cannot be used. One that works now is not asked about."""
        destination = status.destination
        if destination.peer is not None and destination.peer == self._store.collector_id:
            return "it leads back to this collector"
        if status.last_error is None or (status.last_sent_ns or 0) > (status.last_error_ns or 0):
            return None
        return fault_of(destination)


def fault_of(destination: Destination) -> str | None:
    """What stands in the way before anything is sent: a secret that is not there, a library that is missing."""
    try:
        resolved(destination, os.environ)
        importlib.import_module(f"collector.exporters.{destination.kind}")
    except NoSecret as fault:
        return str(fault)
    except ModuleNotFoundError as error:
        return f"needs {error.name}: install tracekit-llm[{destination.kind}] where the collector runs"
    return None


def _is_live(request: Request) -> bool:
    # an address of its own: a browser that goes back must not take the part for the page
    return request.query_params.get("part") == "live"
