"""A traced application in a process of its own, told over its standard input what to do; and what stands between it and
a collector."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collector_process import CollectorProcess

PROGRAM = """
import dataclasses, json, sys
import tracekit
from tracekit import trace

def main():
    tracekit.init()
    errors, traces = 0, []

    @trace
    def work(text):
        return text

    @trace
    def spans(count, size):
        "One trace of so many spans."
        traces.append(tracekit.current_span().trace_id)
        for _ in range(count - 1):
            work("x" * size)

    for line in sys.stdin:
        verb, *numbers = line.split()
        try:
            if verb == "spans":
                spans(int(numbers[0]), int(numbers[1]))
            elif verb == "flush":
                tracekit.flush(float(numbers[0]))
            elif verb == "shutdown":
                tracekit.shutdown(float(numbers[0]))
        except Exception:
            errors += 1
        print(json.dumps(dataclasses.asdict(tracekit.stats()) | {"errors": errors, "traces": traces}), flush=True)

if __name__ == "__main__":
    main()
"""


class Application:
    """Its answers are ``tracekit.stats()`` with ``errors``: exceptions that its own calls saw. ``traces``: ids of the
    traces that it made."""

    def __init__(self, folder: Path, endpoint: str, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
        given = {
            "TRACEKIT_ENDPOINT": endpoint,
            "TRACEKIT_PROJECT": folder.name,
            "TRACEKIT_SPOOL_DIR": str(folder / "spool"),
            "TRACEKIT_INTERVAL": "0.05",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
            "NO_PROXY": "*",
        }
        self.traces: list[str] = []
        self._stderr = (folder / "application.txt").open("ab")
        self.log = folder / "application.txt"
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=kept | given | settings,
        )

    def tell(self, *words: object) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        stats: dict[str, Any] = json.loads(line)
        self.traces = stats.pop("traces")
        assert stats["errors"] == stats["faults"] == 0, (stats, self.log.read_text())
        return stats

    def spans(self, count: int, size: int = 10) -> dict[str, Any]:
        return self.tell("spans", count, size)

    def stats(self) -> dict[str, Any]:
        return self.tell("stats")

    def flush(self, seconds: float = 20.0) -> dict[str, Any]:
        return self.tell("flush", seconds)

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        """As an application ends that has nothing left to do."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stderr.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def check_stored(
    collector: CollectorProcess, made_by: Sequence[Application], expected: int, key: str | None = None
) -> None:
    """So many spans are stored of the traces of these applications."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    found = 0
    for trace_id in (trace_id for application in made_by for trace_id in application.traces):
        answer = collector.get(f"/api/v1/traces/{trace_id}?payload=false", headers)
        assert answer.status in (200, 404), answer
        found += len(answer.json().get("spans", []))
    assert found == expected


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Between:
    """Passes requests on to a collector; ``answers`` are given instead, in turn, and ``delay`` comes before each."""

    def __init__(self, collector: CollectorProcess) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.seen: list[int] = []
        self.delay = threading.Event()
        self.seconds = 0.0
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                between.delay.wait(between.seconds)
                if between.answers:
                    status, headers = between.answers.pop(0)
                    answer = b""
                else:
                    status, headers, answer = between._pass_on(collector, self.path, dict(self.headers.items()), body)
                between.seen.append(status)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _pass_on(
        self, collector: CollectorProcess, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(collector.http)
        with contextlib.closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() != "content-length"}
            return response.status, kept, response.read()

    def close(self) -> None:
        self.delay.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def applications(folder: Path) -> Iterator[Any]:
    """A function that starts applications, which are gone at the end."""
    started: list[Application] = []

    def start(endpoint: str, **settings: str) -> Application:
        started.append(Application(folder, endpoint, **settings))
        return started[-1]

    try:
        yield start
    finally:
        for application in started:
            application.kill()
