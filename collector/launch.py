"""``tracekit serve``: sockets first, then one process or several, then the line that says where."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from collector.access import is_loopback
from collector.config import Config
from collector.ready import ready
from collector.sockets import CannotListen, listen, reserve
from collector.storage.api import StorageError
from collector.telemetry import configure_logging

if TYPE_CHECKING:
    from socket import socket

#: The exit code for settings, addresses and databases that cannot be used.
FAULT: Final = 2
#: What workers get beyond their own time to shut down.
_PATIENCE_SECONDS: Final = 2.0

log = structlog.get_logger("collector.launch")


def launch(config: Config, *, as_json: bool) -> int:
    """Serve until told to stop. Returns the exit code; what is wrong is said in one line on stderr."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    configure_logging(config.log_level)
    try:
        http = listen(config.host, config.port)
        port = http[0].getsockname()[1]
        _warn_of_open_doors(config)
        say = partial(_say, config, port, as_json=as_json)
        return _launch_one(config, http, say) if config.workers == 1 else _launch_many(config, http, say)
    except (CannotListen, StorageError) as error:
        return _complain(error)
    except Exception:
        log.exception("the collector failed")
        return 1


def _warn_of_open_doors(config: Config) -> None:
    if not config.api_keys and not is_loopback(config.host):
        log.warning("anybody who reaches this address can read and write: set TRACEKIT_API_KEYS", host=config.host)


def _leave(_number: int, _frame: object) -> None:
    """Nothing has been accepted yet, so nothing has to be drained."""
    sys.exit(0)


def _say(config: Config, port: int, grpc_port: int | None, *, as_json: bool) -> None:
    line = ready(
        version("tracekit-llm"), config.host, port, grpc_port, config.database_url, config.workers, os.getpid()
    ).line(as_json=as_json)
    print(line, flush=True)


def _complain(error: Exception) -> int:
    print(f"tracekit: {error}", file=sys.stderr, flush=True)
    return FAULT


def _launch_one(config: Config, http: list[socket], say: Callable[[int | None], None]) -> int:
    if config.grpc_port:
        # gRPC's own complaint about a port in use is neither one line nor clear.
        _, held = reserve(config.host, config.grpc_port, "--grpc-port")
        for one in held:
            one.close()
    from collector.serve import Listeners, serve

    return serve(config, Listeners(http, config.grpc_port), say)


def _launch_many(config: Config, http: list[socket], say: Callable[[int | None], None]) -> int:
    from collector.supervise import Supervisor, in_child

    grpc_port = None
    if config.grpc_port is not None:
        # Held while the workers run, so that nobody else's program gets in between.
        grpc_port, _held = reserve(config.host, config.grpc_port, "--grpc-port")
    code = in_child(partial(_prepare, config))
    if code:
        return code
    folder = Path(tempfile.mkdtemp(prefix="tracekit-metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)

    def work(parent: int, tell: Callable[[], None]) -> int:
        from collector.serve import Listeners, serve

        try:
            return serve(config, Listeners(http, grpc_port, grpc_shared=True), lambda _: tell(), parent=parent)
        except (CannotListen, StorageError) as error:
            return _complain(error)

    def forget(pid: int) -> None:
        for file in folder.glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)

    try:
        patience_s = config.shutdown_timeout_s + _PATIENCE_SECONDS
        return Supervisor(config.workers, work, lambda: say(grpc_port), forget, patience_s).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(config: Config) -> int:
    """Opens the database once, so that the workers find its schema made and what is wrong is said once."""
    from collector.app import check_database

    try:
        check_database(config)
    except StorageError as error:
        return _complain(error)
    return 0
