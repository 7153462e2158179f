"""LangSmith's ingest paths of a real collector, without LangSmith's client."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from collector_process import PROTOBUF, CollectorProcess, collectors, until
from langsmith_runs import at, run_uuid
from otlp_requests import export_request, protobuf, trace_id_of

ID, CHILD = str(run_uuid(0)), str(run_uuid(1))
TYPE = {"Content-Type": "multipart/form-data; boundary=b0"}
BASES = ("/langsmith", "/langsmith/api/v1")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collectors(tmp_path_factory.mktemp("langsmith")) as start:
        yield start()


def multipart(*parts: tuple[str, Any]) -> bytes:
    body = b""
    for name, value in parts:
        head = f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/json\r\n\r\n'
        body += head.encode() + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\r\n"
    return body + b"--b0--\r\n"


def run(number: int, parent: int | None = None, **fields: Any) -> dict[str, Any]:
    ids = {"id": str(run_uuid(number)), "trace_id": str(run_uuid(number if parent is None else parent))}
    times = {"start_time": at(number % 60), "end_time": at(number % 60 + 1)}
    parents = {} if parent is None else {"parent_run_id": str(run_uuid(parent))}
    return {**ids, **times, **parents, "name": f"run {number}", "run_type": "chain", "session_name": "shop", **fields}


def spans(collector: CollectorProcess, number: int) -> list[dict[str, Any]]:
    answer = collector.get(f"/api/v1/traces/{run_uuid(number).hex}")
    found: list[dict[str, Any]] = answer.json().get("spans", [])
    return found


@pytest.mark.parametrize("path", ["/langsmith", *(f"{base}/info" for base in BASES)])
def test_info_says_what_is_there(collector: CollectorProcess, path: str) -> None:
    info = collector.get(path).json()
    assert info["batch_ingest_config"]["use_multipart_endpoint"] is True
    assert info["batch_ingest_config"]["size_limit_bytes"] <= 20 * 1024 * 1024
    assert info["instance_flags"] == {"zstd_compression_enabled": True}


@pytest.mark.parametrize(("number", "base"), [(100, BASES[0]), (110, BASES[1])])
def test_a_compressed_stream_without_its_size_is_taken(collector: CollectorProcess, number: int, base: str) -> None:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    body = compressor.compress(multipart((f"post.{run_uuid(number)}", run(number, outputs={"a": 1}))))
    body += compressor.flush()
    answer = collector.post(f"{base}/runs/multipart", body, TYPE | {"Content-Encoding": "zstd"})
    assert (answer.status, answer.json()["rejected"]) == (202, 0)
    (span,) = spans(collector, number)
    assert (span["name"], span["kind"], span["status"], span["output"]) == (f"run {number}", "chain", "ok", {"a": 1})


def test_one_run_at_a_time(collector: CollectorProcess) -> None:
    body = json.dumps(run(120, end_time=None, inputs={"q": 1}, attachments={}))
    assert collector.post("/langsmith/runs", body).status == 202
    assert spans(collector, 120)[0]["status"] == "unset"
    patch = json.dumps({"end_time": at(9), "outputs": {"a": 2}})
    assert collector.request("PATCH", f"/langsmith/runs/{run_uuid(120)}", patch).status == 202
    (span,) = spans(collector, 120)
    assert (span["status"], span["input"], span["output"]) == ("ok", {"q": 1}, {"a": 2})


def test_a_batch(collector: CollectorProcess) -> None:
    body = json.dumps(
        {"post": [run(130), run(131, 130)], "patch": [{"id": str(run_uuid(131)), "error": "KeyError('x')"}]}
    )
    assert collector.post("/langsmith/runs/batch", body).status == 202
    root, child = spans(collector, 130)
    assert child["parent_span_id"] == root["span_id"] == run_uuid(130).hex[16:]
    assert (child["status"], child["error"]["type"]) == ("error", "KeyError")


def test_a_bad_run_is_left_out_and_told(collector: CollectorProcess) -> None:
    body = multipart((f"post.{run_uuid(140)}", run(140)), ("post.nobody", {}), (f"post.{run_uuid(141)}", b"{"))
    answer = collector.post("/langsmith/runs/multipart", body, TYPE)
    assert (answer.status, answer.json()["rejected"]) == (202, 2)
    assert len(spans(collector, 140)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/langsmith/runs/multipart", b"{}", {"Content-Type": "application/json"}, 415),
        ("POST", "/langsmith/runs/multipart", b"--b0\r\n", TYPE, 400),
        ("POST", "/langsmith/runs/multipart", b"x", TYPE | {"Content-Encoding": "zstd"}, 400),
        ("POST", "/langsmith/runs/multipart", b"x", TYPE | {"Content-Encoding": "br"}, 415),
        ("POST", "/langsmith/runs/batch", b"nonsense", {}, 400),
        ("POST", "/langsmith/runs", b"{}", {}, 422),
        ("PATCH", "/langsmith/runs/nobody", b"{}", {}, 422),
        ("GET", "/langsmith/what", b"", {}, 404),
    ],
)
def test_errors_are_in_langsmiths_form(
    collector: CollectorProcess, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = collector.request(method, path, body, headers)
    assert answer.status == status
    assert isinstance(answer.json()["detail"], str)
    assert "Traceback" not in answer.body.decode()


def test_traces_by_otlp_go_to_the_project_of_the_header(collector: CollectorProcess) -> None:
    headers = {"Content-Type": "application/x-protobuf", "Langsmith-Project": "by header"}
    for number, base in enumerate(BASES):
        body = protobuf(export_request(number))
        assert collector.post(f"{base}/otel/v1/traces", body, headers).status == 200
        trace = collector.get(f"/api/v1/traces/{trace_id_of(number).hex()}").json()
        assert trace["project"] == "by header"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With a key, and little room."""
    with collectors(tmp_path_factory.mktemp("strict")) as start:
        yield start(env={"TRACEKIT_API_KEYS": "secret-key", "TRACEKIT_MAX_BODY_BYTES": "100000"})


def test_a_key_is_asked_for_where_keys_exist(strict: CollectorProcess) -> None:
    body = json.dumps({"post": [run(0)]})
    refused = strict.post("/langsmith/runs/batch", body, {"x-api-key": "wrong"})
    assert (refused.status, list(refused.json())) == (401, ["detail"])
    assert strict.get("/langsmith/info").status == 401
    for headers in ({"x-api-key": "secret-key"}, {"Authorization": "Bearer secret-key"}):
        assert strict.post("/langsmith/runs/batch", body, headers).status == 202
        assert strict.post("/langsmith/otel/v1/traces", b"", PROTOBUF | headers).status == 200


def test_a_body_that_is_too_large_is_refused_and_the_next_is_taken(strict: CollectorProcess) -> None:
    key = {"x-api-key": "secret-key"}
    assert strict.get("/langsmith/info", key).json()["batch_ingest_config"]["size_limit_bytes"] == 100_000
    assert strict.post("/langsmith/runs/batch", b" " * 300_000, key).status == 413
    assert strict.post("/langsmith/runs/batch", b'{"post": []}', key).status == 202


def test_while_the_database_is_locked_the_sender_is_told_to_come_again_late(tmp_path: Path) -> None:
    """The client tries four times: Retry-After decides how long an outage it outlives."""
    with collectors(tmp_path) as start:
        collector = start()
        other = sqlite3.connect(tmp_path / "tracekit.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = collector.post("/langsmith/runs/batch", json.dumps({"post": [run(0)]}))
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        other.execute("ROLLBACK")
        assert collector.post("/langsmith/runs/batch", json.dumps({"post": [run(0)]})).status == 202
        until(lambda: len(spans(collector, 0)) == 1)
        other.close()
