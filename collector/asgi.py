"""What every ASGI part of the collector speaks: types, and the plain answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

import orjson

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

TEXT: Final[Headers] = [(b"content-type", b"text/plain; charset=utf-8")]


async def respond(send: Send, status: int, headers: Headers, body: bytes = b"", *, more: bool = False) -> None:
    """The whole answer with its length; with ``more`` the last, empty message is left to the caller."""
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond_problem(send: Send, status: int, detail: str, headers: Headers | None = None) -> None:
    """An RFC 9457 document."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    content = [(b"content-type", b"application/problem+json"), *(headers or ())]
    await respond(send, status, content, orjson.dumps(document))


def headers_of(scope: Scope) -> dict[bytes, str]:
    """Lower-case names; of a header sent twice the last counts."""
    return {name: value.decode("latin-1") for name, value in scope["headers"]}
