"""One server process from start to drained: HTTP, gRPC and the queue's workers around one ``Collector``."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from collector.app import Collector, build
from collector.config import Config
from collector.http_server import HttpServer
from collector.sockets import CannotListen, url_host

if TYPE_CHECKING:
    from grpc import aio

#: Of the time to shut down, how much requests in flight and items of the queue may take.
_GRACE: Final = 0.6
_WORKERS_GRACE: Final = 0.2
_REFRESH_SECONDS: Final = 5.0
#: A request brings tens of thousands of objects at once, none of them in cycles: looking every 700 is for nothing.
_GC_THRESHOLDS: Final = (50_000, 20, 20)
#: What can wait is imported after the first spans had their chance.
_WARM_UP_SECONDS: Final = 0.5

log = structlog.get_logger("collector.serve")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where a process serves. ``grpc_shared``: other processes serve the same gRPC port."""

    http: list[socket.socket]
    grpc_port: int | None
    grpc_shared: bool = False


def serve(
    config: Config,
    listeners: Listeners,
    announce: Callable[[int | None], None],
    *,
    parent: int | None = None,
) -> int:
    """Run until SIGTERM or SIGINT, or until ``parent`` (a pipe's file descriptor) is closed. Returns the exit code.

    ``announce`` is called with the gRPC port when everything answers. Raises ``StorageError`` where the database
    cannot be used, and ``CannotListen``.
    """
    collector = build(config)
    process = _Process(collector, listeners, parent)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(process.run(announce))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class _Process:
    def __init__(self, collector: Collector, listeners: Listeners, parent: int | None) -> None:
        self._collector = collector
        self._config = collector.config
        self._listeners = listeners
        self._parent = parent
        self._stopping = asyncio.Event()
        self._http = HttpServer(collector.asgi, self._config.shutdown_timeout_s * _GRACE)
        self._grpc: aio.Server | None = None

    async def run(self, announce: Callable[[int | None], None]) -> int:
        self._watch_signals()
        grpc_port = await self._start_grpc()
        http = asyncio.create_task(self._http.serve(self._listeners.http))
        await self._http.listening.wait()
        self._collector.start()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        announce(grpc_port)
        background = [asyncio.create_task(self._warm_up()), asyncio.create_task(self._refresh_metrics())]
        await self._stopping.wait()
        for task in background:
            task.cancel()
        await self._drain(http)
        return 0

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, signal.SIGTERM)
        if self._parent is None:
            loop.add_signal_handler(signal.SIGINT, self._stop, signal.SIGINT)
        else:
            loop.add_reader(self._parent, self._orphaned, self._parent)

    def _stop(self, number: int) -> None:
        if self._stopping.is_set():
            os._exit(128 + number)
        self._stopping.set()

    def _orphaned(self, parent: int) -> None:
        asyncio.get_running_loop().remove_reader(parent)
        self._stopping.set()

    async def _start_grpc(self) -> int | None:
        port = self._listeners.grpc_port
        if port is None:
            return None
        from collector.receivers import otlp_grpc

        collector = self._collector
        host = self._config.host
        otlp = otlp_grpc.OtlpGrpc(collector.pipeline, collector.budget, collector.metrics, collector.keys.bearer)
        try:
            self._grpc, port = await otlp_grpc.start(
                otlp, f"{url_host(host)}:{port}", self._config.max_body_bytes, shared_port=self._listeners.grpc_shared
            )
        except RuntimeError as error:
            raise CannotListen(host, port, str(error), "choose another with --grpc-port") from None
        return port

    async def _warm_up(self) -> None:
        await asyncio.sleep(_WARM_UP_SECONDS)
        await self._collector.warm_up()

    async def _refresh_metrics(self) -> None:
        # Of several workers one answers, so each has to have written its gauges down.
        while True:
            self._collector.refresh_load()
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _drain(self, http: asyncio.Task[None]) -> None:
        """Stop accepting, finish what was accepted, commit, give queue items back."""
        log.info("draining")
        deadline = threading.Timer(self._config.shutdown_timeout_s, _give_up)
        deadline.daemon = True
        deadline.start()
        self._collector.draining = True
        self._http.should_exit = True
        seconds = self._config.shutdown_timeout_s
        await asyncio.gather(
            http,
            self._grpc.stop(seconds * _GRACE) if self._grpc else _nothing(),
            asyncio.to_thread(self._collector.stop_workers, seconds * _WORKERS_GRACE),
            return_exceptions=True,
        )
        await asyncio.to_thread(self._collector.close)
        deadline.cancel()
        log.info("drained")


async def _nothing() -> None:
    return None


def _give_up() -> None:
    """Everything acknowledged is committed; what hangs was never acknowledged."""
    log.error("shutting down took too long")
    os._exit(1)
