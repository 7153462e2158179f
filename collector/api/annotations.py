"""``/api/v1/annotations``: what people, programs and models say about traces, spans, documents and sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.annotations import Annotation
from collector.api import params, render
from collector.api.annotation_body import FaultyBody, annotations_of
from collector.api.bodies import Bodies, check_json, problem_of
from collector.api.problems import Problem
from collector.api.values import encode
from collector.receivers.refusal import of_storage
from collector.storage.annotations_api import AnnotationQuery, AnnotationStore
from collector.storage.api import BadCursor, StorageError

T = TypeVar("T")


class Annotations:
    def __init__(self, store: AnnotationStore, bodies: Bodies, limiter: anyio.CapacityLimiter) -> None:
        self._store = store
        self._bodies = bodies
        self._limiter = limiter

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/annotations", self.all, methods=["GET", "POST"]),
            Route("/annotations/{annotation_id}", self.one, methods=["GET", "DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        return await (self.put(request) if request.method == "POST" else self.listed(request))

    async def one(self, request: Request) -> Response:
        return await (self.delete(request) if request.method == "DELETE" else self.get(request))

    async def listed(self, request: Request) -> Response:
        query = params.annotation_query(request.query_params.multi_items())
        return _json(await self._run(_page, self._store, query))

    async def get(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        found = await self._run(self._store.get_annotation, _annotation_id(request))
        if found is None:
            raise _no_such_annotation()
        return _json(encode(render.annotation(found)))

    async def put(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        check_json(request)
        async with self._bodies.taken(request) as body:
            annotations = await self._run(_annotations, body)
            stored = await self._written(lambda: self._store.put_annotations(annotations))
        return _json(encode({"items": [render.annotation(item) for item in stored]}))

    async def delete(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        annotation_id = _annotation_id(request)
        if not await self._written(lambda: self._store.delete_annotation(annotation_id)):
            raise _no_such_annotation()
        return Response(status_code=204)

    async def _written(self, write: Callable[[], Any]) -> Any:
        """What a write came to, after its commit."""
        try:
            return await asyncio.wrap_future(write())
        except StorageError as error:
            raise problem_of(of_storage(error)) from None

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limiter)


def _annotations(body: bytes) -> list[Annotation]:
    try:
        return annotations_of(body)
    except FaultyBody as fault:
        errors = [{"pointer": pointer, "detail": detail} for pointer, detail in fault.faults.items()]
        raise Problem(400, "the body is wrong: errors says where and why", errors) from None


def _page(store: AnnotationStore, query: AnnotationQuery) -> bytes:
    try:
        page = store.list_annotations(query)
    except BadCursor as fault:
        raise params.Faulty({"cursor": str(fault)}) from None
    return encode({"items": [render.annotation(item) for item in page.items], "next_cursor": page.next_cursor})


def _annotation_id(request: Request) -> bytes:
    try:
        return UUID(request.path_params["annotation_id"]).bytes
    except ValueError:
        raise params.Faulty({"annotation_id": "must be a UUID"}) from None


def _no_such_annotation() -> Problem:
    return Problem(404, "no such annotation is stored")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
