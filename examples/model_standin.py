"""A model stand-in: answers deterministically over HTTP in the OpenAI protocol, so that examples need no API key.

    python -m examples.model_standin --port 8321
    OPENAI_BASE_URL=http://127.0.0.1:8321/v1 OPENAI_API_KEY=none python -m examples.rag

Knows ``/v1/chat/completions`` (streamed too, tools too), ``/v1/embeddings`` and ``/v1/models``. Any model whose name
looks like one of OpenAI's or Anthropic's answers. A user who writes "please rate-limit-me" gets status 429.
The standard library alone; what is said is in ``model_answers``.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import re
import struct
import sys
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

if __package__:
    from . import model_answers as says
else:  # run as a script
    import model_answers as says

#: What was asked for -> what answers, as the real ones name their snapshots.
SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "text-embedding-3-small": "text-embedding-3-small",
}
MODEL_NAMES = re.compile(r"^(gpt-|o\d|chatgpt-|claude-|text-embedding-)")
MAX_BODY = 16 * 2**20
CONTEXT_TOKENS = 128_000


class Refused(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(self, status: int, message: str, kind: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """A chat request that can be answered; raises Refused."""
    model, messages = check_model(body), body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Refused(400, "'messages' must be a list of messages", "invalid_request_error", param="messages")
    if any("rate-limit-me" in says.text_of(m) for m in messages if m.get("role") == "user"):
        text = f"Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3. Please try again in 20s."
        raise Refused(429, text, "requests", "rate_limit_exceeded")
    if count(messages, body) > CONTEXT_TOKENS:
        text = f"This model's maximum context length is {CONTEXT_TOKENS} tokens."
        raise Refused(400, text, "invalid_request_error", "context_length_exceeded", "messages")
    return body


def check_model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not MODEL_NAMES.match(model):
        raise Refused(404, f"The model '{model}' does not exist", "invalid_request_error", "model_not_found", "model")
    return model


def count(messages: list[Any], body: dict[str, Any]) -> int:
    """Tokens of a prompt: four for each message's frame, its text and calls, and the tools offered."""
    tools = says.tokens(json.dumps(body["tools"])) if body.get("tools") else 0
    calls = sum(says.tokens(json.dumps(m["tool_calls"])) for m in messages if m.get("tool_calls"))
    return 3 + tools + calls + sum(4 + says.tokens(says.text_of(m)) for m in messages)


def complete(body: dict[str, Any]) -> dict[str, Any]:
    """The whole answer to a chat request."""
    messages = body["messages"]
    offered = body.get("tools") if body.get("tool_choice") != "none" else None
    calls = [
        {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in ((n, says.encode(a)) for n, a in says.calls_wanted(messages, offered or []))
    ]
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else says.answer(messages)}
    if calls:
        message["tool_calls"] = calls
    reason, limit = "tool_calls" if calls else "stop", body.get("max_completion_tokens") or body.get("max_tokens")
    if message["content"] and limit and says.tokens(message["content"]) > limit:
        message["content"], reason = cut(message["content"], limit), "length"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:29]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": SNAPSHOTS.get(body["model"], body["model"]),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": usage(body, message),
    }


def cut(text: str, limit: int) -> str:
    parts = re.findall(r"\s*\S+", text)
    kept = list(itertools.accumulate(parts))
    return next((t for t in reversed(kept) if says.tokens(t) <= limit), "")


def usage(body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """As OpenAI counts: what came before the last message is cached in steps of 128 from 1,024 tokens on."""
    prompt = count(body["messages"], body)
    output = says.tokens(message["content"] or json.dumps(message.get("tool_calls")))
    before = count(body["messages"][:-1], body)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": before // 128 * 128 if before >= 1024 else 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def chunks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same answer in pieces, as a stream sends them."""
    whole = complete(body)
    choice, counted = whole["choices"][0], (body.get("stream_options") or {}).get("include_usage")
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    head |= {"usage": None} if counted else {}

    def piece(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}

    yield piece({"role": "assistant", "content": "" if choice["message"]["content"] else None})
    for part in re.findall(r"\s*\S+", choice["message"]["content"] or ""):
        yield piece({"content": part})
    for index, call in enumerate(choice["message"].get("tool_calls", [])):
        yield piece({"tool_calls": [call | {"index": index}]})
    yield piece({}, choice["finish_reason"])
    if counted:
        yield head | {"choices": [], "usage": whole["usage"]}


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    model, texts = check_model(body), body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    dimensions = body.get("dimensions", 1536)
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Refused(400, "'input' must be a string or a list of strings", "invalid_request_error", param="input")
    if not isinstance(dimensions, int) or not 0 < dimensions <= 3072:
        raise Refused(400, "'dimensions' must lie between 1 and 3072", "invalid_request_error", param="dimensions")
    vectors: list[Any] = [says.embed(text, dimensions) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{dimensions}f", *v)).decode() for v in vectors]
    used = sum(map(says.tokens, texts))
    return {
        "object": "list",
        "model": SNAPSHOTS.get(model, model),
        "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        if self.path.rstrip("/") != "/v1/models":
            return self.refuse(Refused(404, f"Unknown path {self.path}", "invalid_request_error"))
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "stand-in"} for name in SNAPSHOTS]
        self.reply(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        try:
            body = self.read()
            if self.path == "/v1/chat/completions":
                self.chat(checked(body))
            elif self.path == "/v1/embeddings":
                self.reply(200, embeddings(body))
            else:
                raise Refused(404, f"Unknown path {self.path}", "invalid_request_error")
        except Refused as refusal:
            self.refuse(refusal)

    def chat(self, body: dict[str, Any]) -> None:
        if body.get("stream"):
            return self.stream(body)
        whole = complete(body)
        self.wait(whole["usage"]["completion_tokens"])
        self.reply(200, whole)

    def stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in [*map(json.dumps, chunks(body)), "[DONE]"]:
            self.wait(1)
            line = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def wait(self, tokens: int) -> None:
        if speed := getattr(self.server, "tokens_per_second", 0):
            time.sleep(tokens / speed)

    def read(self) -> dict[str, Any]:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            raise Refused(
                413 if length.isdecimal() else 411, "A body of known, bounded length", "invalid_request_error"
            )
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "We could not parse the JSON body of your request", "invalid_request_error")
        return body

    def refuse(self, refusal: Refused) -> None:
        self.reply(refusal.status, refusal.body, {"retry-after": "20"} if refusal.status == 429 else {})

    def reply(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the traces tell what was asked."""


class StandIn(ThreadingHTTPServer):
    """``base_url`` is what a client's OPENAI_BASE_URL wants; ``tokens_per_second`` 0 answers at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tokens_per_second: float = 0) -> None:
        super().__init__((host, port), Handler)
        self.tokens_per_second = tokens_per_second
        self.base_url = f"http://{host}:{self.server_address[1]}/v1"


def main() -> None:
    parser = argparse.ArgumentParser(description="A model stand-in in the OpenAI protocol.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8321, help="0 picks a free one")
    parser.add_argument("--tokens-per-second", type=float, default=0, help="how fast it speaks; 0: at once")
    options = parser.parse_args()
    try:
        server = StandIn(options.host, options.port, options.tokens_per_second)
    except OSError as error:
        sys.exit(f"cannot listen on port {options.port}: {error.strerror}; choose another with --port")
    print(f"model stand-in: OPENAI_BASE_URL={server.base_url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
