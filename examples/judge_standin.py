"""A judge stand-in: judges deterministically over HTTP in the OpenAI protocol, so that evaluations need no API key.

    python -m examples.judge_standin --port 8322
    python -m examples.judge_standin --port 8322 --fail-share 0.33 --fail-kinds 429,500,garbage,timeout

Prompts of ``tracekit.evals`` are judged by simple rules about words (see ``judge_answers``); anything else is answered
as the model stand-in answers it. Which requests fail is a function of the seed and the request's number, so the same
sequence of requests always fares the same.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import threading
from typing import Any

if __package__:
    from . import judge_answers as judges
    from . import model_standin as base
else:  # run as a script
    import judge_answers as judges
    import model_standin as base

#: 429, 500 and 503 as statuses; garbage: an answer that holds no judgement; label: one that is no choice; broken: no
#: JSON at all; timeout: nothing for ``hang_s``, then the connection ends.
KINDS = ("429", "500", "503", "garbage", "label", "broken", "timeout")


class JudgeStandIn(base.StandIn):
    """``asked`` counts the chat requests, ``failed`` those that failed by kind. ``retry_after_s`` goes with a 429."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        fail_share: float = 0.0,
        fail_kinds: tuple[str, ...] = ("429", "500", "garbage", "timeout"),
        seed: int = 0,
        hang_s: float = 5.0,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(host, port)
        self.RequestHandlerClass = Handler
        self.fail_share, self.fail_kinds, self.seed = fail_share, fail_kinds, seed
        self.hang_s, self.retry_after_s = hang_s, retry_after_s
        self.stopping = threading.Event()
        self.failed: dict[str, int] = {}
        self.asked = 0
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def next_fault(self) -> str | None:
        """How the next request fails; None where it does not."""
        with self._lock:
            number = next(self._numbers)
            self.asked += 1
            kind = fault_of(self.seed, number, self.fail_share, self.fail_kinds)
            if kind is not None:
                self.failed[kind] = self.failed.get(kind, 0) + 1
            return kind

    def shutdown(self) -> None:
        self.stopping.set()
        super().shutdown()


def fault_of(seed: int, number: int, share: float, kinds: tuple[str, ...]) -> str | None:
    """Of the request with this number. Pure."""
    digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
    if not kinds or int.from_bytes(digest[:6], "big") / 2**48 >= share:
        return None
    return kinds[digest[6] % len(kinds)]


class Handler(base.Handler):
    server: JudgeStandIn

    def chat(self, body: dict[str, Any]) -> None:
        fault = self.server.next_fault()
        if fault in ("429", "500", "503"):
            return self.fail(int(fault))
        if fault == "timeout":
            self.server.stopping.wait(self.server.hang_s)
            self.close_connection = True
            return None
        if fault == "broken":
            return self.broken()
        if body.get("stream"):
            return self.stream(body)
        whole = base.complete(body)
        judged = judges.judge(body["messages"], schema_of(body))
        if judged is not None:
            if fault == "label":
                judged = judged | {"label": "purple"} if "label" in judged else {"label": "purple"}
            text = "As a stand-in I would rather not say." if fault == "garbage" else json.dumps(judged)
            message = {"role": "assistant", "content": text}
            whole["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
            whole["usage"] = base.usage(body, message)
        self.reply(200, whole)

    def fail(self, status: int) -> None:
        message = "Rate limit reached" if status == 429 else "The server had an error while processing your request"
        kind = "rate_limit_exceeded" if status == 429 else "server_error"
        headers = {"retry-after": f"{self.server.retry_after_s:g}"} if status == 429 else {}
        self.reply(status, {"error": {"message": message, "type": kind, "param": None, "code": kind}}, headers)

    def broken(self) -> None:
        text = b"<html><body>upstream connect error</body></html>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON Schema that a request forces; raises Refused for a response format that there is not."""
    wanted = body.get("response_format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_schema" and isinstance(wanted.get("json_schema"), dict):
        schema = wanted["json_schema"].get("schema")
        return schema if isinstance(schema, dict) else None
    if kind in ("text", "json_object"):
        return None
    raise base.Refused(400, f"Invalid response_format: {kind!r}", "invalid_request_error", param="response_format")


def main() -> None:
    parser = argparse.ArgumentParser(description="A judge stand-in in the OpenAI protocol.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8322, help="0 picks a free one")
    parser.add_argument("--fail-share", type=float, default=0.0, help="which share of requests fails, 0 to 1")
    parser.add_argument("--fail-kinds", default="429,500,garbage,timeout", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=0, help="which requests fail")
    parser.add_argument("--hang-s", type=float, default=5.0, help="how long a request that times out is kept waiting")
    parser.add_argument("--retry-after-s", type=float, default=0.0, help="what a 429 says")
    options = parser.parse_args()
    kinds = tuple(kind for kind in options.fail_kinds.split(",") if kind)
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--fail-kinds: there is no {', '.join(sorted(unknown))}")
    try:
        server = JudgeStandIn(
            options.host,
            options.port,
            options.fail_share,
            kinds,
            options.seed,
            options.hang_s,
            options.retry_after_s,
        )
    except OSError as error:
        sys.exit(f"cannot listen on port {options.port}: {error.strerror}; choose another with --port")
    print(f"judge stand-in: OPENAI_BASE_URL={server.base_url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
