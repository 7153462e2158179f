"""Streams of chat chunks and events as providers send them, a server of them, and clients of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode
from sdk_support import Recorded, parsed

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
