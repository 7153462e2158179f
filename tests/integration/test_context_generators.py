"""However a generator comes to its end: one span, under whoever called it, and nobody's context but its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import anyio
import pytest
from context_support import Spans, frozen, leaf, spans
from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode

import tracekit
from tracekit import trace

__all__ = ["frozen", "spans"]


@trace(name="numbers")
def numbers() -> Generator[int, Any, str]:
    try:
        for number in range(3):
            leaf(f"step {number}")
            yield number
    finally:
        leaf("finally")
    return "all"


@trace(name="numbers")
async def anumbers() -> AsyncGenerator[int, Any]:
    try:
        for number in range(3):
            await asyncio.sleep(0)
            leaf(f"step {number}")
            yield number
    finally:
        await asyncio.sleep(0)
        leaf("finally")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is logged or written, and no context stays behind."""
    yield
    assert not otel.get_current_span().get_span_context().is_valid
    assert caplog.text == "" and capfd.readouterr().err == ""


def check(spans: Spans, steps: int, complete: bool = False) -> None:
    """One span under the caller, with all that its code did beneath it."""
    gc.collect()
    parents = spans.parents()
    assert parents.pop("elsewhere", None) is None
    assert parents == {
        "caller": None,
        "numbers": "caller",
        **{f"step {number}": "numbers" for number in range(steps)},
        "finally": "numbers",
    }
    span = spans.one("numbers")
    assert span.status.status_code is StatusCode.UNSET
    assert ("tracekit.stream.incomplete" in span.attributes) is not complete


def exhausted(generator: Generator[int, Any, str]) -> None:
    assert list(generator) == [1, 2]


def closed(generator: Generator[int, Any, str]) -> None:
    generator.close()
    generator.close()


def dropped(generator: Generator[int, Any, str]) -> None:
    """The test drops it."""


def thrown_into(generator: Generator[int, Any, str]) -> None:
    with pytest.raises(GeneratorExit):
        generator.throw(GeneratorExit)


def closed_in_a_thread(generator: Generator[int, Any, str]) -> None:
    thread = threading.Thread(target=generator.close)
    thread.start()
    thread.join()


def delegated_to_and_closed(generator: Generator[int, Any, str]) -> None:
    def outer() -> Iterator[int]:
        yield from generator

    delegating = outer()
    next(delegating)
    delegating.close()


@pytest.mark.parametrize("end", [closed, dropped, thrown_into, closed_in_a_thread, delegated_to_and_closed, exhausted])
def test_a_generator_ends(spans: Spans, end: Callable[[Generator[int, Any, str]], None]) -> None:
    with trace.span("caller"):
        generator = numbers()
    assert next(generator) == 0
    end(generator)
    del generator
    steps = {exhausted: 3, delegated_to_and_closed: 2}.get(end, 1)
    check(spans, steps, end is exhausted)


async def aclosed(generator: AsyncGenerator[int, Any]) -> None:
    await generator.aclose()


async def aclosed_in_another_task(generator: AsyncGenerator[int, Any]) -> None:
    with trace.span("elsewhere"):
        await asyncio.create_task(generator.aclose())  # type: ignore[arg-type]


async def adropped(generator: AsyncGenerator[int, Any]) -> None:
    """The loop's hook closes it in a task of its own."""


async def athrown_into(generator: AsyncGenerator[int, Any]) -> None:
    with pytest.raises(GeneratorExit):
        await generator.athrow(GeneratorExit)


async def adelegated_to_and_closed(generator: AsyncGenerator[int, Any]) -> None:
    async def outer() -> AsyncIterator[int]:
        async for number in generator:
            yield number
            break

    async for _ in outer():
        pass
    await generator.aclose()


async def consumer_cancelled(generator: AsyncGenerator[int, Any]) -> None:
    async def consume(reached: asyncio.Event) -> None:
        async for _ in generator:
            reached.set()
            await asyncio.sleep(60)

    reached = asyncio.Event()
    task = asyncio.create_task(consume(reached))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await generator.aclose()


async def aexhausted(generator: AsyncGenerator[int, Any]) -> None:
    assert [number async for number in generator] == [1, 2]


AENDS = [
    aclosed,
    aclosed_in_another_task,
    adropped,
    athrown_into,
    adelegated_to_and_closed,
    consumer_cancelled,
    aexhausted,
]


@pytest.mark.parametrize("end", AENDS)
def test_an_asynchronous_generator_ends(spans: Spans, end: Callable[[AsyncGenerator[int, Any]], Any]) -> None:
    async def run() -> None:
        with trace.span("caller"):
            generator = anumbers()
        assert await anext(generator) == 0
        await end(generator)
        del generator
        gc.collect()
        for _ in range(4):
            await asyncio.sleep(0)

    asyncio.run(run(), debug=True)
    steps = {aexhausted: 3, adelegated_to_and_closed: 2, consumer_cancelled: 2}.get(end, 1)
    check(spans, steps, end is aexhausted)


def test_those_still_open_when_the_loop_ends(spans: Spans) -> None:
    @trace(name="open")
    async def open_(number: int) -> AsyncIterator[int]:
        try:
            yield number
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            leaf(f"finally {number}")

    held = []

    async def run() -> None:
        for number in range(4):
            with trace.span(f"caller {number}"):
                held.append(open_(number))
            await anext(held[-1])

    asyncio.run(run())
    names = {span.context.span_id: span.name for span in spans.all()}
    assert sorted(names.values()) == sorted(
        ["open"] * 4 + [f"{name} {number}" for name in ("caller", "finally") for number in range(4)]
    )
    assert [names[span.parent.span_id] for span in spans.all() if span.name.startswith("finally")] == ["open"] * 4


def test_a_loop_that_is_closed_without_closing_its_generators(spans: Spans) -> None:
    async def begin() -> AsyncGenerator[int, Any]:
        with trace.span("caller"):
            generator = anumbers()
        await anext(generator)
        return generator

    loop = asyncio.new_event_loop()
    generator = loop.run_until_complete(begin())
    loop.close()
    del generator
    gc.collect()
    assert spans.parents() == {"caller": None, "step 0": "numbers", "numbers": "caller"}
    assert spans.one("numbers").attributes["tracekit.stream.incomplete"] is True


def test_a_generator_that_is_cancelled_while_it_works_has_failed_as_any_cancelled_function(spans: Spans) -> None:
    @trace(name="waits")
    async def waits() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    async def consume() -> None:
        async for _ in waits():
            pass

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await consume()
        with anyio.move_on_after(0.01):
            await consume()

    asyncio.run(run())
    for span in spans.named("waits"):
        assert span.attributes["error.type"] == "asyncio.exceptions.CancelledError"
        assert span.status.status_code is StatusCode.ERROR
    assert len(spans.all()) == 2


def test_a_generator_that_never_starts_has_done_nothing(spans: Spans) -> None:
    with trace.span("caller"):
        numbers().close()
        numbers()
        asyncio.run(anumbers().aclose())
        anumbers()
    gc.collect()
    assert spans.parents() == {"caller": None}


def test_it_belongs_to_whoever_called_it_not_to_whoever_reads_it(spans: Spans) -> None:
    with tracekit.context(user_id="caller's"), trace.span("caller"):
        generator = numbers()
    with trace.span("reader"):
        list(generator)
    assert spans.parents()["numbers"] == "caller"
    assert spans.one("numbers").attributes["user.id"] == "caller's"


@trace(name="blocks")
def blocks() -> Iterator[int]:
    with tracekit.context(user_id="u"), trace.span("block"):
        leaf("before")
        yield 1
        leaf("after")
        yield 2
    leaf("behind")
    yield 3


@pytest.mark.parametrize("step", [next, lambda generator: in_a_thread(next, generator)], ids=["here", "threads"])
def test_blocks_around_a_yield_hold_for_the_generator_alone(spans: Spans, step: Callable[[Any], int]) -> None:
    with trace.span("reader"):
        generator = blocks()
        for number in (1, 2, 3):
            assert step(generator) == number
            leaf(f"reads {number}")
        list(generator)
    assert spans.parents() == {
        "reader": None,
        "blocks": "reader",
        "block": "blocks",
        "before": "block",
        "after": "block",
        "behind": "blocks",
        **{f"reads {number}": "reader" for number in (1, 2, 3)},
    }
    users = {span.name: span.attributes.get("user.id") for span in spans.all()}
    assert [name for name, user in users.items() if user] == ["before", "after", "block"]


def in_a_thread(function: Callable[..., int], *args: Any) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join()
    return found[0]


def test_returned_generators_have_the_function_as_parent(spans: Spans) -> None:
    def raw() -> Iterator[int]:
        with trace.span("block"):
            yield 1
            leaf("after")
        try:
            yield 2
        finally:
            leaf("finally")

    @trace(name="handler")
    def handler() -> Any:
        return raw()

    generator = handler()
    assert [next(generator), next(generator)] == [1, 2]
    leaf("reader")
    generator.close()
    assert spans.parents() == {
        "handler": None,
        "block": "handler",
        "after": "block",
        "finally": "handler",
        "reader": None,
    }


def test_decorated_generators_are_generator_functions_to_everyone() -> None:
    assert inspect.isgeneratorfunction(numbers) and inspect.isgenerator(generator := numbers())
    assert inspect.isasyncgenfunction(anumbers) and inspect.isasyncgen(anumbers())
    assert inspect.isfunction(numbers) and not inspect.iscoroutinefunction(anumbers)
    assert (generator.__name__, generator.__qualname__) == ("numbers", "numbers")
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED
    manager = contextlib.contextmanager(numbers)()
    with pytest.raises(RuntimeError, match="didn't stop"), manager as number:
        assert number == 0
