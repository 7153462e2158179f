"""``/sessions``: LangSmith's projects, listed, read, created and changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.api.bodies import Bodies
from collector.receivers.langsmith import parameters, sessions
from collector.receivers.langsmith.faults import Fault, json
from collector.storage.annotations_api import AnnotationQuery, AnnotationReader
from collector.storage.api import TraceQuery, TraceReader
from collector.storage.projects_api import Project, ProjectStore, Taken, project_uuid

#: Annotations that are added up for a session's statistics, the latest of them.
MAX_COUNTED: Final = 10_000


class SessionStore(ProjectStore, TraceReader, AnnotationReader, Protocol):
    """What sessions are made of."""


class Sessions:
    def __init__(self, store: SessionStore, bodies: Bodies, limiter: anyio.CapacityLimiter) -> None:
        self._store = store
        self._bodies = bodies
        self._limiter = limiter

    def routes(self) -> list[Route]:
        return [
            Route("/sessions", self.all, methods=["GET", "POST"]),
            Route("/sessions/{session_id}", self.one, methods=["GET", "PATCH", "DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        return await (self.create(request) if request.method == "POST" else self.listed(request))

    async def one(self, request: Request) -> Response:
        if request.method == "DELETE":
            raise Fault(405, "a project cannot be deleted here: its traces would stay")
        return await (self.change(request) if request.method == "PATCH" else self.get(request))

    async def listed(self, request: Request) -> Response:
        wanted = sessions.wanted(request.query_params.multi_items())
        return json(await anyio.to_thread.run_sync(self._page, wanted, limiter=self._limiter))

    async def get(self, request: Request) -> Response:
        include_stats = sessions.wants_stats(request.query_params.multi_items())
        project = await self._project(request)
        told = self._with_stats if include_stats else sessions.session
        return json(await anyio.to_thread.run_sync(told, project, limiter=self._limiter))

    async def create(self, request: Request) -> Response:
        """With ``?upsert=true``, a project of this name is changed instead; else it is a 409."""
        upsert = parameters.Given(request.query_params.multi_items(), ("upsert",)).flag("upsert")
        async with self._bodies.taken(request) as body:
            new = sessions.new_project(parameters.json_object(body), time.time_ns())
        new = replace(new, uuid=new.uuid or project_uuid(new.name))
        try:
            stored = await asyncio.wrap_future(self._store.add_project(new))
        except Taken:
            known = await self._named(new.name) if upsert else None
            if known is None:
                raise Fault(409, f"Session {new.name} already exists.") from None
            given = {"description": new.description, "extra": {**known.extra, **new.extra}}
            changed = {name: value for name, value in given.items() if value}
            stored = await self._changed(known, changed)
        return json(sessions.session(stored))

    async def change(self, request: Request) -> Response:
        project = await self._project(request)
        async with self._bodies.taken(request) as body:
            changes = sessions.changes(parameters.json_object(body), project)
        return json(sessions.session(await self._changed(project, changes)))

    async def _changed(self, project: Project, changes: Mapping[str, Any]) -> Project:
        return await asyncio.wrap_future(self._store.change_project(project.uuid, changes)) or project

    async def _project(self, request: Request) -> Project:
        wanted = parameters.uuid(request.path_params["session_id"], "session_id")
        for project in await anyio.to_thread.run_sync(self._store.described_projects, limiter=self._limiter):
            if project.uuid == wanted:
                return project
        raise Fault(404, "Session not found")

    async def _named(self, name: str) -> Project | None:
        projects = await anyio.to_thread.run_sync(self._store.described_projects, limiter=self._limiter)
        return next((project for project in projects if project.name == name), None)

    def _page(self, wanted: sessions.Wanted) -> list[dict[str, Any]]:
        told = self._with_stats if wanted.include_stats else sessions.session
        return [told(project) for project in wanted.of(self._store.described_projects())]

    def _with_stats(self, project: Project) -> dict[str, Any]:
        query = TraceQuery(project=project.name, limit=1)
        latest = self._store.list_traces(query).items
        session = sessions.session(project)
        of_session = AnnotationQuery(session_id=session["id"], limit=MAX_COUNTED)
        of_runs = AnnotationQuery(project=project.name, limit=MAX_COUNTED)
        return session | sessions.session_stats(
            self._store.stats(query),
            latest[0].start_ns if latest else None,
            self._store.list_annotations(of_runs).items,
            self._store.list_annotations(of_session).items,
        )
