"""The form by which people show their key once, and are known by a cookie from then on."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, quote

from collector.asgi import TEXT, Headers, Receive, Scope, Send, respond
from collector.keys import SESSION_SECONDS, Keys
from collector.receivers.body import ByteBudget, Disconnected, Lease, Limits, read_body
from collector.receivers.refusal import Refusal

PATH: Final = "/login"
COOKIE: Final = "tracekit_session"

_LIMITS: Final = Limits(body_bytes=4096, decompressed_bytes=4096, body_timeout_s=10)
_HTML: Final[Headers] = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]


class Login:
    """An ASGI application: GET shows the form, POST checks the key and sets the cookie."""

    def __init__(self, keys: Keys, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = _local(parse_qs(scope["query_string"].decode("latin-1")).get("next", ["/"])[0])
        if scope["method"] != "POST":
            await respond(send, 200, _HTML, _page(target))
            return
        try:
            with Lease(ByteBudget(_LIMITS.body_bytes)) as lease:
                body = await read_body(receive, None, _LIMITS, lease)
        except Disconnected:
            return
        except Refusal as refusal:
            await respond(send, refusal.status, [*TEXT, (b"connection", b"close")], refusal.message.encode())
            return
        key = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
        if self._keys.knows(key):
            cookie = self._cookie(key, secure=scope.get("scheme") == "https")
            await respond(send, 303, [(b"location", target.encode()), (b"set-cookie", cookie.encode())])
        else:
            await respond(send, 401, _HTML, _page(target, "This is none of the collector's keys."))

    def _cookie(self, key: str, *, secure: bool) -> str:
        session = self._keys.session(key, self._clock())
        attributes = f"Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Strict"
        return f"{COOKIE}={session}; {attributes}{'; Secure' if secure else ''}"


def _local(target: str) -> str:
    """A path of this collector, percent-encoded; / for anything else."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    return quote(target, safe="/?&=%:+,;@~")


def _page(target: str, fault: str = "") -> bytes:
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in · tracekit</title>
<style>:root{{color-scheme:light dark}}body{{font:16px system-ui;display:grid;place-content:center;min-height:90vh}}
form{{display:grid;gap:.75rem;width:20rem}}input,button{{font:inherit;padding:.5rem}}p{{margin:0}}</style>
<form method="post" action="{PATH}?next={html.escape(quote(target))}">
<label for="key">Key of this collector</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button><p role="alert">{html.escape(fault)}</p></form></html>""".encode()
