"""What tests of pages that a part of the store stands behind have in common: stores, a time, hostile text."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_pages_app import NOW, TRACE

from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import open_store

__all__ = ["ESCAPED", "HOSTILE", "NOW", "TRACE", "store"]

HOSTILE = "<script>alert(1)</script>\"\u202e&'{{7*7}}"
ESCAPED = html.escape("<script>alert(1)</script>")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore(MemoryQueue())
        return
    store = open_store(f"sqlite:///{tmp_path}/pages.db")
    yield store
    store.close()
