"""Collectors in processes of their own, on each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from collector_process import Start, collectors
from otlp_sink_process import SinkProcess, sink_process


@pytest.fixture
def start_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts collectors of this test's own."""
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        yield start


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'traces.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def sinks() -> Iterator[Callable[[], SinkProcess]]:
    opened: list[Any] = []

    def new() -> SinkProcess:
        context = sink_process("--grpc-port", "0")
        opened.append(context)
        return context.__enter__()

    yield new
    for context in opened:
        context.__exit__(None, None, None)
