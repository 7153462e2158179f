"""A proxy in a process of its own, before a real server that cannot be told to fail: it fails in its place.

``python fault_proxy.py UPSTREAM_PORT`` prints its port. ``PUT /_faults`` says how requests fare from now on
(``Faults``), ``GET /_faults`` how many failed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web

_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "upgrade"))
_NEVER_S = 3_600.0


@dataclass
class Faults:
    """``every``: of so many requests the first fails (0: none): with ``status``, or it ``hang``s, or its connection is
    ``cut``. ``late``: the server does the work first, and only its answer is lost."""

    every: int = 0
    status: int = 500
    hang: bool = False
    cut: bool = False
    late: bool = False


class FaultProxy:
    """Before ``http://127.0.0.1:PORT``; ``url`` is its own address."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, __file__, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def control(self, **faults: Any) -> None:
        """How requests fare from now on."""
        self._ask(urllib.request.Request(f"{self.url}/_faults", json.dumps(faults).encode(), method="PUT"))

    def failed(self) -> int:
        """Requests so far."""
        return int(self._ask(urllib.request.Request(f"{self.url}/_faults")))

    def _ask(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class _Proxy:
    def __init__(self, upstream: int) -> None:
        self._upstream = f"http://127.0.0.1:{upstream}"
        self._faults = Faults()
        self._seen = 0
        self._failed = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/_faults":
            if body:
                self._faults, self._seen = Faults(**json.loads(body)), 0
            return web.Response(text=str(self._failed))
        faults, number = self._faults, self._seen
        self._seen += 1
        if not faults.every or number % faults.every:
            return await self._pass_on(request, body)
        self._failed += 1
        if faults.late:
            await self._pass_on(request, body)
        if faults.hang:
            await asyncio.sleep(_NEVER_S)
        if faults.cut and request.transport is not None:
            request.transport.abort()
        return web.Response(status=faults.status, text="told to fail")

    async def _pass_on(self, request: web.Request, body: bytes) -> web.Response:
        # The host is the proxy's: requests to a bucket are signed with it.
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = self._upstream + request.raw_path
        try:
            async with (
                ClientSession(auto_decompress=False) as session,
                session.request(request.method, url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                found = await answer.read()
                kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
                return web.Response(status=answer.status, body=found, headers=dict(kept))
        except OSError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)


async def _serve(upstream: int) -> None:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", _Proxy(upstream).handle)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
