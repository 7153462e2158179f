"""A judge for tests: speaks OpenAI's protocol, and fails a third of the time in every way that judges fail."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: How long it says nothing, where that is its fault: longer than whoever asks waits.
SILENCE_S = 1.0
FAULTS = ("429", "500", "garbage", "unfit", "silence")


class FlakyJudge:
    """``answered`` counts what it did; ``share`` is how many of its answers are faults. While ``hold`` is cleared it
    answers nothing; ``asked`` counts every question."""

    def __init__(self, seed: int = 1, share: float = 1 / 3) -> None:
        self.answered: Counter[str] = Counter()
        self.share = share
        self.asked = 0
        self.hold = threading.Event()
        self.hold.set()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def choose(self) -> str:
        with self._lock:
            fails = self._random.random() < self.share
            chosen = self._random.choice(FAULTS) if fails else "good"
            self.answered[chosen] += 1
            return chosen


def _handler(judge: FlakyJudge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            judge.asked += 1
            judge.hold.wait(120)
            chosen = judge.choose()
            try:
                self._answer(chosen, body)
            except OSError:
                pass  # whoever asked was killed, or has gone

        def _answer(self, chosen: str, body: dict[str, Any]) -> None:
            if chosen == "silence":
                time.sleep(SILENCE_S)
            if chosen in ("429", "500"):
                self._send(int(chosen), b'{"error": {"message": "not now"}}')
            elif chosen == "garbage":
                self._send(200, b"<html>gateway</html>")
            else:
                text = "as you like it" if chosen == "unfit" else json.dumps(_choice(body))
                self._send(200, json.dumps(_completion(body["model"], text)).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _choice(body: dict[str, Any]) -> dict[str, str]:
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    return {"explanation": "It says what was asked.", "label": properties["label"]["enum"][0]}


def _completion(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "c",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220},
    }


@contextmanager
def flaky_judge(seed: int = 1) -> Iterator[FlakyJudge]:
    judge = FlakyJudge(seed)
    thread = threading.Thread(target=judge.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        judge.server.shutdown()
        judge.server.server_close()
        thread.join(5)
