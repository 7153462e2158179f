"""Attachments of runs by links that need no key: each is signed, for one attachment, until a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.keys import Keys
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.parameters import Given, uuid
from collector.storage.runs_api import RunStore

SECONDS: Final = 3600
#: What a browser may do with what somebody once attached to a run: save it.
_HEADERS: Final = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}
_MIME: Final = re.compile(r"[\w.+-]+/[\w.+-]+(?:\s*;\s*[\w-]+=[\w.+\"-]+)*", re.ASCII)


class AttachmentLinks:
    def __init__(
        self, store: RunStore, keys: Keys, limiter: anyio.CapacityLimiter, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._keys = keys
        self._limiter = limiter
        self._clock = clock

    def routes(self) -> list[Route]:
        return [Route("/attachments/{run_id}", self.get, methods=["GET"])]

    def link(self, run_id: bytes, name: str) -> str:
        """The path, from the endpoint on, good for ``SECONDS``."""
        expires = int(self._clock()) + SECONDS
        query = {"name": name, "expires": expires, "signature": self._keys.sign(_claim(run_id, name, expires))}
        return f"/attachments/{UUID(bytes=run_id)}?{urlencode(query)}"

    async def get(self, request: Request) -> Response:
        run_id = uuid(request.path_params["run_id"], "run_id")
        given = Given(request.query_params.multi_items(), ("name", "expires", "signature"))
        name, signature = given.text("name") or "", given.text("signature") or ""
        expires = given.whole("expires", 0, 0, 10**11 - 1)
        if not self._keys.signed(_claim(run_id, name, expires), signature) or expires < self._clock():
            raise Fault(403, "this link is not valid, or no longer")
        found = await anyio.to_thread.run_sync(self._store.get_attachment, run_id, name, limiter=self._limiter)
        if found is None:
            raise Fault(404, "Attachment not found")
        content_type = found.mime_type if _MIME.fullmatch(found.mime_type) else "application/octet-stream"
        return Response(found.data, headers={**_HEADERS, "Content-Type": content_type})


def _claim(run_id: bytes, name: str, expires: int) -> str:
    return f"attachment {run_id.hex()} until {expires}: {name}"
