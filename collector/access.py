"""Who may enter: an ASGI layer around everything that checks keys, the names a browser uses, and foreign origins."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

import orjson

from collector import login
from collector.asgi import TEXT, App, Headers, Message, Receive, Scope, Send, headers_of, respond, respond_problem
from collector.keys import Keys
from collector.receivers.answers import PATHS
from collector.receivers.refusal import PERMISSION_DENIED, Refusal, unauthenticated

OTLP_PATHS: Final = frozenset(PATHS)
#: What has to answer whoever asks.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
#: Attachments, whose links are signed (receivers/langsmith/run_reads_attachments).
_SIGNED: Final = re.compile(r"/langsmith(?:/api(?:/v1)?)?/attachments/[^/]+")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PREFLIGHT: Final[Headers] = [
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-encoding, content-type, traceparent, tracestate"),
    (b"access-control-max-age", b"86400"),
]
_SECURITY_HEADERS: Final = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
_MISDIRECTED: Final = (
    "this collector is on loopback and answers browsers only by loopback names; "
    "to use it by another name, behind a proxy, add that name to allowed_hosts"
)


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine and nothing else."""
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Access:
    """``guard_names``: refuse requests of browsers that call this collector by a name which is not this machine's
    own (a rebound DNS name would make a foreign page same-origin).

    A refused OTLP request is passed on with its ``Refusal`` in ``scope["refusal"]``: the receiver answers it in the
    request's encoding.
    """

    def __init__(
        self,
        app: App,
        keys: Keys,
        *,
        guard_names: bool,
        allowed_hosts: tuple[str, ...] = (),
        cors_origins: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._keys = keys
        self._login = login.Login(keys, clock)
        self._guard_names = guard_names
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._cors_origins = frozenset(cors_origins)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = headers_of(scope)
        if scope["path"] in OTLP_PATHS:
            await self._otlp(scope, receive, send, headers)
        else:
            await self._rest(scope, receive, _with_headers(send, _SECURITY_HEADERS), headers)

    async def _otlp(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, str]) -> None:
        origin = headers.get(b"origin")
        preflight = False
        if origin is not None and ("*" in self._cors_origins or origin in self._cors_origins):
            send = _with_headers(send, {b"access-control-allow-origin": origin.encode("latin-1"), b"vary": b"origin"})
            preflight = scope["method"] == "OPTIONS"
        elif origin is not None:
            scope["refusal"] = self._foreign(scope["method"], headers)
        if preflight:
            await respond(send, 204, _PREFLIGHT)
            return
        if not self._has_key(headers):
            scope["refusal"] = unauthenticated()
        await self._app(scope, receive, send)

    async def _rest(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, str]) -> None:
        path = scope["path"]
        refusal = None if path in OPEN_PATHS else self._foreign(scope["method"], headers)
        if refusal is None and path == login.PATH and self._keys:
            await self._login(scope, receive, send)
            return
        if refusal is None and path not in OPEN_PATHS and not _SIGNED.fullmatch(path) and not self._may_enter(headers):
            refusal = unauthenticated()
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(send, path, headers, refusal)

    def _may_enter(self, headers: dict[bytes, str]) -> bool:
        if self._has_key(headers):
            return True
        try:
            morsel = SimpleCookie(headers.get(b"cookie", "")).get(login.COOKIE)
        except CookieError:
            return False
        return morsel is not None and self._keys.in_session(morsel.value, self._clock())

    def _has_key(self, headers: dict[bytes, str]) -> bool:
        """As most clients send it, or as LangSmith's do."""
        return self._keys.bearer(headers.get(b"authorization", "")) or self._keys.knows(headers.get(b"x-api-key", ""))

    def _foreign(self, method: str, headers: dict[bytes, str]) -> Refusal | None:
        """Refused where a page that is not the collector's own may be behind the request."""
        host = headers.get(b"host", "")
        if self._guard_names and not self._is_ours(host):
            return Refusal(421, PERMISSION_DENIED, _MISDIRECTED)
        origin = headers.get(b"origin")
        if origin and method not in _SAFE_METHODS and _netloc(origin) != host.lower():
            return Refusal(403, PERMISSION_DENIED, "requests from pages of other origins are not allowed")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit("//" + host).hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name in self._allowed_hosts


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _with_headers(send: Send, added: dict[bytes, bytes]) -> Send:
    """Adds headers to an answer that does not say otherwise itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in added.items() if pair[0] not in present)]
        await send(message)

    return sending


async def _refuse(send: Send, path: str, headers: dict[bytes, str], refusal: Refusal) -> None:
    extra: Headers = [(b"www-authenticate", b"Bearer")] if refusal.status == 401 else []
    if path.startswith("/langsmith/"):
        content = [(b"content-type", b"application/json"), *extra]
        await respond(send, refusal.status, content, orjson.dumps({"detail": refusal.message}))
    elif path == "/api" or path.startswith("/api/"):
        await respond_problem(send, refusal.status, refusal.message, extra)
    elif refusal.status == 401 and "text/html" in headers.get(b"accept", ""):
        await respond(send, 303, [(b"location", f"{login.PATH}?next={quote(path, safe='/')}".encode())])
    else:
        await respond(send, refusal.status, TEXT + extra, refusal.message.encode())
