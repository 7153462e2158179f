"""What storage promises of projects as LangSmith's protocol knows them: a name, an id, and what was said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

#: LangSmith's tenant: a collector has one.
TENANT: Final = UUID("6b1f2a52-5c0e-5d5a-9c55-7472616365b1")


class Taken(Exception):
    """There is a project with this name or this id already."""


@dataclass(slots=True)
class Project:
    """``uuid`` is that of ``project_uuid`` unless whoever created it chose one. Times are nanoseconds since the epoch;
    ``end_ns`` is None unless somebody said that it has ended."""

    name: str
    uuid: bytes
    start_ns: int
    end_ns: int | None = None
    description: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


#: What of a project can be changed by itself.
CHANGEABLE: Final = ("end_ns", "description", "extra")


def project_uuid(name: str) -> bytes:
    """The id of a project for which nobody chose one: a UUID of its name, the same on every collector."""
    return uuid5(TENANT, name.encode("utf-8", "replace").decode()).bytes


def name_of(uuid: bytes | None, projects: Iterable[Project]) -> str | None:
    """The name of the project with this id, None where there is none."""
    return next((project.name for project in projects if project.uuid == uuid), None)


class ProjectStore(Protocol):
    def described_projects(self) -> list[Project]:
        """All of them, by name."""
        ...

    def add_project(self, project: Project) -> Future[Project]:
        """The future raises ``Taken`` where its name or its id is in use."""
        ...

    def change_project(self, uuid: bytes, changes: Mapping[str, Any]) -> Future[Project | None]:
        """Set fields of ``CHANGEABLE`` and leave the others; None where there is no such project."""
        ...
