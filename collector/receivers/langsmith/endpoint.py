"""LangSmith's ingest over HTTP: an ASGI application for everything under ``/langsmith``.

Its clients put their endpoint before each path as it is, so every path is there with ``/api/v1`` before it as well.
What is not about sending is left to the application behind this one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

import orjson
import structlog

from collector import via
from collector.asgi import App, Headers, Receive, Scope, Send, headers_of, respond
from collector.metrics import Metrics
from collector.receivers.body import (
    ByteBudget,
    Disconnected,
    Encoding,
    Lease,
    Limits,
    decompress,
    encoding_of,
    read_body,
)
from collector.receivers.langsmith import messages
from collector.receivers.langsmith.info import info
from collector.receivers.langsmith.ingest import RETRY_AFTER_S, Ingest
from collector.receivers.langsmith.messages import Received
from collector.receivers.otlp_http import drain
from collector.receivers.refusal import INTERNAL, UNAVAILABLE, Refusal, of_storage
from collector.storage.api import StorageError

PREFIX: Final = "/langsmith"
#: What a client's endpoint may have behind the prefix.
_BASES: Final = ("/api/v1", "/api", "")
JSON: Final[Headers] = [(b"content-type", b"application/json")]
_LEAVING: Final = Refusal(503, UNAVAILABLE, "the collector is shutting down", RETRY_AFTER_S)
_USUAL_RATIO: Final = 8
_VIA: Final = via.HEADER.encode()

#: Status, body, headers.
Answer = tuple[int, bytes, Headers]
#: Of a body and its Content-Type.
Decode = Callable[[bytes, str], Received]

log = structlog.get_logger("collector.receivers.langsmith")


class LangSmith:
    """``others`` takes everything that is not about sending runs, and sees the path without its base."""

    def __init__(self, ingest: Ingest, others: App, limits: Limits, budget: ByteBudget, metrics: Metrics) -> None:
        self._ingest = ingest
        self._others = others
        self._limits = limits
        self._budget = budget
        self._metrics = metrics
        self._info = orjson.dumps(info(limits))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = _path(scope["path"]), scope["method"]
        if path in ("/", "/info") and method in ("GET", "HEAD"):
            await respond(send, 200, JSON, self._info)
        elif (decode := _decoder(method, path)) is not None:
            await self._take(decode, scope, receive, send)
        else:
            await self._others({**scope, "path": path}, receive, send)

    async def _take(self, decode: Decode, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        unread = True
        with Lease(self._budget) as lease:
            try:
                encoding = encoding_of(headers.get(b"content-encoding", ""))
                body = await read_body(receive, headers.get(b"content-length"), self._limits, lease)
                unread = False
                answer = await self._answer(decode, headers, body, encoding, lease)
            except Disconnected:
                self._metrics.request("http", "langsmith", "json", 499)
                return
            except Refusal as refusal:
                answer = _refused(refusal)
            except asyncio.CancelledError:
                # The server waits no longer: the last thing to do is to say so.
                answer = _refused(_LEAVING)
        status, content, extra = answer
        self._metrics.request("http", "langsmith", "json", status)
        if unread:
            extra = [*extra, (b"connection", b"close")]
        # A sender that waits for "100 Continue" has sent nothing yet, and now will not.
        unread = unread and b"expect" not in headers
        await respond(send, status, [*JSON, *extra], content, more=unread)
        if unread:
            await drain(receive)
            await send({"type": "http.response.body", "body": b""})

    async def _answer(
        self, decode: Decode, headers: dict[bytes, str], body: bytes, encoding: Encoding, lease: Lease
    ) -> Answer:
        def decoded() -> Received:
            unpacked = decompress(body, encoding, self._limits.decompressed_bytes, lease)
            return decode(unpacked, headers.get(b"content-type", ""))

        size = len(body) if encoding == "identity" else len(body) * _USUAL_RATIO
        try:
            received = await self._ingest.store(size, decoded, headers.get(_VIA))
        except StorageError as error:
            return _refused(of_storage(error))
        except Refusal:
            raise
        except Exception:
            log.exception("a request failed", signal="langsmith")
            return _refused(Refusal(500, INTERNAL, "the collector failed; its log says why"))
        if received.rejected:
            log.warning("runs were refused", rejected=received.rejected, reasons=received.reasons)
        answer = {"message": "accepted", "rejected": received.rejected, "errors": received.reasons}
        return 202, orjson.dumps(answer), []


def _path(path: str) -> str:
    """What is asked for, without prefix, base and a slash at its end."""
    path = path[len(PREFIX) :]
    base = next(base for base in _BASES if path == base or path.startswith(base + "/") or not base)
    return path[len(base) :].rstrip("/") or "/"


def _decoder(method: str, path: str) -> Decode | None:
    if method == "POST":
        return _POSTED.get(path)
    head, _, run_id = path.rpartition("/")
    if method == "PATCH" and head == "/runs":
        return lambda body, _: messages.of_run(body, "patch", run_id)
    return None


_POSTED: Final[dict[str, Decode]] = {
    "/runs/multipart": messages.of_multipart,
    "/runs/batch": lambda body, _: messages.of_batch(body),
    "/runs": lambda body, _: messages.of_run(body, "post"),
}


def _refused(refusal: Refusal) -> Answer:
    """In LangSmith's form. The client tries four times and then drops what it has: its tries have to reach far."""
    headers: Headers = []
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(math.ceil(max(refusal.retry_after_s, RETRY_AFTER_S))).encode()))
    return refusal.status, orjson.dumps({"detail": refusal.message}), headers
