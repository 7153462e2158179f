"""Reading a request's JSON body, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from collector.api.problems import Problem
from collector.asgi import headers_of
from collector.receivers.body import ByteBudget, Disconnected, Lease, Limits, decompress, encoding_of, read_body
from collector.receivers.refusal import Refusal

MIB: Final = 1024 * 1024
#: What a request may bring where it is not spans.
MAX_BYTES: Final = 8 * MIB
LIMITS: Final = Limits(MAX_BYTES, MAX_BYTES, 30.0)


@dataclass(frozen=True, slots=True)
class Bodies:
    """``budget`` is shared with everything else that holds bodies."""

    budget: ByteBudget
    limits: Limits = LIMITS

    @asynccontextmanager
    async def taken(self, request: Request) -> AsyncIterator[bytes]:
        """The body, unpacked; it counts in the budget until the ``with`` block ends. Raises the ``Problem``: 408, 413,
        415, 429, or 400 for damaged data."""
        with Lease(self.budget) as lease:
            try:
                body = await self._read(request, lease)
            except Refusal as refusal:
                raise problem_of(refusal) from None
            except Disconnected:
                raise Problem(400, "the sender went away before its body was complete") from None
            yield body

    async def _read(self, request: Request, lease: Lease) -> bytes:
        headers = headers_of(request.scope)
        encoding = encoding_of(headers.get(b"content-encoding", ""))
        body = await read_body(request.receive, headers.get(b"content-length"), self.limits, lease)
        return decompress(body, encoding, self.limits.decompressed_bytes, lease)


def check_json(request: Request) -> None:
    """Raises the 415 ``Problem`` where the body does not say that it is JSON: so no web form can send one."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise Problem(415, "the body must be application/json")


def problem_of(refusal: Refusal) -> Problem:
    retry = refusal.retry_after_header
    return Problem(refusal.status, refusal.message, headers={"Retry-After": retry} if retry else None)
