"""What the SDK's tests share: spans in memory, and a real OTLP/HTTP server."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracekit


class Recorded:
    """The spans that ended, by name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._memory = InMemorySpanExporter()

    def init(self, **settings: Any) -> None:
        """(Re)start tracing into this memory, in both conventions' words unless settings say otherwise; nothing is
        sent."""
        settings.setdefault("conventions", "all")
        if self._kind == "own":
            provider = tracekit.init(export=False, set_global=False, **settings)
        else:
            provider = TracerProvider()
            tracekit.init(tracer_provider=provider, export=False, **settings)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))

    def configure(self, **settings: Any) -> None:
        self._memory.shutdown()
        self._memory = InMemorySpanExporter()
        self.init(**settings)

    def all(self) -> list[ReadableSpan]:
        return list(self._memory.get_finished_spans())

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def one(self, name: str | None = None) -> ReadableSpan:
        found = [span for span in self.all() if name is None or span.name == name]
        assert len(found) == 1, f"{len(found)} spans of {self.names()}"
        return found[0]

    def attributes(self, name: str | None = None) -> dict[str, Any]:
        return dict(self.one(name).attributes or {})

    def parent(self, child: str) -> str | None:
        """The name of a span's parent."""
        parent = self.one(child).parent
        if parent is None:
            return None
        return next((span.name for span in self.all() if span.context and span.context.span_id == parent.span_id), "?")

    def close(self) -> None:
        self._memory.shutdown()


@pytest.fixture(params=["own", "sdk"])
def spans(request: pytest.FixtureRequest) -> Iterator[Recorded]:
    """Tracing into memory, through tracekit's own provider and through one of OpenTelemetry's SDK."""
    recorded = Recorded(request.param)
    recorded.init()
    yield recorded
    recorded.close()
    tracekit.shutdown(0)


class Collector:
    """An OTLP/HTTP server that keeps what it was sent. ``answers`` are given in turn, then 200."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.accepts: Callable[[int], bool] = lambda size: True
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, headers, answer = collector._receive(self.path, dict(self.headers.items()), body)
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

    def _receive(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.headers.append({name.lower(): value for name, value in headers.items()} | {":path": path})
        if self.answers:
            answer = self.answers.pop(0)
            if answer[0] >= 300:
                return answer
        else:
            answer = (200, {}, b"")
        if not self.accepts(len(body)):
            return 413, {}, b""
        encoding = self.headers[-1].get("content-encoding")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "zstd":
            body = zstandard.ZstdDecompressor().decompress(body)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return answer

    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.005)


def parsed(text: Any) -> Any:
    assert isinstance(text, str)
    return json.loads(text)
