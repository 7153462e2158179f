"""One POST of JSON over HTTP or HTTPS with the standard library, bounded in time and size.

A connection for each call: a judge thinks for seconds, a handshake takes milliseconds, and nothing idles in between.
Redirects are not followed: they would carry the key to another address. Proxies are taken from the usual variables.
"""

from __future__ import annotations

import functools
import http.client
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_ANSWER_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Reply:
    """``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReply(Exception):
    """No whole answer came: no connection, broken off, too late, too large. ``permanent``: trying again is no use."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class _Watch:
    """Ends a connection when its time is up, however slowly its server drips: timeouts of sockets begin anew with
    each byte. It goes on until the caller has noticed, because a connection may be between two sockets just then."""

    _AGAIN_S: Final = 0.2

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._connections: list[http.client.HTTPConnection] = []
        #: urllib takes a connection's socket away from it when its answer begins
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._seconds = seconds

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._run, name="tracekit-judge-timeout", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def add(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        connect = connection.connect

        def connect_and_keep() -> None:
            connect()
            self._sockets.append(connection.sock)

        setattr(connection, "connect", connect_and_keep)  # noqa: B010 - a method of this one object
        self._connections.append(connection)
        return connection

    def _run(self) -> None:
        wait = self._seconds
        while not self._over.wait(wait):
            self.expired, wait = True, self._AGAIN_S
            for opened in [*self._sockets, *(connection.sock for connection in self._connections)]:
                try:  # the plain socket's: a TLS socket's own would pull the session from under whoever reads
                    socket.socket.shutdown(opened, socket.SHUT_RDWR)
                except (OSError, TypeError):  # closed, or not connected yet
                    pass


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connect(host: str, **options: Any) -> http.client.HTTPConnection:
            return self._watch.add(http.client.HTTPConnection(host, **options))

        return self.do_open(connect, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._watch = watch
        self._tls = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connect(host: str, **options: Any) -> http.client.HTTPConnection:
            return self._watch.add(http.client.HTTPSConnection(host, context=self._tls, **options))

        return self.do_open(connect, request)


@functools.lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """The system's authorities, read once: that takes 20 ms. ``SSL_CERT_FILE`` names others."""
    return ssl.create_default_context()


def post(
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    timeout_s: float,
    context: ssl.SSLContext | None = None,
) -> Reply:
    """Any status is a ``Reply``. Raises ``NoReply`` with a message that holds no header and no body."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "tracekit-judge",
            **headers,
        },
        method="POST",
    )
    with _Watch(timeout_s) as watch:
        opener = urllib.request.OpenerDirector()
        opener.add_handler(urllib.request.ProxyHandler())
        opener.add_handler(_Https(watch, context or trust()) if url.startswith("https:") else _Http(watch))
        try:
            reply = _sent(opener, request, timeout_s)
        except (NoReply, OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # after the watch has closed a socket, http.client fails in whatever way it happened to stand
            if watch.expired or isinstance(_reason(error), TimeoutError):
                raise NoReply(f"no whole answer within {timeout_s:g} s") from None
            raise (error if isinstance(error, NoReply) else _told(error)) from None
        if watch.expired:
            raise NoReply(f"no whole answer within {timeout_s:g} s")
        return reply


def _sent(opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout_s: float) -> Reply:
    response = opener.open(request, timeout=timeout_s)
    if response is None:
        raise NoReply("the address is neither http nor https", permanent=True)
    with response:
        body = response.read(MAX_ANSWER_BYTES + 1)
        if len(body) > MAX_ANSWER_BYTES:
            raise NoReply(f"the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB", permanent=True)
        expected = response.headers.get("content-length", "")
        if expected.isdecimal() and len(body) < int(expected):
            raise NoReply("the answer broke off")
        found = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, found, body)


def _reason(error: Exception) -> object:
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _told(error: Exception) -> NoReply:
    reason = _reason(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NoReply(f"its certificate is not trusted: {reason.verify_message}", permanent=True)
    if isinstance(reason, OSError):
        return NoReply(f"no connection: {reason.strerror or type(reason).__name__}")
    if isinstance(error, http.client.HTTPException):
        return NoReply(f"the answer broke off, or is no HTTP: {type(error).__name__}")
    return NoReply(f"no answer: {type(error).__name__}")
