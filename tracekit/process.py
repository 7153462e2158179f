"""Ends of processes that run no ``atexit`` functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any


def at_end_of_worker(close: Callable[[], Any], flush: Callable[[], Any]) -> None:
    """Have ``close`` called when this process ends, if it is a worker of multiprocessing (which runs finalizers of its
    own) or of celery (which sends a signal), and ``flush`` when a uvicorn in it has shut down, which may then end the
    process by the signal that it was sent. What the application has not imported is not looked for."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, close, exitpriority=0)
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        _connect(signals.worker_process_shutdown, close)
    server = getattr(sys.modules.get("uvicorn.server"), "Server", None)
    if server is not None:
        _flush_after_shutdown(server, flush)


def _connect(signal: Any, close: Callable[[], Any]) -> None:
    def closed(**_: Any) -> None:
        close()

    signal.connect(closed, weak=False, dispatch_uid="tracekit")


def _flush_after_shutdown(server: Any, flush: Callable[[], Any]) -> None:
    """After uvicorn's ``Server.shutdown`` nothing may run any more."""
    shutdown = getattr(server.shutdown, "__wrapped__", server.shutdown)

    @wraps(shutdown)
    async def shut_down(*arguments: Any, **named: Any) -> Any:
        try:
            return await shutdown(*arguments, **named)
        finally:
            flush()

    server.shutdown = shut_down
