"""A collector in a process of its own, fed with traces as applications send them."""

from __future__ import annotations

from collections.abc import Iterable

from collector_process import PROTOBUF, CollectorProcess, until
from otlp_traces import Trace


class Stage:
    def __init__(self, collector: CollectorProcess) -> None:
        self.collector = collector
        self.address = collector.http

    def feed(self, *traces: Trace) -> None:
        """Returns when the traces are summarised: every page shows all of them."""
        self.feed_all(traces)

    def feed_all(self, traces: Iterable[Trace]) -> None:
        waiting = []
        for trace in traces:
            for request in trace.requests():
                answer = self.collector.post("/v1/traces", request, PROTOBUF)
                assert answer.status == 200, answer
            waiting.append(trace)
        for trace in waiting:
            until(lambda trace=trace: self._is_summarised(trace))

    def _is_summarised(self, trace: Trace) -> bool:
        found = self.collector.get(f"/api/v1/traces/{trace.trace_id.hex()}?payload=false").json()
        return found["span_count"] == trace.count and not found["stale"]

    def until_found(self, word: str) -> None:
        """Waits for the full-text index, which is built behind the summaries."""
        until(lambda: bool(self.collector.get(f"/api/v1/traces?q={word}").json()["items"]))
