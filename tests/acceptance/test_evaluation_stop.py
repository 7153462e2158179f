"""A judge that says nothing keeps no collector from ending, and what it was asked about is scored by the next one."""

from __future__ import annotations

import json
import time

from collector_process import JSON, PROTOBUF, Start, until
from flaky_judge import flaky_judge
from otlp_requests import export_request, protobuf, trace_id_of


def test_sigterm_does_not_wait_for_a_silent_judge(start_collector: Start) -> None:
    with flaky_judge() as judge:
        judge.hold.clear()
        collector = start_collector(env={"TRACEKIT_SHUTDOWN_TIMEOUT_S": "3"})
        settings = {"model": "m", "base_url": judge.base_url, "timeout_s": 120}
        rule = {"name": "helpful", "evaluator": {"type": "helpfulness"}, "judge": settings}
        assert collector.post("/api/v1/rules", json.dumps(rule).encode(), JSON).status == 201
        said = {"input.value": "Where is it?", "output.value": "Here."}
        assert collector.post("/v1/traces", protobuf(export_request(1, attributes=said)), PROTOBUF).status == 200
        until(lambda: judge.asked > 0)
        began = time.monotonic()
        assert collector.stop() == 0
        assert time.monotonic() - began < 10
        judge.share = 0.0
        judge.hold.set()
        collector = start_collector()
        until(lambda: bool(collector.get(f"/api/v1/annotations?trace_id={trace_id_of(1).hex()}").json()["items"]))
