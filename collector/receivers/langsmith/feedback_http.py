"""``/feedback``: written, listed, read, changed and deleted; kept as annotations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.annotations import ANNOTATOR_KINDS
from collector.api.bodies import Bodies
from collector.receivers.langsmith import parameters
from collector.receivers.langsmith.faults import Fault, json
from collector.receivers.langsmith.feedback import (
    KINDS,
    FeedbackFault,
    changes_of,
    feedback_annotation,
    unknown_changes,
)
from collector.receivers.langsmith.feedback_json import feedback
from collector.storage.annotations_api import AnnotationQuery, AnnotationStore

T = TypeVar("T")

MAX_LIMIT: Final = 1_000
_DEFAULT_LIMIT: Final = 100


class FeedbackPages:
    def __init__(self, store: AnnotationStore, bodies: Bodies, limiter: anyio.CapacityLimiter) -> None:
        self._store = store
        self._bodies = bodies
        self._limiter = limiter

    def routes(self) -> list[Route]:
        return [
            Route("/feedback", self.all, methods=["GET", "POST"]),
            Route("/feedback/{feedback_id}", self.one, methods=["GET", "PATCH", "DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        return await (self.create(request) if request.method == "POST" else self.list(request))

    async def one(self, request: Request) -> Response:
        verbs = {"PATCH": self.change, "DELETE": self.delete}
        return await verbs.get(request.method, self.get)(request)

    async def create(self, request: Request) -> Response:
        async with self._bodies.taken(request) as body:
            annotation = _read(feedback_annotation, parameters.json_object(body))
            (stored,) = await asyncio.wrap_future(self._store.put_annotations([annotation]))
        return json(feedback(stored))

    async def list(self, request: Request) -> Response:
        query = _query(request)
        runs = {run_id[8:]: run_id for run_id in query.whole_traces}
        page = await anyio.to_thread.run_sync(self._store.list_annotations, query, limiter=self._limiter)
        return json([feedback(item, runs.get(item.target.span_id or b"")) for item in page.items])

    async def get(self, request: Request) -> Response:
        found = await anyio.to_thread.run_sync(self._store.get_annotation, _id(request), limiter=self._limiter)
        if found is None:
            raise _not_found(request)
        return json(feedback(found))

    async def change(self, request: Request) -> Response:
        feedback_id = _id(request)
        async with self._bodies.taken(request) as body:
            given = parameters.json_object(body)
            if unknown := unknown_changes(given):
                raise Fault(422, f"{unknown[0][:100]}: cannot be changed")
            changes = _read(changes_of, given)
            changed = await asyncio.wrap_future(self._store.change_annotation(feedback_id, changes))
        if changed is None:
            raise _not_found(request)
        return json(feedback(changed))

    async def delete(self, request: Request) -> Response:
        if not await asyncio.wrap_future(self._store.delete_annotation(_id(request))):
            raise _not_found(request)
        return json({"message": "deleted"})


def _read(read: Callable[[Mapping[str, Any]], T], body: Mapping[str, Any]) -> T:
    try:
        return read(body)
    except FeedbackFault as fault:
        raise Fault(422, str(fault)) from None


def _query(request: Request) -> AnnotationQuery:
    """Oldest first, so that what comes in while a client pages by offset comes last."""
    given = parameters.Given(request.query_params.multi_items(), ("run", "key", "source", "limit", "offset"))
    runs = tuple(dict.fromkeys(given.uuids("run")))
    sources = given.texts("source")
    for source in sources:
        if source not in KINDS:
            raise Fault(422, f"source: must be one of {', '.join(KINDS)}")
    kinds = {KINDS[source] for source in sources}
    if "human" in kinds:
        kinds.add("code")  # which LangSmith has no word of its own for
    return AnnotationQuery(
        spans=tuple(run_id[8:] for run_id in runs),
        whole_traces=runs,
        names=tuple(given.texts("key")),
        kinds=tuple(kind for kind in ANNOTATOR_KINDS if kind in kinds),
        newest_first=False,
        limit=given.whole("limit", _DEFAULT_LIMIT, 1, MAX_LIMIT),
        offset=given.whole("offset", 0, 0, 2**31 - 1),
    )


def _id(request: Request) -> bytes:
    return parameters.uuid(request.path_params["feedback_id"], "feedback_id")


def _not_found(request: Request) -> Fault:
    return Fault(404, f"Feedback {UUID(bytes=_id(request))} not found")
