"""``ProjectStore`` over a ``Database``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from collector.storage.projects_api import Project, Taken, project_uuid
from collector.storage.sql.engine import Database

_ALL: Final = text(
    "SELECT p.name, p.created_ns, d.uuid, d.description, d.extra, d.start_ns, d.end_ns "
    "FROM projects p LEFT JOIN project_details d ON d.project_id = p.id"
)
_ADD: Final = text(
    "INSERT INTO projects (name, created_ns) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING RETURNING id"
)
_ID: Final = text("SELECT id FROM projects WHERE name = :name")
_PUT: Final = text(
    "INSERT INTO project_details (project_id, uuid, description, extra, start_ns, end_ns) "
    "VALUES (:project_id, :uuid, :description, :extra, :start_ns, :end_ns) ON CONFLICT (project_id) DO UPDATE SET "
    "description = excluded.description, extra = excluded.extra, end_ns = excluded.end_ns"
)
#: Writers take turns, so that of two that choose one id one is told.
_TAKE_TURNS: Final = text("LOCK TABLE project_details IN SHARE ROW EXCLUSIVE MODE")


class SqlProjects:
    def __init__(self, database: Database) -> None:
        self._database = database

    def described_projects(self) -> list[Project]:
        with self._database.read() as connection:
            return _projects(connection)

    def add_project(self, project: Project) -> Future[Project]:
        def job(connection: Connection) -> Project:
            _take_turns(connection)
            if any(known.uuid == project.uuid for known in _projects(connection)):
                raise Taken
            added = connection.execute(_ADD, {"name": project.name, "now": time.time_ns()}).scalar()
            if added is None:
                raise Taken
            _put(connection, added, project)
            return project

        return self._database.write(job)

    def change_project(self, uuid: bytes, changes: Mapping[str, Any]) -> Future[Project | None]:
        def job(connection: Connection) -> Project | None:
            _take_turns(connection)
            known = next((found for found in _projects(connection) if found.uuid == uuid), None)
            if known is None:
                return None
            changed = replace(known, **changes)
            _put(connection, connection.execute(_ID, {"name": known.name}).scalar_one(), changed)
            return changed

        return self._database.write(job)


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURNS)


def _projects(connection: Connection) -> list[Project]:
    return sorted((_project(row) for row in connection.execute(_ALL)), key=lambda found: found.name)


def _project(row: Any) -> Project:
    if row.uuid is None:
        return Project(row.name, project_uuid(row.name), row.created_ns)
    extra = orjson.loads(row.extra) if row.extra else {}
    return Project(row.name, bytes(row.uuid), row.start_ns, row.end_ns, row.description, extra)


def _put(connection: Connection, project_id: int, project: Project) -> None:
    connection.execute(
        _PUT,
        {
            "project_id": project_id,
            "uuid": project.uuid,
            "description": project.description,
            "extra": orjson.dumps(project.extra).decode() if project.extra else None,
            "start_ns": project.start_ns,
            "end_ns": project.end_ns,
        },
    )
