"""OTLP over HTTP: an ASGI application for ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from collector import via
from collector.asgi import Headers, Receive, Scope, Send, headers_of, respond
from collector.codec.otlp import MalformedBody, decode_traces_json
from collector.metrics import Metrics
from collector.model import SpanBatch
from collector.pipeline import WANTED, Pipeline
from collector.receivers import answers, unstored
from collector.receivers.answers import MEDIA_TYPES, TRACES, Media, Signal
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
from collector.receivers.refusal import INTERNAL, UNAVAILABLE, UNIMPLEMENTED, Refusal, malformed, of_storage
from collector.receivers.shape import decode_protobuf
from collector.storage.api import StorageError
from tracekit.semconv import COLLECTOR_HEADER

#: A refused body is read on for so long, so that a sender still busy sending gets to read the answer.
_DRAIN_SECONDS: Final = 5.0
_DRAIN_BYTES: Final = 64 * 1024 * 1024
#: How much more than its own size a compressed body is taken to be, before anybody knows.
_USUAL_RATIO: Final = 8

#: Where LangSmith's exporter names the project.
_PROJECT: Final = b"langsmith-project"
_VIA: Final = via.HEADER.encode()
_LEAVING: Final = Refusal(503, UNAVAILABLE, "the collector is shutting down", 1.0)

_DECODERS: Final = {"protobuf": decode_protobuf, "json": decode_traces_json}

log = structlog.get_logger("collector.receivers.otlp_http")


class OtlpHttp:
    """One signal's endpoint."""

    def __init__(
        self, signal: Signal, pipeline: Pipeline, limits: Limits, budget: ByteBudget, metrics: Metrics
    ) -> None:
        self._signal = signal
        self._pipeline = pipeline
        self._limits = limits
        self._budget = budget
        self._metrics = metrics
        #: tells other collectors, and tracekit's SDK (which then knows that zstd is understood), who answers
        self._who = (COLLECTOR_HEADER.encode(), (pipeline.collector_id or "1").encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        content_type = headers.get(b"content-type", "")
        # What nobody can name is answered in the encoding that people read.
        media: Media = "protobuf" if "protobuf" in content_type.lower() else "json"
        body_read = b"content-length" not in headers and b"transfer-encoding" not in headers
        try:
            _check(scope)
            media = answers.media_of(content_type)
            encoding = encoding_of(headers.get(b"content-encoding", ""))
            with Lease(self._budget) as lease:
                body = await read_body(receive, headers.get(b"content-length"), self._limits, lease)
                body_read = True
                if self._pipeline.closes_circle(headers.get(_VIA)):
                    answer = answers.for_spans(media, 0, 0, [])
                else:
                    answer = await self._handle(body, media, encoding, lease, headers)
            await self._answer(send, 200, media, answer)
        except Disconnected:
            self._metrics.request("http", self._signal.name, media, 499)
        except Refusal as refusal:
            await self._refuse(send, media, refusal, None if body_read else receive, headers)
        except asyncio.CancelledError:
            # The server waits no longer: the last thing to do is to say so.
            await self._answer(send, 503, media, answers.refused(_LEAVING, media), _headers_of(_LEAVING))

    async def _handle(
        self, body: bytes, media: Media, encoding: Encoding, lease: Lease, headers: dict[bytes, str]
    ) -> bytes:
        """The answer's body. Raises ``Refusal``."""
        try:
            if self._signal is TRACES:
                return await self._store(body, media, encoding, lease, headers)
            return await self._count(body, media, encoding, lease)
        except MalformedBody as error:
            raise malformed(str(error)) from None
        except StorageError as error:
            raise of_storage(error) from None
        except Refusal:
            raise
        except Exception:
            log.exception("a request failed", signal=self._signal.name)
            raise Refusal(500, INTERNAL, "the collector failed; its log says why") from None

    async def _store(
        self, body: bytes, media: Media, encoding: Encoding, lease: Lease, headers: dict[bytes, str]
    ) -> bytes:
        def decode() -> SpanBatch:
            return _DECODERS[media](self._unpack(body, encoding, lease), WANTED)

        outcome = await self._pipeline.consume(
            _expected_size(body, encoding), decode, headers.get(_PROJECT), headers.get(_VIA)
        )
        return answers.for_spans(media, outcome.kept, outcome.rejected, outcome.reasons)

    async def _count(self, body: bytes, media: Media, encoding: Encoding, lease: Lease) -> bytes:
        def work() -> int:
            return unstored.count(self._signal, media, self._unpack(body, encoding, lease))

        items = await self._pipeline.compute(_expected_size(body, encoding), work)
        self._metrics.rejected(self._signal.name, items)
        return answers.accepted(self._signal, media, items, unstored.reason(self._signal))

    def _unpack(self, body: bytes, encoding: Encoding, lease: Lease) -> bytes:
        return decompress(body, encoding, self._limits.decompressed_bytes, lease)

    async def _refuse(
        self, send: Send, media: Media, refusal: Refusal, unread: Receive | None, headers: dict[bytes, str]
    ) -> None:
        extra = _headers_of(refusal)
        if unread is not None:
            extra.append((b"connection", b"close"))
        # A sender that waits for "100 Continue" has sent nothing yet, and now will not.
        drains = unread is not None and b"expect" not in headers
        await self._answer(send, refusal.status, media, answers.refused(refusal, media), extra, more=drains)
        if unread is not None and drains:
            await drain(unread)
            await send({"type": "http.response.body", "body": b""})

    async def _answer(
        self, send: Send, status: int, media: Media, body: bytes, extra: Headers | None = None, *, more: bool = False
    ) -> None:
        self._metrics.request("http", self._signal.name, media, status)
        content = [(b"content-type", MEDIA_TYPES[media].encode()), self._who, *(extra or ())]
        await respond(send, status, content, body, more=more)


def _check(scope: Scope) -> None:
    """Raises the ``Refusal`` of the layers before, or the 405."""
    if refusal := scope.get("refusal"):
        raise refusal
    if scope["method"] != "POST":
        raise Refusal(405, UNIMPLEMENTED, "OTLP is sent with POST")


def _headers_of(refusal: Refusal) -> Headers:
    headers: Headers = []
    if refusal.retry_after_header:
        headers.append((b"retry-after", refusal.retry_after_header.encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status == 405:
        headers.append((b"allow", b"POST"))
    return headers


def _expected_size(body: bytes, encoding: Encoding) -> int:
    return len(body) if encoding == "identity" else len(body) * _USUAL_RATIO


async def drain(receive: Receive) -> None:
    """Reads on and forgets, for a bounded while."""
    left = _DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
