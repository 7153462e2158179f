"""What the tests of contexts share: spans in memory, and who is whose parent."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracekit
from tracekit import trace


class Spans:
    """The spans that ended, through a provider of tracekit's own."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self._provider: Any = None

    def init(self, **settings: Any) -> Any:
        provider = tracekit.init(export=False, set_global=False, **settings)
        if provider is not self._provider:
            provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self._provider = provider
        return provider

    def all(self) -> list[ReadableSpan]:
        return list(self._memory.get_finished_spans())

    def clear(self) -> None:
        self._memory.clear()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [found] = self.named(name)
        return found

    def parents(self) -> dict[str, str | None]:
        """Each span's name with its parent's; names must be used once."""
        names = {span.context.span_id: span.name for span in self.all()}
        found = {span.name: None if span.parent is None else names[span.parent.span_id] for span in self.all()}
        assert len(found) == len(self.all()), sorted(span.name for span in self.all())
        return found

    def close(self) -> None:
        self._memory.shutdown()


@pytest.fixture(autouse=True, scope="module")
def frozen() -> Iterator[None]:
    """Collecting garbage costs as much as there is of it, not as much as is imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def spans() -> Iterator[Spans]:
    found = Spans()
    found.init()
    yield found
    found.close()
    tracekit.shutdown(0)


def leaf(name: str = "leaf") -> None:
    """A span without anything in it."""
    with trace.span(name):
        pass
