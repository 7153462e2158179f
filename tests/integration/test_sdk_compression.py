"""The collector says who it is, and is sent zstd from then on."""

from __future__ import annotations

from pathlib import Path

from collector_process import CollectorProcess
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from tracekit import semconv
from tracekit.config import resolve
from tracekit.export import Exporter


def test_zstd_from_the_second_request_on(collector_process: CollectorProcess, tmp_path: Path) -> None:
    answer = collector_process.post("/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
    assert answer.status == 200
    assert len(bytes.fromhex(answer.headers[semconv.COLLECTOR_HEADER])) == 8
    exporter = Exporter(resolve(endpoint=collector_process.http, project="zstd", spool_dir=tmp_path))
    encodings = []
    for number in (1, 2):
        context = SpanContext(7, number, False, TraceFlags(1))
        span = ReadableSpan(f"s{number}", context, resource=Resource({}), attributes={"text": "x" * 1_000})
        span._start_time = span._end_time = 1_700_000_000_000_000_000
        exporter.put(span)
        assert exporter.flush(20).pending == 0
        encodings.append(exporter._sender._transport._compression.pack(b"x" * 1_000)[0])
    exporter.close()
    assert encodings == ["zstd", "zstd"]
    assert sorted(collector_process.span_names(f"{7:032x}")) == ["s1", "s2"]
