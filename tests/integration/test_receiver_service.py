"""What a collector says about itself: addresses that answer, metrics, errors, logs without secrets."""

from __future__ import annotations

import json

import pytest
from collector_process import JSON, PROTOBUF, CollectorProcess, Start
from otlp_requests import as_json, export_request, protobuf


def test_health(collector_process: CollectorProcess):
    assert (collector_process.get("/healthz").status, collector_process.get("/readyz").status) == (200, 200)
    assert collector_process.request("HEAD", "/healthz").status == 200
    assert collector_process.post("/healthz", b"").status == 405


def test_unknown_addresses(collector_process: CollectorProcess):
    for path in ("/api", "/api/", "/api/v2/traces", "/api/v1/nothing"):
        problem = collector_process.get(path)
        assert (problem.status, problem.headers["content-type"]) == (404, "application/problem+json")
        assert problem.json()["status"] == 404
    plain = collector_process.get("/nothing/here")
    assert (plain.status, plain.headers["content-type"].partition("+")[0]) != (404, "application/problem")
    assert plain.status == 404


@pytest.mark.parametrize("path", ["/traces", "/api/v1/projects", "/api/docs", "/healthz", "/nothing"])
def test_security_headers(collector_process: CollectorProcess, path: str):
    headers = collector_process.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "script-src 'unsafe-inline'" not in headers["content-security-policy"]
    assert "server" not in headers


def test_metrics_count_what_happened(start_collector: Start):
    collector = start_collector()
    body = protobuf(export_request(1, [0, 1, 2]))
    for _ in range(2):
        assert collector.post("/v1/traces", body, PROTOBUF).status == 200
    assert collector.post("/v1/traces", b"[", JSON).status == 400
    expected = {
        "tracekit_spans_received_total": 6,
        "tracekit_spans_stored_total": 3,
        "tracekit_spans_duplicate_total": 3,
        "tracekit_commit_seconds_count": 2,
        "tracekit_pending_spans": 0,
        'tracekit_requests_total{code="200",encoding="protobuf",protocol="http",signal="traces"}': 2,
        'tracekit_requests_total{code="400",encoding="json",protocol="http",signal="traces"}': 1,
        'tracekit_queue_items{consumer="summarise",state="buried"}': 0,
    }
    assert {name: collector.metric(name) for name in expected} == expected
    assert 10e6 < collector.metric("process_resident_memory_bytes") < 150e6
    assert collector.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


def test_no_metric_names_a_project_or_a_sender(collector_process: CollectorProcess):
    body = as_json(export_request(attributes={"session.id": "very-private"})).replace(b'"tests"', b'"very-private"')
    assert collector_process.post("/v1/traces", body, JSON).status == 200
    assert b"very-private" not in collector_process.get("/metrics").body


def test_logs_are_json_lines_without_secrets(start_collector: Start):
    collector = start_collector("--log-level", "debug", env={"TRACEKIT_API_KEYS": "correct-horse"})
    collector.get("/traces", {"Authorization": "Bearer correct-horse", "Cookie": "tracekit_session=stolen"})
    assert collector.stop() == 0
    lines = collector.stderr().splitlines()
    assert [json.loads(line)["event"] for line in lines][-2:] == ["draining", "drained"]
    assert "correct-horse" not in collector.stderr()
    assert "stolen" not in collector.stderr()


def test_the_ready_line_names_every_address(collector_process: CollectorProcess):
    ready = collector_process.ready
    assert ready["event"] == "ready"
    assert ready["http"].startswith("http://127.0.0.1:")
    assert ready["grpc"].startswith("127.0.0.1:")
    assert ready["database"].startswith("sqlite:///")
