"""Delivery to a real HTTP server: retries, splitting, refusal, bounds, flush, shutdown."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags
from sdk_support import Collector, collector, wait_for

from tracekit import semconv
from tracekit.compression import Compression
from tracekit.config import Config, resolve
from tracekit.counts import FlushResult
from tracekit.export import Exporter
from tracekit.transport import Answer, Outcome, retry_after

__all__ = ["collector"]

RESOURCE = Resource({})
Make = Callable[..., Exporter]


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make(collector: Collector, spool_dir: Path) -> Iterator[Make]:
    made: list[Exporter] = []

    def create(post: Any = None, **settings: Any) -> Exporter:
        config = resolve(endpoint=collector.url, project="p", interval=0.01, spool_dir=spool_dir)
        made.append(Exporter(dataclasses.replace(config, **settings), post))
        return made[-1]

    yield create
    for exporter in made:
        exporter.close(0)


def span(name: str = "s", **attributes: Any) -> ReadableSpan:
    context = SpanContext(1, 2, False, TraceFlags(1))
    return ReadableSpan(name, context, resource=RESOURCE, attributes=attributes, start_time=1, end_time=2)


def test_spans_arrive_and_are_counted(make: Make, collector: Collector) -> None:
    exporter = make()
    for n in range(1500):
        exporter.put(span(f"s{n}"))
    assert exporter.flush(10) == FlushResult(acknowledged=1500, pending=0, failed=0)
    assert collector.names() == [f"s{n}" for n in range(1500)]
    assert max(len(r.resource_spans[0].scope_spans[0].spans) for r in collector.requests) <= 512
    [resource] = {r.resource_spans[0].resource.SerializeToString() for r in collector.requests}
    assert b"openinference.project.name" in resource
    assert {headers[":path"] for headers in collector.headers} == {"/v1/traces"}
    assert "content-encoding" not in collector.headers[0]


@pytest.mark.parametrize(
    ("settings", "awaited", "times"),
    [({}, False, 1), ({"max_queue_spans": 160}, False, 0), ({"max_queue_bytes": 165_000}, False, 0), ({}, True, 0)],
)
def test_the_encoder_steps_aside_while_there_is_room(
    make: Make, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], awaited: bool, times: int
) -> None:
    exporter = make(**settings)
    monkeypatch.setattr(exporter, "_wake", lambda: None)
    for n in range(160):
        exporter.put(span(f"s{n}"))
    slept: list[float] = []
    monkeypatch.setattr("tracekit.export.time.sleep", slept.append)
    exporter._wanted = 160 if awaited else 0
    assert exporter._take(35 * 1_100).spans == 37
    assert len(slept) == times


def test_they_arrive_without_a_flush(make: Make, collector: Collector) -> None:
    exporter = make()
    exporter.put(span("early"))
    wait_for(lambda: collector.names() == ["early"])
    exporter.put(span("late"))
    wait_for(lambda: len(collector.names()) == 2)
    assert collector.names() == ["early", "late"]


def test_a_wrong_key_keeps_the_spans_and_no_key_is_seen(
    make: Make, collector: Collector, caplog: pytest.LogCaptureFixture, spool_dir: Path
) -> None:
    config = resolve(endpoint=collector.url, api_key="sk-very-secret", headers={"X-Team": "a"})
    exporter = make(headers=config.headers)
    collector.answers = [(401, {}, b"")] * 2
    with caplog.at_level(logging.DEBUG):
        exporter.put(span())
        wait_for(lambda: len(collector.headers) == 1)
        wait_for(lambda: exporter.stats(0).spooled == 1)
    assert collector.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert collector.headers[0]["x-team"] == "a"
    assert "very-secret" not in caplog.text + repr(config) + str(exporter.stats(0))
    assert exporter.stats(0).last_error == "HTTP 401"
    assert caplog.text.count("API key") == 1
    assert b"very-secret" not in b"".join(path.read_bytes() for path in spool_dir.rglob("*") if path.is_file())
    collector.answers = []
    assert exporter.flush(10) == FlushResult(1, 0, 0)


def test_gzip(make: Make, collector: Collector) -> None:
    exporter = make(compression="gzip")
    exporter.put(span("zipped", text="x" * 10_000))
    assert exporter.flush(10).acknowledged == 1
    assert collector.headers[0]["content-encoding"] == "gzip"
    assert int(collector.headers[0]["content-length"]) < 1_000
    assert collector.names() == ["zipped"]


def test_zstd_once_a_collector_of_ours_has_answered(make: Make, collector: Collector) -> None:
    collector.answers = [(200, {semconv.COLLECTOR_HEADER: "1"}, b"")]
    exporter = make()
    for name in ("first", "second"):
        exporter.put(span(name, text="x" * 1_000))
        assert exporter.flush(10).pending == 0
    exporter = make()
    exporter.put(span("next exporter", text="x" * 1_000))
    exporter.put(span("tiny"))
    assert exporter.flush(10).pending == 0
    assert [headers.get("content-encoding") for headers in collector.headers] == [None, "zstd", "zstd"]
    assert collector.names() == ["first", "second", "next exporter", "tiny"]


def test_what_compresses_by_itself_is_gzip_elsewhere_and_given_up_where_refused() -> None:
    body = b"x" * 1_000
    near, far = Compression("auto", "http://127.0.0.1:1/near"), Compression("auto", "https://example.org/far")
    assert near.pack(body)[0] is None and far.pack(body)[0] == "gzip"
    assert Compression("zstd", "http://127.0.0.1:1/near").pack(body)[0] == "zstd"
    assert Compression("none", "https://example.org/far").pack(body)[0] is None
    assert not Compression("gzip", "https://example.org/far").refused()
    assert far.refused() and far.pack(body)[0] is None and not far.refused()


def test_an_encoding_that_is_not_understood_is_given_up(make: Make, collector: Collector) -> None:
    collector.answers = [(200, {semconv.COLLECTOR_HEADER: "1"}, b""), (415, {}, b"")]
    exporter = make()
    for name in ("first", "second"):
        exporter.put(span(name, text="x" * 1_000))
        assert exporter.flush(10).failed == 0
    assert [headers.get("content-encoding") for headers in collector.headers] == [None, "zstd", None]
    assert collector.names() == ["first", "second"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retryable_answers_are_retried(make: Make, collector: Collector, status: int) -> None:
    collector.answers = [(status, {"retry-after": "0"}, b""), (status, {}, b"")]
    exporter = make()
    exporter.put(span("kept"))
    assert exporter.flush(10) == FlushResult(1, 0, 0)
    assert collector.names() == ["kept"]
    assert len(collector.headers) == 3


@pytest.mark.parametrize("status", [400, 404, 415, 500, 301])
def test_other_answers_are_final(make: Make, collector: Collector, status: int) -> None:
    collector.answers = [(status, {}, b"")]
    exporter = make()
    exporter.put(span("lost"))
    assert exporter.flush(10) == FlushResult(0, 0, 1)
    exporter.put(span("next"))
    assert exporter.flush(10) == FlushResult(1, 0, 1)
    assert collector.names() == ["next"]


def test_retry_after_is_honoured(make: Make) -> None:
    assert retry_after("7", 0) == 7.0
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0) == 10.0
    assert retry_after("86400", 0) == 300.0
    assert retry_after("soon", 0) is None and retry_after(None, 0) is None and retry_after("nan", 0) is None
    answers = [Answer(Outcome.RETRY, retry_after=60.0, reason="HTTP 429")]
    exporter = make(post=lambda body: answers[0])
    exporter.put(span())
    assert exporter.flush(0.2) == FlushResult(0, 1, 0)


def test_too_large_requests_are_split(make: Make, collector: Collector) -> None:
    collector.accepts = lambda size: size < 30_000
    exporter = make()
    for n in range(100):
        exporter.put(span(f"s{n}", text="x" * 2_000))
    exporter.put(span("giant", text="x" * 40_000))
    assert exporter.flush(20) == FlushResult(100, 0, 1)
    assert sorted(collector.names()) == sorted(f"s{n}" for n in range(100))


def test_partial_success_counts_as_failed(make: Make, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="bad ids")
    answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    collector.answers = [(200, {}, answer)]
    exporter = make(interval=0.2)
    for _ in range(5):
        exporter.put(span())
    assert exporter.flush(10) == FlushResult(3, 0, 2)
    assert exporter.stats(0).last_error == "bad ids"


def test_a_collector_that_is_away_loses_nothing(make: Make, collector: Collector) -> None:
    exporter = make(traces_url="http://127.0.0.1:9/v1/traces")
    for n in range(10):
        exporter.put(span(f"s{n}"))
    assert exporter.flush(0.2) == FlushResult(0, 10, 0)
    exporter.reconfigure(dataclasses.replace(Config(), traces_url=collector.url + "/v1/traces"))
    assert exporter.flush(10) == FlushResult(10, 0, 0)
    assert collector.names() == [f"s{n}" for n in range(10)]


def test_a_kept_connection_that_was_closed_is_no_trouble(
    make: Make, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make()
    exporter.put(span("one"))
    assert exporter.flush(10).acknowledged == 1
    assert exporter._sender._transport._connection is not None
    exporter._sender._transport._connection.sock.shutdown(2)
    exporter.put(span("two"))
    assert exporter.flush(10).acknowledged == 2
    assert caplog.text == ""


def test_the_queue_is_bounded_and_says_so_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def post(body: bytes) -> Answer:
        gate.wait(20)
        return Answer(Outcome.ACCEPTED)

    from tracekit import guard

    guard._said.discard("full")
    exporter = make(post=post, max_queue_spans=100, spool_bytes=0)
    for _ in range(1_000):
        exporter.put(span())
    dropped = exporter.stats(0).dropped
    assert 300 <= dropped <= 900
    gate.set()
    assert exporter.flush(10) == FlushResult(1_000 - dropped, 0, dropped)
    assert caplog.text.count("queue of spans is full") == 1


def test_the_queue_is_bounded_by_bytes_too(make: Make) -> None:
    exporter = make(post=lambda body: Answer(Outcome.RETRY, retry_after=60), max_queue_bytes=1_000_000, spool_bytes=0)
    for _ in range(100):
        exporter.put(span(text="x" * 100_000))
    assert exporter.stats(0).dropped >= 80


def test_one_span_that_cannot_be_encoded_loses_itself_only(make: Make, collector: Collector) -> None:
    exporter = make()
    exporter.put(span("good"))
    exporter.put(ReadableSpan("bad", None))
    exporter.put(span("better"))
    assert exporter.flush(10) == FlushResult(2, 0, 1)
    assert collector.names() == ["good", "better"]


def test_closing_is_bounded_and_says_what_was_left(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    exporter = make(post=lambda body: Answer(Outcome.RETRY, reason="away"))
    exporter.put(span())
    assert exporter.close(0.3) == FlushResult(0, 1, 0)
    assert "1 spans were not delivered" in caplog.text
    exporter.put(span())
    assert exporter.stats(0).dropped == 1
    assert exporter.close(5) == FlushResult(0, 1, 1)


def test_a_transport_that_fails_in_an_unforeseen_way(make: Make, collector: Collector) -> None:
    calls = []

    def post(body: bytes) -> Answer:
        calls.append(body)
        if len(calls) == 1:
            raise RuntimeError("unforeseen")
        return Answer(Outcome.ACCEPTED)

    exporter = make(post=post)
    exporter.put(span())
    wait_for(lambda: calls)
    exporter.put(span())
    wait_for(lambda: exporter.result().acknowledged == 1)
    assert exporter.result().pending == 0


def test_many_threads(make: Make, collector: Collector) -> None:
    exporter = make()

    def work() -> None:
        for _ in range(200):
            exporter.put(span())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exporter.flush(10) == FlushResult(1600, 0, 0)
    assert len(collector.spans()) == 1600
