"""The engines that the suite runs over."""

from __future__ import annotations

from typing import Any

import pytest

from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore
from collector.storage.sql.engine import open_database
from collector.storage.sql.store import open_store

#: What the store in memory has not got: nothing outlives it, and nothing ever waits.
MEMORY_LACKS = frozenset({"durability", "waiting", "transactions", "processes"})


class Backend:
    """One engine, and the place of one database on it."""

    def __init__(self, name: str, url: str | None) -> None:
        self.name = name
        self.url = url
        self._opened: list[Any] = []

    def needs(self, *capabilities: str) -> None:
        """Skips a test of what this engine by its nature has not got: of the one in memory, ``MEMORY_LACKS``."""
        lacking = MEMORY_LACKS.intersection(capabilities) if self.name == "memory" else ()
        if lacking:
            pytest.skip(f"{self.name} lacks {', '.join(sorted(lacking))}")

    def open(self, **options: Any) -> Any:
        """The store; opened again, one that sees what was kept. Closed when the test ends."""
        store = MemoryStore(MemoryQueue()) if self.url is None else open_store(self.url, **options)
        self._opened.append(store)
        return store

    def database(self) -> Any:
        assert self.url is not None
        database = open_database(self.url)
        self._opened.append(database)
        return database

    def close(self) -> None:
        for store in self._opened:
            store.close()
