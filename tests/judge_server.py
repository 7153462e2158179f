"""A server that is as strict as those of OpenAI and Anthropic, and answers as a test scripts it.

It refuses malformed requests the way the real ones do (``test_judge_protocols`` proves it with their own clients), and
keeps what it was asked. Scripted answers are taken in order; without one, the first label of the schema is chosen.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789abcdef"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


@dataclass
class Answer:
    """``text``: what the model says (for a forced tool: its input as JSON). ``status`` other than 200 is an error with
    ``text`` as its message. ``raw``: these bytes as the body. ``drip_s``: seconds between single bytes of the body.
    ``hang``: nothing at all until the server stops. ``cut``: the connection ends within the body."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drip_s: float = 0.0
    hang: bool = False
    cut: bool = False
    usage: Any = None


class Bad(Exception):
    def __init__(
        self, status: int, message: str, kind: str = "invalid_request_error", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.param = status, kind, param or None


class JudgeServer(ThreadingHTTPServer):
    """``refuses``: what of OpenAI's requests it does not take, as some servers and models do not. ``chooser`` makes an
    answer of a request's body where nothing is scripted."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        self.script: list[Answer] = []
        self.refuses: set[str] = set()
        self.chooser: Callable[[dict[str, Any]], Answer] = first_label
        self.requests: list[dict[str, Any]] = []
        self.headers_seen: list[dict[str, str]] = []
        self.running = self.most_running = 0
        self.hold = threading.Event()
        self.hold.set()
        self.stopping = threading.Event()
        self.lock = threading.Lock()

    def again(self) -> None:
        """As new, for the next test."""
        self.script, self.refuses, self.chooser = [], set(), first_label
        self.requests, self.headers_seen, self.most_running = [], [], 0
        self.hold.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave early are what tests are about."""


@contextmanager
def judge_server() -> Iterator[JudgeServer]:
    with JudgeServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopping.set()
        server.hold.set()
        server.shutdown()
        thread.join()


def labels(body: dict[str, Any]) -> list[str]:
    """Those that a request's schema forces, or that its prompt lists."""
    schema = body.get("tools", [{}])[0].get("input_schema") or (
        (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    )
    if schema:
        return list(schema["properties"]["label"]["enum"])
    listed = re.findall(r'^- ("(?:[^"\\]|\\.)*")(?::|$)', body["messages"][-1]["content"], re.M)
    return [json.loads(label) for label in listed]


def says(label: Any, explanation: Any = "Because.") -> Answer:
    return Answer(json.dumps({"explanation": explanation, "label": label}))


def first_label(body: dict[str, Any]) -> Answer:
    found = labels(body)
    return says(found[0]) if found else Answer("Hello.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: JudgeServer

    def do_POST(self) -> None:
        server = self.server
        openai = self.path == "/v1/chat/completions"
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with server.lock:
            server.running += 1
            server.most_running = max(server.most_running, server.running)
        server.hold.wait(30)
        with server.lock:  # before the answer: after it, the client may have sent its next request
            server.running -= 1
        try:
            value = self.checked(body, openai)
        except Bad as bad:
            return self.send(bad.status, error_body(openai, str(bad), bad.kind, bad.param))
        with server.lock:
            server.requests.append(value)
            server.headers_seen.append({name.lower(): text for name, text in self.headers.items()})
            answer = server.script.pop(0) if server.script else None
        self.give(answer or server.chooser(value), value, openai)

    def checked(self, raw: bytes, openai: bool) -> dict[str, Any]:
        if not openai and self.path != "/v1/messages":
            raise Bad(404, f"Unknown request URL: POST {self.path}")
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not openai:  # Anthropic's client sends the one or the other, by its version
            key = self.headers.get("x-api-key", key)
        if key != KEY:
            raise Bad(401, f"Incorrect API key provided: {key}", "authentication_error")
        version = self.headers.get("anthropic-version")
        refused = self.server.refuses
        if not openai and (version not in ("2023-06-01", "2026-10-21") or version in refused):
            raise Bad(400, f"anthropic-version: {version!r} is not a valid version")
        try:
            body = json.loads(raw)
        except ValueError:
            raise Bad(400, "We could not parse the JSON body of your request.") from None
        if version == "2026-10-21":
            refused = refused | {"temperature"}
        (check_openai if openai else check_anthropic)(body, refused)
        return dict(body)

    def give(self, answer: Answer, body: dict[str, Any], openai: bool) -> None:
        if answer.hang:
            self.server.stopping.wait(30)
            self.close_connection = True
            return
        if answer.raw is not None:
            payload = answer.raw
        elif answer.status != 200:
            payload = json.dumps(error_body(openai, answer.text, "server_error")).encode()
        else:
            payload = json.dumps((openai_body if openai else anthropic_body)(answer, body)).encode()
        self.send(answer.status, payload, answer)

    def send(self, status: int, body: Any, answer: Answer | None = None) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = answer or Answer()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        for name, text in answer.headers.items():
            self.send_header(name, text)
        self.end_headers()
        if answer.cut:
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True
            return
        for piece in [payload[i : i + 1] for i in range(len(payload))] if answer.drip_s else [payload]:
            self.wfile.write(piece)
            if answer.drip_s and self.server.stopping.wait(answer.drip_s):
                return

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def error_body(openai: bool, message: str, kind: str, param: str | None = None) -> dict[str, Any]:
    if openai:
        return {"error": {"message": message, "type": kind, "param": param, "code": None}}
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def check_common(body: dict[str, Any], known: set[str], roles: set[str]) -> None:
    if unknown := sorted(set(body) - known):
        raise Bad(400, f"Unrecognized request argument supplied: {unknown[0]}", param=unknown[0])
    if not isinstance(body.get("model"), str):
        raise Bad(400, "you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Bad(400, "messages: at least one message is required", param="messages")
    for at, message in enumerate(messages):
        if message.get("role") not in roles:
            raise Bad(400, f"messages.{at}.role: Input should be one of {sorted(roles)}", param="messages")
        if not isinstance(message.get("content"), str | list):
            raise Bad(400, f"Invalid type for 'messages[{at}].content'", param="messages")
        if isinstance(message["content"], str):
            message["content"].encode()


def check_openai(body: dict[str, Any], refuses: set[str]) -> None:
    known = {"model", "messages", "temperature", "seed", "max_tokens", "max_completion_tokens", "response_format"}
    check_common(body, known, {"system", "developer", "user", "assistant", "tool"})
    if "max_tokens" in refuses and "max_tokens" in body:
        text = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Bad(400, text, param="max_tokens")
    if "temperature" in refuses and "temperature" in body:
        text = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is."
        raise Bad(400, text, param="temperature")
    if "seed" in refuses and "seed" in body:
        raise Bad(422, "Extra inputs are not permitted: seed", param="seed")
    wanted = body.get("response_format", {"type": "text"})
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise Bad(400, f"Invalid value: '{kind}'.", param="response_format.type")
    if kind in refuses:
        text = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
        raise Bad(400, text, param="response_format")
    if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Bad(400, text, param="messages")
    if kind == "json_schema":
        check_strict_schema(wanted["json_schema"])


def check_strict_schema(wanted: dict[str, Any]) -> None:
    """OpenAI's conditions for ``strict``: every property required, nothing additional."""
    if not _NAME.match(str(wanted.get("name", ""))):
        raise Bad(400, "Invalid 'response_format.json_schema.name'", param="response_format.json_schema.name")
    schema = wanted.get("schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Bad(400, "schema must be a JSON Schema of 'type: \"object\"'", param="response_format")
    if wanted.get("strict") and (
        schema.get("additionalProperties") is not False or set(schema.get("required", [])) != set(schema["properties"])
    ):
        raise Bad(
            400, "Invalid schema for response_format: 'additionalProperties' is required to be false", param="schema"
        )


def check_anthropic(body: dict[str, Any], refuses: set[str]) -> None:
    known = {"model", "messages", "max_tokens", "system", "temperature", "tools", "tool_choice"}
    check_common(body, known, {"user", "assistant"})
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise Bad(400, "max_tokens: Field required")
    if not 0 <= body.get("temperature", 1) <= 1:
        raise Bad(400, "temperature: range: 0..1")
    if "temperature" in refuses and "temperature" in body:
        raise Bad(400, "temperature: Extra inputs are not permitted")
    if any(message["content"] == "" for message in body["messages"]):
        raise Bad(400, "messages: text content blocks must be non-empty")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if "tool_choice" in refuses:
        raise Bad(400, "tool_choice: forcing tool use is not supported with this model")
    names = [tool.get("name") for tool in body.get("tools", [])]
    if any(not _NAME.match(str(name)) for name in names) or any("input_schema" not in tool for tool in body["tools"]):
        raise Bad(400, "tools.0.input_schema: Field required")
    if choice.get("type") == "tool" and choice.get("name") not in names:
        raise Bad(400, f"Tool '{choice.get('name')}' not found in provided tools")


def openai_body(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": f"{body['model']}-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": answer.usage or {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def anthropic_body(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    try:
        given = json.loads(answer.text)
    except ValueError:
        given = None
    forced = isinstance(given, dict) and "tool_choice" in body
    tool = {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": given} if forced else None
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": f"{body['model']}-20250929",
        "content": [tool or {"type": "text", "text": answer.text}],
        "stop_reason": "tool_use" if forced else "end_turn",
        "stop_sequence": None,
        "usage": answer.usage or {"input_tokens": 100, "output_tokens": 20},
    }
