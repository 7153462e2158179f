"""``otlp_sink`` in a process of its own, and what tests ask of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

_PROGRAM = Path(__file__).with_name("otlp_sink.py")
READY_SECONDS = 30.0


class SinkProcess:
    """``http`` and ``grpc`` are its addresses (``http://localhost:PORT``); ``ca_file`` where it serves TLS."""

    def __init__(self, *arguments: str, ca_file: Path | None = None) -> None:
        self._arguments, self._ca_file = arguments, ca_file
        self._start(arguments)

    def _start(self, arguments: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        assert line, f"the sink did not start, exit code {self._process.poll()}"
        ready = json.loads(line)
        self.http: str = ready["http"]
        self.grpc: str | None = ready["grpc"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def control(self, **faults: Any) -> None:
        """How it fails from now on (``otlp_sink.Faults``); without any, not at all."""
        self._ask("POST", "/control", json.dumps(faults).encode())

    def reset(self) -> None:
        self._ask("POST", "/reset")

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._ask("GET", "/state")))

    def ids(self) -> dict[str, int]:
        """``TRACE:SPAN`` in hex -> how often it was taken."""
        return dict(json.loads(self._ask("GET", "/ids")))

    def requests(self) -> list[dict[str, Any]]:
        return list(json.loads(self._ask("GET", "/requests")))

    def taken(self) -> TracesData:
        """Everything taken, in one message."""
        return TracesData.FromString(self._ask("GET", "/raw"))

    def spans(self) -> list[Any]:
        """As protobuf messages."""
        return [
            span for resource in self.taken().resource_spans for scope in resource.scope_spans for span in scope.spans
        ]

    def end(self) -> None:
        """The process dies, and what it took is forgotten."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def again(self) -> None:
        """Starts on the same ports after ``end``."""
        ports = [f"--port={urlsplit(self.http).port}"]
        if self.grpc:
            ports.append(f"--grpc-port={urlsplit(self.grpc).port}")
        self._start((*self._arguments, *ports))

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        address = urlsplit(self.http)
        host, port = address.hostname or "", address.port
        connection: http.client.HTTPConnection
        if address.scheme == "https":
            secure = ssl.create_default_context(cafile=str(self._ca_file))
            connection = http.client.HTTPSConnection(host, port, timeout=60, context=secure)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            found = answer.read()
            assert answer.status == 200, found
            return found


@contextlib.contextmanager
def sink_process(*arguments: str, ca_file: Path | None = None) -> Iterator[SinkProcess]:
    process = SinkProcess(*arguments, ca_file=ca_file)
    try:
        yield process
    finally:
        process.end()
