"""A real collector in a process of its own, as a user starts it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """``headers`` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class CollectorProcess:
    """``serve`` with ``arguments``; ``http``, ``grpc`` and ``pid`` are what its ready line says."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._stderr = folder / f"stderr-{time.time_ns()}.txt"
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector", "serve", "--json", *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env=_environment(folder) | dict(env or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait_ready(self) -> CollectorProcess:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            raise AssertionError(f"not ready, exit code {self._process.poll()}: {self.stderr()}")
        ready = json.loads(line)
        self.http: str = ready["http"]
        self.grpc: str | None = ready["grpc"]
        self.ready: dict[str, Any] = ready
        return self

    def stderr(self) -> str:
        return self._stderr.read_text("utf-8", "replace")

    def connection(self, timeout: float = 30.0) -> http.client.HTTPConnection:
        address = urlsplit(self.http)
        return http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, dict(headers or {}))
            return answer_of(connection)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    def span_names(self, trace_id: str) -> list[str]:
        """Of what is stored of a trace, in start order; empty where nothing is."""
        answer = self.get(f"/api/v1/traces/{trace_id}?payload=false")
        assert answer.status in (200, 404), answer
        return [span["name"] for span in answer.json().get("spans", [])]

    def metric(self, line: str) -> float:
        """The value of one series, ``name`` or ``name{label="value"}``; 0 where it was never counted."""
        for found in self.get("/metrics").body.decode().splitlines():
            if found.startswith(line + " "):
                return float(found.rpartition(" ")[2])
        return 0.0

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        self.send_signal(number)
        return self.wait()

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        return self._process.wait(timeout)

    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Whatever state it is in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _environment(folder: Path) -> dict[str, str]:
    """This process's, without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    return kept | {"XDG_DATA_HOME": str(folder / "data"), "NO_PROXY": "*"}


Start = Callable[..., CollectorProcess]


@contextlib.contextmanager
def collectors(folder: Path) -> Iterator[Start]:
    """A function that starts collectors on free ports over a SQLite file in ``folder``, and waits until each is ready;
    keyword ``ready=False`` does not wait, ``env`` adds variables. All of them are gone at the end."""
    started: list[CollectorProcess] = []

    def start(
        *arguments: str, database_url: str | None = None, env: Mapping[str, str] | None = None, ready: bool = True
    ) -> CollectorProcess:
        url = database_url or f"sqlite:///{folder / 'tracekit.db'}"
        flags = {"--port": "0", "--grpc-port": "0", "--database-url": url}
        given = [part for name, value in flags.items() if name not in arguments for part in (name, value)]
        process = CollectorProcess(folder, *given, *arguments, env=env)
        started.append(process)
        return process.wait_ready() if ready else process

    try:
        yield start
    finally:
        for process in started:
            process.end()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for the condition to hold; fails where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
