"""``ProjectStore`` over a dict."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from collector.storage.projects_api import Project, Taken, project_uuid


class MemoryProjects:
    """``_projects`` has the names of everything that is stored."""

    def __init__(self) -> None:
        self._projects: dict[str, None] = {}
        self._described: dict[str, Project] = {}
        self._described_lock = threading.RLock()
        self._opened_ns = time.time_ns()

    def described_projects(self) -> list[Project]:
        with self._described_lock:
            plain = {name: Project(name, project_uuid(name), self._opened_ns) for name in self._projects}
            return [replace(project) for _, project in sorted((plain | self._described).items())]

    def add_project(self, project: Project) -> Future[Project]:
        future: Future[Project] = Future()
        with self._described_lock:
            if any(project.uuid == known.uuid or project.name == known.name for known in self.described_projects()):
                future.set_exception(Taken())
            else:
                self._projects[project.name] = None
                self._described[project.name] = project
                future.set_result(replace(project))
        return future

    def change_project(self, uuid: bytes, changes: Mapping[str, Any]) -> Future[Project | None]:
        future: Future[Project | None] = Future()
        with self._described_lock:
            known = next((found for found in self.described_projects() if found.uuid == uuid), None)
            changed = replace(known, **changes) if known else None
            if changed:
                self._described[changed.name] = changed
            future.set_result(changed and replace(changed))
        return future
