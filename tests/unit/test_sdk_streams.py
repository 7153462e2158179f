"""Streams of the real clients against a small server: chunks pass unchanged, the answer adds up, the span ends."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode
from sdk_support import Recorded, spans
from stream_server import (
    ANTHROPIC,
    ANTHROPIC_PARTS,
    CHAT,
    CHAT_PARTS,
    MESSAGES,
    RESPONSES,
    check,
    check_first_token,
    claude,
    gpt,
    server,
)

from tracekit import trace

__all__ = ["claude", "gpt", "server", "spans"]


def test_chat_chunks_pass_and_add_up(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call(**kwargs: Any) -> Any:
        return gpt.chat.completions.create(stream=True, **kwargs)

    stream = call(model="gpt-4o-mini", messages=MESSAGES)
    assert isinstance(stream, openai.Stream)
    assert stream.response.status_code == 200
    assert spans.all() == []
    chunks = list(stream)
    assert [chunk.model_dump(exclude_unset=True) for chunk in chunks] == CHAT
    attributes = check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))
    assert attributes["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert attributes["gen_ai.request.stream"] is True
    check_first_token(spans)


def test_a_generator_that_yields_the_chunks(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Iterator[Any]:
        with gpt.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES) as stream:
            yield from stream

    assert len(list(call())) == len(CHAT)
    check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))
    check_first_token(spans)


def test_asynchronous_chat_chunks(spans: Recorded, server: str) -> None:
    @trace.llm(name="call")
    async def call(client: openai.AsyncOpenAI) -> Any:
        return await client.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES)

    async def run() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=server + "/v1", api_key="k") as client:
            stream = await call(client)
            assert isinstance(stream, openai.AsyncStream)
            return [chunk async for chunk in stream]

    assert len(asyncio.run(run())) == len(CHAT)
    check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))
    check_first_token(spans)


def test_a_plain_function_that_returns_the_clients_coroutine(spans: Recorded, server: str) -> None:
    @trace.llm(name="call")
    def call(client: openai.AsyncOpenAI) -> Any:
        return client.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES)

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=server + "/v1", api_key="k") as client, await call(client) as stream:
            async for _ in stream:
                pass

    asyncio.run(run())
    check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))


def test_chat_helper_stream(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.chat.completions.stream(model="gpt-4o-mini", messages=MESSAGES)

    with call() as stream:
        assert any(event.type == "content.delta" and event.delta for event in stream)
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))
    check_first_token(spans)


def test_response_events(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.responses.create(stream=True, model="gpt-5", input="Hi")

    assert [event.type for event in call()] == [event["type"] for event in RESPONSES]
    check(spans, [{"type": "text", "content": "Hello"}], "gpt-5-x", (9, 2))
    check_first_token(spans)


def test_response_helper_stream_that_only_waits(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.responses.create(stream=True, model="gpt-5", input="Hi")

    with call() as stream:
        for _ in stream:
            pass
    check(spans, [{"type": "text", "content": "Hello"}], "gpt-5-x", (9, 2))


def test_anthropic_events(spans: Recorded, claude: anthropic.Anthropic) -> None:
    @trace.llm(name="call")
    def call(**kwargs: Any) -> Any:
        return claude.messages.create(stream=True, **kwargs)

    events = list(call(model="claude-opus-5", max_tokens=10, messages=MESSAGES))
    assert [event.type for event in events] == [event["type"] for event in ANTHROPIC if event["type"] != "ping"]
    attributes = check(spans, ANTHROPIC_PARTS, "claude-sonnet-x", (9, 12))
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 4
    assert attributes["gen_ai.response.finish_reasons"] == ("tool_use",)
    check_first_token(spans)


@pytest.mark.parametrize("way", ["events", "text_stream", "final"])
def test_anthropic_helper_stream(spans: Recorded, claude: anthropic.Anthropic, way: str) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return claude.messages.stream(model="claude-opus-5", max_tokens=10, messages=MESSAGES)

    with call() as stream:
        if way == "events":
            assert "text" in {event.type for event in stream}
        elif way == "text_stream":
            assert "".join(stream.text_stream) == "Hello"
        else:
            assert stream.get_final_message().id == "msg_9"
    check(spans, ANTHROPIC_PARTS, "claude-sonnet-x", (9, 12))
    if way != "final":
        check_first_token(spans)


@pytest.mark.parametrize("way", ["events", "text_stream", "final"])
def test_asynchronous_anthropic_helper_stream(spans: Recorded, server: str, way: str) -> None:
    @trace.llm(name="call")
    def call(client: anthropic.AsyncAnthropic) -> Any:
        return client.messages.stream(model="claude-opus-5", max_tokens=10, messages=MESSAGES)

    async def run() -> None:
        async with anthropic.AsyncAnthropic(base_url=server, api_key="k") as client, call(client) as stream:
            if way == "events":
                assert [event async for event in stream]
            elif way == "text_stream":
                assert "".join([text async for text in stream.text_stream]) == "Hello"
            else:
                assert (await stream.get_final_message()).id == "msg_9"

    asyncio.run(run())
    check(spans, ANTHROPIC_PARTS, "claude-sonnet-x", (9, 12))


def test_stopping_early_keeps_what_came(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES)

    with call() as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content == "Hel":
                break
    attributes = spans.attributes("call")
    assert attributes["output.value"] == "Hel"
    assert attributes["tracekit.stream.incomplete"] is True


@pytest.mark.parametrize("how", ["close", "garbage"])
def test_closed_or_collected(spans: Recorded, gpt: openai.OpenAI, how: str) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES)

    stream = call()
    next(stream), next(stream)
    if how == "close":
        stream.close()
    del stream
    gc.collect()
    assert spans.attributes("call")["output.value"] == "Hel"


def test_an_error_in_the_stream(spans: Recorded) -> None:
    def raw() -> Iterator[Any]:
        yield CHAT[1]
        raise ConnectionError("gone")

    stream = trace.llm(name="call")(raw)()
    with pytest.raises(ConnectionError, match="gone"):
        list(stream)
    assert spans.one("call").status.status_code is StatusCode.ERROR
    assert spans.attributes("call")["output.value"] == "Hel"


def test_chunks_as_dicts_and_without_usage(spans: Recorded) -> None:
    stream = trace.llm(name="call")(lambda: iter(CHAT[:3]))()
    assert list(stream) == CHAT[:3]
    attributes = spans.attributes("call")
    assert attributes["output.value"] == "Hello"
    assert not [name for name in attributes if "usage" in name]


def test_a_chain_that_passes_a_stream_on_is_no_second_call(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace.llm(name="call")
    def call() -> Any:
        return gpt.chat.completions.create(stream=True, model="gpt-4o-mini", messages=MESSAGES)

    @trace(name="outer")
    def outer() -> Iterator[Any]:
        yield from call()

    @trace(name="returned")
    def returned() -> Any:
        return outer()

    assert len(list(returned())) == len(CHAT)
    kinds = {span.name: span.attributes["openinference.span.kind"] for span in spans.all()}
    assert kinds == {"call": "LLM", "outer": "CHAIN", "returned": "CHAIN"}
    assert "gen_ai.usage.input_tokens" not in spans.attributes("outer")
    assert spans.parent("call") == "outer" and spans.parent("outer") == "returned"


def test_a_bare_decorator_recognises_a_streamed_call(spans: Recorded, gpt: openai.OpenAI) -> None:
    @trace(name="call")
    def call(model: str, messages: list[Any]) -> Any:
        return gpt.chat.completions.create(stream=True, model=model, messages=messages)

    list(call("gpt-4o-mini", MESSAGES))
    attributes = check(spans, CHAT_PARTS, "gpt-4o-mini-x", (9, 4))
    assert attributes["openinference.span.kind"] == "LLM"
    assert attributes["llm.input_messages.0.message.content"] == "Hi"


def test_whole_answers_of_the_real_clients_objects_are_no_streams(spans: Recorded) -> None:
    client = openai.OpenAI(api_key="k")
    assert trace.llm(name="make")(lambda: client)() is client
    assert spans.names() == ["make"]
