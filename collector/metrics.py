"""Prometheus metrics of the collector itself. No label names a project or a sender.

prometheus_client decides when it is imported whether several processes share their metrics: it must be imported
after ``PROMETHEUS_MULTIPROC_DIR`` was set, hence never by the process that starts the workers.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from collector.queue.api import QueueStats
from collector.storage.forward_api import Status

_COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of this process, or of all workers where ``PROMETHEUS_MULTIPROC_DIR`` is set."""

    def __init__(self) -> None:
        # Half of all lines would be times of creation.
        untyped: Any = prometheus_client
        untyped.disable_created_metrics()
        self.registry = registry = CollectorRegistry()
        self._received = Counter(
            "tracekit_spans_received", "Spans that arrived in readable requests", registry=registry
        )
        self._stored = Counter("tracekit_spans_stored", "Spans committed for the first time", registry=registry)
        self._duplicate = Counter("tracekit_spans_duplicate", "Spans that were stored already", registry=registry)
        self._rejected = Counter(
            "tracekit_items_rejected", "Items refused for good in a partial success", ["signal"], registry=registry
        )
        self._emptied = Counter(
            "tracekit_spans_emptied", "Spans stored without content: it could not be redacted", registry=registry
        )
        self._looped = Counter(
            "tracekit_requests_looped",
            "Requests with spans that were here before",
            registry=registry,
        )
        self._requests = Counter(
            "tracekit_requests", "OTLP requests", ["protocol", "signal", "encoding", "code"], registry=registry
        )
        self._commit = Histogram(
            "tracekit_commit_seconds", "From submit to commit", buckets=_COMMIT_BUCKETS, registry=registry
        )
        self._pending = _live_sum("tracekit_pending_spans", "Spans submitted and not yet committed", registry)
        self._buffered = _live_sum("tracekit_buffered_bytes", "Bytes of requests not yet answered", registry)
        self._rss = _live_sum("process_resident_memory_bytes", "Resident memory", registry)
        self._queue = Gauge(
            "tracekit_queue_items",
            "Items of derived work by state",
            ["consumer", "state"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._lag = Gauge(
            "tracekit_queue_lag_seconds",
            "Age of the oldest item of derived work",
            ["consumer"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )

        self._destination_spans = Gauge(
            "tracekit_destination_spans",
            "Spans and annotations by destination: waiting, unverified and buried now; the others since it was made",
            ["destination", "state"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._destination_lag = Gauge(
            "tracekit_destination_lag_seconds",
            "Age of the oldest thing that a destination has not taken",
            ["destination"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def request(self, protocol: str, signal: str, encoding: str, code: int) -> None:
        self._requests.labels(protocol, signal, encoding, code).inc()

    def received(self, spans: int) -> None:
        self._received.inc(spans)

    def emptied(self, spans: int) -> None:
        if spans:
            self._emptied.inc(spans)

    def committed(self, stored: int, duplicates: int, seconds: float) -> None:
        self._stored.inc(stored)
        self._duplicate.inc(duplicates)
        self._commit.observe(seconds)

    def looped(self) -> None:
        self._looped.inc()

    def rejected(self, signal: str, items: int) -> None:
        if items:
            self._rejected.labels(signal).inc(items)

    def load(self, pending_spans: int, buffered_bytes: int) -> None:
        """What this process holds now, and how much memory it takes."""
        self._pending.set(pending_spans)
        self._buffered.set(buffered_bytes)
        self._rss.set(resident_bytes())

    def queue(self, consumer: str, stats: QueueStats) -> None:
        for state in ("ready", "claimed", "buried"):
            self._queue.labels(consumer, state).set(getattr(stats, state))
        self._lag.labels(consumer).set(stats.lag_ns / 1e9)

    def destinations(self, statuses: Sequence[Status]) -> None:
        """As the database has them: so one worker of several tells it for all."""
        for status in statuses:
            name = status.destination.name
            self._destination_lag.labels(name).set(status.lag_ns / 1e9)
            waiting = {"waiting": status.waiting, "unverified": status.unverified, "buried": status.buried}
            for state, spans in (waiting | asdict(status.tally)).items():
                self._destination_spans.labels(name, state).set(spans)

    def exposition(self) -> bytes:
        """Prometheus' text format: of all workers where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        from prometheus_client import multiprocess

        together = CollectorRegistry()
        untyped: Any = multiprocess
        untyped.MultiProcessCollector(together)
        return generate_latest(together)


def _live_sum(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, text, registry=registry, multiprocess_mode="livesum")


def resident_bytes() -> int:
    """This process's resident memory; its peak where the system does not tell more."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
