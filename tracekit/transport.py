"""One POST over a kept connection, and what its answer means by the OTLP rules.

The HTTP client is imported on the export thread, when there is something to send.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from tracekit import semconv
from tracekit.compression import Compression
from tracekit.importing import imports

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from tracekit.config import Config

_RETRYABLE: Final = frozenset((429, 502, 503, 504))
_FORBIDDEN: Final = frozenset((401, 403))
_TOO_LARGE: Final = 413
_UNSUPPORTED: Final = "HTTP 415"
_MAX_ANSWER: Final = 65_536
_MAX_RETRY_AFTER: Final = 300.0


class Outcome(Enum):
    ACCEPTED = "accepted"
    RETRY = "retry"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too large"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """``retry_after`` in seconds where the server said so. ``reason`` is fit for a log: it holds no header of ours."""

    outcome: Outcome
    body: bytes = b""
    retry_after: float | None = None
    reason: str = ""


def outcome_of(status: int) -> Outcome:
    """OTLP/HTTP: 2xx accepted; 429, 502, 503 and 504 later; 413 in smaller pieces; anything else never. A wrong key
    (401, 403) is kept apart: somebody will mend it."""
    if 200 <= status < 300:
        return Outcome.ACCEPTED
    if status in _RETRYABLE:
        return Outcome.RETRY
    if status in _FORBIDDEN:
        return Outcome.FORBIDDEN
    return Outcome.TOO_LARGE if status == _TOO_LARGE else Outcome.REFUSED


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from a Retry-After header (seconds or a date), at most five minutes; None without one."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            with imports():
                from email.utils import parsedate_to_datetime

            seconds = parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER) if seconds == seconds else None


class Transport:
    """Posts bodies to one address. Not thread-safe: the sending thread owns it."""

    def __init__(self, config: Config) -> None:
        self._url = urlsplit(config.traces_url)
        self._timeout = config.timeout
        self._compression = Compression(config.compression, config.traces_url)
        self._certificate_file = config.certificate_file
        self._headers = {"content-type": "application/x-protobuf", "user-agent": "tracekit", **config.headers}
        self._connection: HTTPConnection | None = None

    def post(self, body: bytes) -> Answer:
        """Send one request body. Never raises: what goes wrong on the way is an answer to retry."""
        answer = self._post_once_more(body)
        if answer.reason == _UNSUPPORTED and self._compression.refused():
            answer = self._post_once_more(body)
        return answer

    def _post_once_more(self, body: bytes) -> Answer:
        """A kept connection may have been closed by the server meanwhile: that says nothing about now."""
        with imports():
            from http.client import HTTPException

        encoding, packed = self._compression.pack(body)
        headers = {**self._headers, "content-encoding": encoding} if encoding else self._headers
        while True:
            reused = self._connection is not None
            try:
                return self._post(packed, headers)
            except (OSError, HTTPException) as error:
                self.close()
                if not reused or isinstance(error, TimeoutError):
                    return Answer(Outcome.RETRY, reason=_said(error))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._connection.request("POST", self._target(path), body, headers)
        response = self._connection.getresponse()
        answer = response.read(_MAX_ANSWER)
        if response.will_close or response.read(1):
            self.close()
        outcome = outcome_of(response.status)
        self._compression.answered_by(ours=response.headers.get(semconv.COLLECTOR_HEADER) is not None)
        wait = retry_after(response.headers.get("retry-after"), time.time())
        return Answer(outcome, answer, wait, f"HTTP {response.status}")

    def _proxy(self) -> SplitResult | None:
        """The proxy that the environment names for this address."""
        if not any(name.lower().endswith("_proxy") for name in os.environ):
            return None
        with imports():
            import urllib.request

        host = self._url.hostname or ""
        proxy = urllib.request.getproxies().get(self._url.scheme)
        if not proxy or urllib.request.proxy_bypass(host) or host in ("127.0.0.1", "localhost", "::1"):
            return None
        return urlsplit(proxy if "://" in proxy else f"http://{proxy}")

    def _target(self, path: str) -> str:
        plain = self._url.scheme == "http" and self._proxy() is not None
        return f"http://{self._url.netloc}{path}" if plain else path

    def _connect(self) -> HTTPConnection:
        with imports():
            import encodings.idna  # noqa: F401 - by socket.create_connection, for any name
            import http.client
            import ssl

        proxy = self._proxy()
        host, port = self._url.hostname or "", self._url.port
        at, through = (host, port) if proxy is None else (proxy.hostname or "", proxy.port or 8080)
        if self._url.scheme != "https":
            return http.client.HTTPConnection(at, through or 80, timeout=self._timeout)
        context = ssl.create_default_context(cafile=self._certificate_file)
        connection = http.client.HTTPSConnection(at, through or 443, timeout=self._timeout, context=context)
        if proxy is not None:
            connection.set_tunnel(host, port or 443)
        return connection


def _said(error: Exception) -> str:
    """The kind of failure and the system's words for it."""
    words = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {words}" if isinstance(words, str) else type(error).__name__
