"""One suite over every engine. A backend opts out of a test by naming the capability that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from store_library import fill

from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore

ENGINES = ["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    opened = Backend(request.param, _url(request, request.param, tmp_path))
    yield opened
    opened.close()


@pytest.fixture(params=ENGINES[1:])
def sql_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """For what only SQL engines have."""
    opened = Backend(request.param, _url(request, request.param, tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def postgres_of_engine(postgres_tables: str) -> str:
    """The URL that PostgreSQL's backends get. A file whose tests are about making the tables gives another."""
    return postgres_tables


@pytest.fixture
def store(backend: Backend) -> Any:
    return backend.open()


@pytest.fixture(scope="session", params=ENGINES)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """(store, the store in memory) with the same many traces, for tests that only read."""
    new = request.getfixturevalue("new_postgres") if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp("library")
    opened = Backend(request.param, new() if new else f"sqlite:///{folder}/x.db" if request.param == "sqlite" else None)
    stores = opened.open(), MemoryStore(MemoryQueue())
    for store in stores:
        fill(store)
    yield stores
    opened.close()


def _url(request: pytest.FixtureRequest, name: str, folder: Path) -> str | None:
    if name == "postgresql":
        url: str = request.getfixturevalue("postgres_of_engine")
        return url
    return f"sqlite:///{folder}/store.db" if name == "sqlite" else None
