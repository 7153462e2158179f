"""``tracekit.context``: inherited by every span beneath, in tasks, threads and generators, nested and as decorator."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sdk_support import Collector, Recorded, collector, parsed, spans

import tracekit
from tracekit import trace

__all__ = ["collector", "spans"]


@trace(name="leaf")
def leaf() -> None: ...


@trace(name="aleaf")
async def aleaf() -> None: ...


def test_every_span_beneath_inherits(spans: Recorded) -> None:
    everything = {"user_id": "u-1", "session_id": "s-1", "tags": ["a"], "metadata": {"plan": "pro"}, "project": "p"}
    with tracekit.context(**everything), trace.span("outer"):  # type: ignore[arg-type]
        leaf()
    leaf()
    attributes = spans.attributes("outer")
    assert attributes["user.id"] == "u-1"
    assert attributes["session.id"] == attributes["gen_ai.conversation.id"] == "s-1"
    assert attributes["tag.tags"] == ("a",)
    assert parsed(attributes["metadata"]) == {"plan": "pro"}
    assert attributes["tracekit.project"] == "p"
    inside, outside = (dict(span.attributes) for span in spans.all() if span.name == "leaf")
    assert inside["user.id"] == "u-1" and "user.id" not in outside


def test_nested_contexts_merge(spans: Recorded) -> None:
    with tracekit.context(user_id="u-1", tags=["a", "b"], metadata={"x": 1, "y": 1}):
        inner = tracekit.context(session_id=7, tags=("b", "c"), metadata={"y": 2})
        with inner, tracekit.context(user_id="u-2", tags="d"), trace.span("deep"):
            pass
        with trace.span("shallow"):
            pass
    deep, shallow = spans.attributes("deep"), spans.attributes("shallow")
    assert (deep["user.id"], deep["session.id"], deep["tag.tags"]) == ("u-2", "7", ("a", "b", "c", "d"))
    assert parsed(deep["metadata"]) == {"x": 1, "y": 2}
    assert (shallow["user.id"], shallow["tag.tags"]) == ("u-1", ("a", "b"))
    assert "session.id" not in shallow


def test_it_crosses_asyncio_tasks_without_mixing(spans: Recorded) -> None:
    async def one(user: str) -> None:
        async with tracekit.context(user_id=user):
            await asyncio.sleep(0)
            await asyncio.gather(aleaf(), asyncio.create_task(aleaf()))
            await asyncio.to_thread(leaf)

    async def run() -> None:
        await asyncio.gather(*(one(f"u{n}") for n in range(5)))

    asyncio.run(run())
    users = [span.attributes["user.id"] for span in spans.all()]
    assert sorted(users) == sorted([f"u{n}" for n in range(5)] * 3)


def test_it_goes_with_a_copied_context_into_a_thread(spans: Recorded) -> None:
    with tracekit.context(user_id="u"):
        copied = contextvars.copy_context()
    thread = threading.Thread(target=copied.run, args=(leaf,))
    thread.start()
    thread.join()
    assert spans.attributes("leaf")["user.id"] == "u"


def test_as_decorator_on_every_sort_of_function(spans: Recorded) -> None:
    within = tracekit.context(user_id="u")

    @within
    def plain() -> str:
        leaf()
        return "plain"

    @within
    async def coroutine() -> str:
        await aleaf()
        return "coroutine"

    @within
    def generator() -> Iterator[int]:
        leaf()
        yield 1
        leaf()

    @within
    async def agenerator() -> AsyncIterator[int]:
        await aleaf()
        yield 1

    async def consume() -> list[int]:
        return [item async for item in agenerator()]

    assert plain() == "plain"
    assert inspect.iscoroutinefunction(coroutine) and asyncio.run(coroutine()) == "coroutine"
    assert inspect.isgeneratorfunction(generator)
    for _ in generator():
        with trace.span("consumer"):
            pass
    assert inspect.isasyncgenfunction(agenerator) and asyncio.run(consume()) == [1]
    leaf()
    seen = [(span.name, span.attributes.get("user.id")) for span in spans.all()]
    assert seen == [
        ("leaf", "u"),
        ("aleaf", "u"),
        ("leaf", "u"),
        ("consumer", None),
        ("leaf", "u"),
        ("aleaf", "u"),
        ("leaf", None),
    ]


def test_nothing_that_is_given_can_break_the_application(spans: Recorded) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no")

    for given in ({"user_id": Bad()}, {"tags": 5}, {"metadata": [1]}, {"metadata": {"x": Bad()}}, {"tags": [Bad()]}):
        with tracekit.context(**given):  # type: ignore[arg-type]
            leaf()
    assert len(spans.all()) == 5


def test_metadata_passes_the_mask(spans: Recorded) -> None:
    spans.configure(mask=lambda text: text.replace("secret", "***"))
    with tracekit.context(metadata={"note": "a secret", "n": 1}):
        leaf()
    assert parsed(spans.attributes("leaf")["metadata"]) == {"note": "a ***", "n": 1}


def test_without_tracing_it_does_nothing() -> None:
    tracekit.shutdown(0)
    before = tracekit.stats()
    with tracekit.context(user_id="u", metadata={"a": 1}):
        leaf()
    assert tracekit.stats() == before


@pytest.mark.parametrize("joined", [False, True])
def test_spans_of_other_instrumentations_inherit_too(collector: Collector, joined: bool) -> None:
    settings = {"endpoint": collector.url, "set_global": False}
    provider = tracekit.init(tracer_provider=TracerProvider(), **settings) if joined else tracekit.init(**settings)
    memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    foreign = provider.get_tracer("openinference.instrumentation.openai")
    with tracekit.context(session_id="s", project="p"), foreign.start_as_current_span("ChatCompletion"):
        leaf()
    ours, theirs = memory.get_finished_spans()
    assert ours.parent is not None and ours.parent.span_id == theirs.context.span_id
    assert theirs.attributes["session.id"] == "s" and theirs.attributes["tracekit.project"] == "p"
    tracekit.shutdown()
    assert set(collector.names()) == {"leaf", "ChatCompletion"}
