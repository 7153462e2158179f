"""Sends prepared bodies over several connections and watches them become durable.

429, 502, 503 and 504 are tried again after Retry-After, as an OTLP exporter would.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ingest.bodies import SPANS_PER_REQUEST
from benchmarks.ingest.procstat import Meter
from benchmarks.ingest.servers import Server

_RETRIED = frozenset({429, 502, 503, 504})
#: After the last answer: how long nothing may become durable before that counts as lost.
STALL_SECONDS = 20.0
CATCH_UP_SECONDS = 600.0
_COUNT = "select max(id) from spans"
_EXACT = "select count(*) from spans"


@dataclass
class Result:
    """``spans_per_s`` is by the moment the last span was durable. CPU is the server's, its database included, in
    seconds for 1,000 spans: once everything was durable, and once summaries and index had caught up too."""

    server: str
    round: int
    spans: int
    durable: int
    spans_per_s: float
    cpu_per_1000: float
    caught_up_s: float
    cpu_caught_up_per_1000: float
    peak_rss_mb: float
    disk_bytes_per_span: float
    request_p50_ms: float
    request_p99_ms: float
    answers: dict[str, int]
    started_s: float


@dataclass
class _Sender:
    """Takes bodies from ``waiting`` until there are none."""

    port: int
    waiting: list[bytes]
    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while True:
            with self.lock:
                if not self.waiting:
                    break
                body = self.waiting.pop()
            while self._refused(connection, body):
                pass
        connection.close()

    def _refused(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        began = time.perf_counter()
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - began
        with self.lock:
            self.answers[str(answer.status)] += 1
            if answer.status == 200:
                self.latencies.append(took)
        if answer.status in _RETRIED:
            time.sleep(float(answer.headers.get("Retry-After") or 0.25))
            return True
        return False


def measure(server: Server, bodies: Path, requests: int, connections: int, number: int) -> Result:
    """The first body warms up, the next ``requests`` are measured."""
    files = sorted(bodies.glob("*.pb.gz"))[: requests + 1]
    _send(server, [files[0].read_bytes()], 1)
    _catch_up(server)
    waiting = [file.read_bytes() for file in reversed(files[1:])]
    before, size_before = server.ask(_EXACT), server.disk_bytes()
    meter = Meter(server.roots)
    began = time.perf_counter()
    sender = _send(server, waiting, connections)
    durable_s = _durable(server, before + sender.answers["200"] * SPANS_PER_REQUEST, began)
    cpu = meter.cpu_s()
    _catch_up(server)
    caught_up_s, cpu_caught_up = time.perf_counter() - began, meter.cpu_s()
    meter.stop()
    durable = server.ask(_EXACT) - before
    latencies = sorted(sender.latencies)
    return Result(
        server=server.name,
        round=number,
        spans=requests * SPANS_PER_REQUEST,
        durable=durable,
        spans_per_s=round(durable / durable_s, 1),
        cpu_per_1000=round(cpu / durable * 1000, 4),
        caught_up_s=round(caught_up_s - durable_s, 2),
        cpu_caught_up_per_1000=round(cpu_caught_up / durable * 1000, 4),
        peak_rss_mb=round(meter.peak_rss / 1e6, 1),
        disk_bytes_per_span=round((server.disk_bytes() - size_before) / durable, 1),
        request_p50_ms=round(latencies[len(latencies) // 2] * 1e3, 1),
        request_p99_ms=round(latencies[int(len(latencies) * 0.99)] * 1e3, 1),
        answers=dict(sender.answers),
        started_s=round(server.started_s, 3),
    )


def _send(server: Server, waiting: list[bytes], connections: int) -> _Sender:
    sender = _Sender(server.port, waiting)
    threads = [threading.Thread(target=sender.run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not sender.answers["200"]:
        raise RuntimeError(f"{server.name} took nothing: {dict(sender.answers)}")
    return sender


def _durable(server: Server, expected: int, began: float) -> float:
    """Seconds until the last span was found by a reader of the database."""
    best, best_at = 0, time.perf_counter()
    while best < expected and time.perf_counter() - best_at < STALL_SECONDS:
        found = server.ask(_COUNT)
        if found > best:
            best, best_at = found, time.perf_counter()
        else:
            time.sleep(0.02)
    return best_at - began


def _catch_up(server: Server) -> None:
    """Until the queue is empty but for what is buried. Raises ``TimeoutError``."""
    end = time.monotonic() + CATCH_UP_SECONDS
    while server.backlog():
        if time.monotonic() > end:
            raise TimeoutError(f"{server.name} did not catch up within {CATCH_UP_SECONDS:g} s")
        time.sleep(0.1)
