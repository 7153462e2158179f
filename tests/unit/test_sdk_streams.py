"""Streams of the real clients against a small server: chunks pass unchanged, the answer adds up, the span ends."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode
from sdk_support import Recorded, parsed, spans

from tracekit import trace

__all__ = ["spans"]

MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]


def _chunk(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini-x",
        "choices": choices,
        **more,
    }


def _call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **more.pop("function", {})}, **more}]}


CHAT = [
    _chunk({"role": "assistant", "content": ""}),
    _chunk({"content": "Hel"}),
    _chunk({"content": "lo"}),
    _chunk(_call(0, "", id="c0", type="function", function={"name": "look"})),
    _chunk(_call(0, '{"at":')),
    _chunk(_call(0, ' "sky"}')),
    _chunk(_call(1, "{}", id="c1", type="function", function={"name": "stop"})),
    _chunk({}, "tool_calls"),
    _chunk(None, usage={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}),
]
CHAT_PARTS = [
    {"type": "text", "content": "Hello"},
    {"type": "tool_call", "id": "c0", "name": "look", "arguments": {"at": "sky"}},
    {"type": "tool_call", "id": "c1", "name": "stop", "arguments": {}},
]

_RESPONSE = {
    "id": "resp_9",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-x",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
_DONE = {
    **_RESPONSE,
    "status": "completed",
    "output": [
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 9,
        "output_tokens": 2,
        "total_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}
_AT = {"item_id": "m", "output_index": 0, "content_index": 0, "logprobs": []}
RESPONSES = [
    {"type": "response.created", "sequence_number": 0, "response": {**_RESPONSE, "status": "in_progress"}},
    {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Hel", **_AT},
    {"type": "response.output_text.delta", "sequence_number": 2, "delta": "lo", **_AT},
    {"type": "response.completed", "sequence_number": 3, "response": _DONE},
]

ANTHROPIC = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_9",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 4},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "tu", "name": "look", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"at":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"sky"}'}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 12},
    },
    {"type": "message_stop"},
]
ANTHROPIC_PARTS = [
    {"type": "text", "content": "Hello"},
    {"type": "tool_call", "id": "tu", "name": "look", "arguments": {"at": "sky"}},
]


def _sse(path: str) -> bytes:
    if path.endswith("/chat/completions"):
        return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in CHAT) + b"data: [DONE]\n\n"
    events = RESPONSES if path.endswith("/responses") else ANTHROPIC
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode()) for event in events
    )


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = _sse(self.path)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.fixture(scope="module")
def gpt(server: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=server + "/v1", api_key="k", max_retries=0)


@pytest.fixture(scope="module")
def claude(server: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server, api_key="k", max_retries=0)


def check(spans: Recorded, parts: list[Any], model: str, usage: tuple[int, int]) -> dict[str, Any]:
    attributes = spans.attributes("call")
    assert parsed(attributes["gen_ai.output.messages"])[0]["parts"] == parts
    assert attributes["gen_ai.response.model"] == model
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == usage
    assert "tracekit.stream.incomplete" not in attributes
    assert spans.one("call").status.status_code is StatusCode.UNSET
    return attributes


def check_first_token(spans: Recorded) -> None:
    assert spans.attributes("call")["gen_ai.response.time_to_first_chunk"] > 0
    [event] = [event for event in spans.one("call").events if event.name == "First Token Stream Event"]
    span = spans.one("call")
    assert span.start_time is not None and span.end_time is not None
    assert span.start_time <= event.timestamp <= span.end_time


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
