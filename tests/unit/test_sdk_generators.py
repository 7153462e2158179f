"""Generators and streams of plain values: the context is theirs only while their own code runs."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode
from sdk_support import Recorded, parsed, spans

import tracekit
from tracekit import trace

__all__ = ["spans"]


def current() -> bool:
    return otel.get_current_span().get_span_context().is_valid


@trace(name="inner")
def inner() -> None: ...


@trace(name="words")
def words(text: str) -> Iterator[str]:
    for word in text.split():
        inner()
        yield word + " "


@trace(name="awords")
async def awords(text: str) -> AsyncIterator[str]:
    for word in text.split():
        await asyncio.sleep(0)
        inner()
        yield word + " "


def test_generators_stay_generators() -> None:
    assert inspect.isgeneratorfunction(words) and inspect.isasyncgenfunction(awords)
    assert inspect.isgenerator(words("a"))


def test_values_pass_and_add_up(spans: Recorded) -> None:
    assert list(words("one two")) == ["one ", "two "]
    attributes = spans.attributes("words")
    assert (attributes["input.value"], attributes["output.value"]) == ("one two", "one two ")
    assert "tracekit.stream.incomplete" not in attributes


def test_nothing_is_attached_while_the_consumer_runs(spans: Recorded) -> None:
    for _ in words("one two"):
        assert not current()
        with trace.span("consumer"):
            pass
    assert not current()
    assert {span.name: span.parent is None for span in spans.all()} == {"inner": False, "consumer": True, "words": True}
    ended = spans.all()
    words_id = next(span.context.span_id for span in ended if span.name == "words")
    assert all(span.parent.span_id == words_id for span in ended if span.name == "inner")


def test_interleaved_generators_do_not_mix(spans: Recorded) -> None:
    first, second = words("a b"), words("c d")
    for _ in zip(first, second, strict=True):
        assert not current()
    by_parent: dict[int, int] = {}
    for span in spans.all():
        if span.name == "inner":
            by_parent[span.parent.span_id] = by_parent.get(span.parent.span_id, 0) + 1
    assert sorted(by_parent.values()) == [2, 2]


def test_asynchronous_generators(spans: Recorded) -> None:
    async def run() -> list[str]:
        found = []
        async for word in awords("one two"):
            assert not current()
            found.append(word)
        return found

    assert asyncio.run(run()) == ["one ", "two "]
    assert spans.attributes("awords")["output.value"] == "one two "
    inners = [span for span in spans.all() if span.name == "inner"]
    assert {span.parent.span_id for span in inners} == {spans.one("awords").context.span_id}


def test_closing_early_ends_the_span(spans: Recorded) -> None:
    generator = words("one two three")
    next(generator)
    generator.close()
    attributes = spans.attributes("words")
    assert attributes["output.value"] == "one "
    assert attributes["tracekit.stream.incomplete"] is True
    assert spans.one("words").status.status_code is StatusCode.UNSET


def test_garbage_ends_the_span(spans: Recorded) -> None:
    generator = words("one two three")
    next(generator)
    del generator
    gc.collect()
    assert spans.attributes("words")["output.value"] == "one "


def test_closing_an_asynchronous_generator_early(spans: Recorded) -> None:
    async def run() -> None:
        async for _ in awords("one two three"):
            break
        await asyncio.sleep(0)

    asyncio.run(run())
    assert spans.attributes("awords")["output.value"] == "one "


def test_finished_in_another_thread(spans: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    generator = words("one two")
    next(generator)
    thread = threading.Thread(target=lambda: list(generator))
    thread.start()
    thread.join()
    assert spans.attributes("words")["output.value"] == "one two "
    assert not current() and caplog.text == ""


def test_an_asynchronous_generator_finished_in_another_task(spans: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        generator = awords("one two")
        await anext(generator)

        async def rest() -> None:
            async for _ in generator:
                pass

        await asyncio.create_task(rest())

    asyncio.run(run())
    assert spans.attributes("awords")["output.value"] == "one two "
    assert caplog.text == ""


def test_send_throw_and_return_value(spans: Recorded) -> None:
    @trace(name="talk")
    def talk() -> Generator[Any, Any, str]:
        said = yield "ready"
        try:
            yield f"heard {said}"
        except KeyError:
            yield "caught"
        return "bye"

    def all_of() -> Generator[Any, Any, str]:
        return (yield from talk())

    generator = all_of()
    assert next(generator) == "ready"
    assert generator.send("hello") == "heard hello"
    assert generator.throw(KeyError("k")) == "caught"
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == "bye"
    assert parsed('"' + spans.attributes("talk")["output.value"] + '"') == "readyheard hellocaught"


def test_asynchronous_throw(spans: Recorded) -> None:
    @trace(name="talk")
    async def talk() -> AsyncIterator[str]:
        try:
            yield "one"
        except KeyError:
            yield "caught"

    async def run() -> None:
        generator = talk()
        assert await anext(generator) == "one"
        assert await generator.athrow(KeyError("k")) == "caught"  # type: ignore[attr-defined]

    asyncio.run(run())


def test_an_exception_in_the_generator(spans: Recorded) -> None:
    @trace(name="breaks")
    def breaks() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(breaks())
    assert spans.one("breaks").status.status_code is StatusCode.ERROR
    assert parsed(spans.attributes("breaks")["output.value"]) == [1]


def test_values_are_kept_as_they_were_and_bounded(spans: Recorded) -> None:
    @trace(name="rows")
    def rows() -> Iterator[dict[str, int]]:
        row = {"n": 0}
        for n in range(1000):
            row["n"] = n
            yield row

    assert len(list(rows())) == 1000
    kept = parsed(spans.attributes("rows")["output.value"])
    assert kept[:3] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert kept[-1] == "[800 more]"


def test_a_returned_generator_is_covered_too(spans: Recorded) -> None:
    def raw() -> Iterator[str]:
        yield "a"
        inner()
        yield "b"

    @trace(name="handler")
    def handler() -> Any:
        return raw()

    found = handler()
    assert inspect.isgenerator(found)
    assert spans.names() == []
    assert list(found) == ["a", "b"]
    assert spans.parent("inner") == "handler"
    assert spans.attributes("handler")["output.value"] == "ab"


def test_a_returned_asynchronous_generator_is_covered_too(spans: Recorded) -> None:
    async def raw() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    @trace(name="handler")
    async def handler() -> Any:
        return raw()

    async def run() -> list[str]:
        found = await handler()
        assert inspect.isasyncgen(found)
        return [chunk async for chunk in found]

    assert asyncio.run(run()) == ["a", "b"]
    assert spans.attributes("handler")["output.value"] == "ab"


def test_infinite_iterators_are_never_consumed(spans: Recorded) -> None:
    import itertools

    @trace(name="count")
    def count(source: Iterator[int]) -> Iterator[int]:
        return source

    source = itertools.count()
    assert next(count(source)) == 0
    assert parsed(spans.attributes("count")["output.value"]) == "<itertools.count>"


def test_a_model_stream_of_texts_has_a_first_token(spans: Recorded) -> None:
    @trace.llm(name="llm", model="gpt-4o")
    def complete(prompt: str) -> Iterator[str]:
        yield "Hel"
        yield "lo"

    assert list(complete("hi")) == ["Hel", "lo"]
    attributes = spans.attributes("llm")
    assert attributes["gen_ai.response.time_to_first_chunk"] >= 0
    assert [event.name for event in spans.one("llm").events] == ["First Token Stream Event"]
    assert parsed(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}
    ]
    assert attributes["output.value"] == "Hello"


def test_without_tracing_generators_are_plain() -> None:
    tracekit.shutdown(0)
    assert list(words("one two")) == ["one ", "two "]

    async def run() -> list[str]:
        return [word async for word in awords("one two")]

    assert asyncio.run(run()) == ["one ", "two "]
