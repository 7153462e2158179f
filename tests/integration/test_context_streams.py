"""Streams of the real clients, however they end: one span under its caller, nothing logged; and how fast they came."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pytest
from context_support import Spans, frozen, spans
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode

from collector.model import Span, Usage
from examples.model_standin import StandIn
from tracekit import trace

__all__ = ["frozen", "spans"]

QUESTION: Any = {"role": "user", "content": "Tell me about the kettle."}


def _event(kind: str, **more: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **more}).encode())


def _claude() -> bytes:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    end = {"stop_reason": None, "stop_sequence": None}
    deltas = [
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"word{number} "})
        for number in range(5)
    ]
    return b"".join(
        [
            _event("message_start", message={**message, **end, "usage": {"input_tokens": 5, "output_tokens": 1}}),
            _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *deltas,
            _event("content_block_stop", index=0),
            _event("message_delta", delta={**end, "stop_reason": "end_turn"}, usage={"output_tokens": 6}),
            _event("message_stop"),
        ]
    )


class _Claude(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = _claude()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Model(StandIn):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client goes away in the middle: that is what is tested."""


@contextlib.contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def gpt() -> Iterator[str]:
    with served(_Model(tokens_per_second=500)) as url:
        yield url + "/v1"


@pytest.fixture(scope="module")
def claude() -> Iterator[str]:
    with served(ThreadingHTTPServer(("127.0.0.1", 0), _Claude)) as url:
        yield url


ASKED = {"model": "gpt-4o", "messages": [QUESTION], "stream": True}
CLAUDE: dict[str, Any] = {"model": "claude-opus-5", "max_tokens": 99, "messages": [QUESTION]}


def gpt_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="k", http_client=openai.DefaultHttpxClient(verify=False))


def agpt_client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key="k", http_client=openai.DefaultAsyncHttpxClient(verify=False))


def claude_client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="k", http_client=anthropic.DefaultHttpxClient(verify=False))


def aclaude_client(url: str) -> anthropic.AsyncAnthropic:
    client = anthropic.DefaultAsyncHttpxClient(verify=False)
    return anthropic.AsyncAnthropic(base_url=url, api_key="k", http_client=client)


CALLS = {
    "chat": lambda gpt, _: gpt_client(gpt).chat.completions.create(**ASKED),
    "messages": lambda _, url: claude_client(url).messages.create(stream=True, **CLAUDE),
    "helper": lambda _, url: claude_client(url).messages.stream(**CLAUDE),
}
ACALLS = {
    "chat": lambda gpt, _: agpt_client(gpt).chat.completions.create(**ASKED),
    "messages": lambda _, url: aclaude_client(url).messages.create(stream=True, **CLAUDE),
    "helper": lambda _, url: aclaude_client(url).messages.stream(**CLAUDE),
}


def left_in_a_with_block(stream: Any) -> None:
    with stream as opened:
        for _ in opened:
            break


def failed_in_a_with_block(stream: Any) -> None:
    with pytest.raises(KeyError), stream as opened:
        next(iter(opened))
        raise KeyError


def closed(stream: Any) -> None:
    next(iter(stream))
    stream.close()
    stream.close()


def dropped(stream: Any) -> None:
    next(iter(stream))


def closed_in_a_thread(stream: Any) -> None:
    next(iter(stream))
    thread = threading.Thread(target=stream.close)
    thread.start()
    thread.join()


def exhausted(stream: Any) -> None:
    assert list(stream)


def in_a_with_block(stream: Any) -> None:
    with stream as opened:
        assert list(opened)


async def aleft_in_a_with_block(stream: Any) -> None:
    async with stream as opened:
        async for _ in opened:
            break


async def aclosed(stream: Any) -> None:
    await anext(aiter(stream))
    await stream.close()


async def adropped(stream: Any) -> None:
    await anext(aiter(stream))


async def acancelled(stream: Any) -> None:
    async def consume() -> None:
        async for _ in stream:
            reached.set()
            await asyncio.sleep(60)

    reached = asyncio.Event()
    task = asyncio.create_task(consume())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def aclosed_in_another_task(stream: Any) -> None:
    await anext(aiter(stream))
    await asyncio.create_task(stream.close())


async def aexhausted(stream: Any) -> None:
    assert [chunk async for chunk in stream]


async def ain_a_with_block(stream: Any) -> None:
    async with stream as opened:
        assert [chunk async for chunk in opened]


ENDS = [left_in_a_with_block, failed_in_a_with_block, closed, dropped, closed_in_a_thread, exhausted, in_a_with_block]
AENDS = [
    aleft_in_a_with_block,
    aclosed,
    adropped,
    acancelled,
    aclosed_in_another_task,
    aexhausted,
    ain_a_with_block,
]


def cases(calls: Any, ends: list[Any]) -> list[Any]:
    return [
        pytest.param(call, end, id=f"{name}-{end.__name__}")
        for name, call in calls.items()
        for end in ends
        if name == "chat" or "with_block" in end.__name__ or (name == "messages" and "dropped" in end.__name__)
    ]


def check(spans: Spans, end: Any, caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    assert spans.parents() == {"caller": None, "call": "caller"}
    span = spans.one("call")
    failed = end is failed_in_a_with_block
    assert span.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
    complete = end in (exhausted, in_a_with_block, aexhausted, ain_a_with_block)
    assert ("tracekit.stream.incomplete" not in (span.attributes or {})) is complete
    assert not otel.get_current_span().get_span_context().is_valid
    said = [record for record in caplog.records if record.name.startswith(("tracekit", "opentelemetry"))]
    assert said == [], "what the clients themselves leave open, asyncio may report"


@pytest.mark.parametrize(("call", "end"), cases(CALLS, ENDS))
def test_a_stream_ends(
    spans: Spans, gpt: str, claude: str, call: Any, end: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    with trace.span("caller"):
        stream = trace.llm(name="call")(call)(gpt, claude)
    end(stream)
    del stream
    check(spans, end, caplog)


@pytest.mark.parametrize(("call", "end"), cases(ACALLS, AENDS))
def test_an_asynchronous_stream_ends(
    spans: Spans, gpt: str, claude: str, call: Any, end: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with trace.span("caller"):
            stream = trace.llm(name="call")(call)(gpt, claude)
            stream = await stream if asyncio.iscoroutine(stream) else stream
        await end(stream)
        del stream
        gc.collect()

    asyncio.run(run())
    check(spans, end, caplog)


@given(
    start=st.integers(0, 2**62),
    lasted=st.integers(0, 10**12),
    first=st.none() | st.integers(0, 10**12),
    tokens=st.none() | st.integers(0, 10**9),
    estimated=st.booleans(),
)
def test_speed_is_counted_from_the_first_token_or_unknown(
    start: int, lasted: int, first: int | None, tokens: int | None, estimated: bool
) -> None:
    usage = Usage(output_tokens=tokens, estimated=estimated)
    span = Span(b"t" * 16, b"s" * 8, None, "call", start, start + lasted, time_to_first_token_ns=first, usage=usage)
    known = first is not None and bool(tokens) and not estimated and lasted - first >= 1_000_000
    assert (span.tokens_per_second is not None) is known
    if known and first is not None and tokens is not None:
        assert span.tokens_per_second == pytest.approx(tokens / ((lasted - first) / 1e9))
