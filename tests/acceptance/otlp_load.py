"""Senders that work like exporters: they go on until told to stop, and send again what was not acknowledged."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from collector_process import PROTOBUF, CollectorProcess, answer_of
from otlp_requests import export_request, protobuf, trace_id_of
from sqlalchemy import create_engine, text

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#: What gRPC says of a server that is no longer there; exporters send again after each.
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_COUNTED = "SELECT trace_id, span_count FROM traces"
_STORED = "SELECT trace_id, count(*) FROM spans GROUP BY trace_id"


def bodies_of(number: int) -> bytes:
    """Request ``number``: four spans of its own trace, and four late ones of the trace before."""
    own = _request(number, range(4), attributes={"input.value": "question " * 20})
    return own + _request(max(0, number - 1), range(4, 8))


def spans_of(number: int) -> set[tuple[bytes, bytes]]:
    own = {(trace_id_of(number), _span_id(number, span + 1)) for span in range(4)}
    above = max(0, number - 1)
    return own | {(trace_id_of(above), _span_id(above, span + 1)) for span in range(4, 8)}


def _request(trace: int, spans: Iterable[int], **options: Any) -> bytes:
    message = export_request(trace, spans, **options)
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.span_id = _span_id(trace, int.from_bytes(span.span_id))
        if span.parent_span_id:
            span.parent_span_id = _span_id(trace, int.from_bytes(span.parent_span_id))
    return protobuf(message)


def _span_id(trace: int, number: int) -> bytes:
    """No two traces share one, as in life."""
    return (trace << 8 | number).to_bytes(8, "big")


class Load:
    """Four senders, half of them over gRPC. ``acknowledged`` are the numbers of requests that were answered with OK,
    ``faults`` answers after which an exporter would not send again. Each sender waits ``pause_s`` after a request.
    Requests are numbered from ``first``."""

    def __init__(self, pause_s: float = 0.0, first: int = 0) -> None:
        self._pause_s = pause_s
        self.acknowledged: list[int] = []
        self.faults: list[str] = []
        self._numbers = iter(range(first, 10**9))
        self._again: list[int] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def on(self, collector: CollectorProcess) -> Iterator[None]:
        """Sends while the block runs; senders whose collector is gone leave their request to the next ``on``."""
        stop = threading.Event()
        senders = [self._http(collector), self._http(collector), self._grpc(collector), self._grpc(collector)]
        threads = [threading.Thread(target=self._run, args=(send, stop)) for send in senders]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not self.faults

    def _run(self, send: Callable[[bytes], bool | None], stop: threading.Event) -> None:
        while not stop.is_set():
            with self._lock:
                number = self._again.pop() if self._again else next(self._numbers)
            answer = send(bodies_of(number))
            with self._lock:
                if answer:
                    self.acknowledged.append(number)
                else:
                    self._again.append(number)
            if answer is None or stop.wait(self._pause_s):
                return

    def _http(self, collector: CollectorProcess) -> Callable[[bytes], bool | None]:
        connection = collector.connection()

        def send(body: bytes) -> bool | None:
            try:
                connection.request("POST", "/v1/traces", gzip.compress(body), PROTOBUF | {"Content-Encoding": "gzip"})
                status = answer_of(connection).status
            except (OSError, http.client.HTTPException):
                connection.close()
                return None
            if status not in (200, 429, 503):
                self.faults.append(f"HTTP {status}")
            return status == 200

        return send

    def _grpc(self, collector: CollectorProcess) -> Callable[[bytes], bool | None]:
        channel = grpc.insecure_channel(str(collector.grpc))
        export = channel.unary_unary(EXPORT)

        def send(body: bytes) -> bool | None:
            try:
                export(body, timeout=30)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                    return False
                if error.code() not in _GONE:
                    self.faults.append(str(error))
                channel.close()
                return None
            return True

        return send


def check_stored(database_url: str, acknowledged: list[int]) -> None:
    """Every acknowledged span is there, and every span that is there is there once."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = [
            (bytes(trace), bytes(span))
            for trace, span in connection.execute(text("SELECT trace_id, span_id FROM spans"))
        ]
    engine.dispose()
    stored = set(rows)
    assert len(rows) == len(stored)
    missing = set().union(*map(spans_of, acknowledged)) - stored
    assert not missing


def check_summarised(collector: CollectorProcess, database_url: str, seconds: float = 30.0) -> None:
    """Derived work was neither lost nor doubled: the queue runs empty, every trace's summary counts all its spans."""
    deadline = time.monotonic() + seconds
    while any(
        collector.metric(f'tracekit_queue_items{{consumer="{name}",state="{state}"}}')
        for name in ("summarise", "index")
        for state in ("ready", "claimed")
    ):
        assert time.monotonic() < deadline, "the queue does not run empty"
        time.sleep(0.1)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        counted = {bytes(trace): count for trace, count in connection.execute(text(_COUNTED))}
        stored = {bytes(trace): count for trace, count in connection.execute(text(_STORED))}
    engine.dispose()
    assert counted == stored
