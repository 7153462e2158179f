"""Unmodified official exporters reach the collector, and what they send is stored."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from beside import missing
from collector_process import CollectorProcess
from grpc import Compression as GrpcCompression
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode

JAVASCRIPT = Path(__file__).parent / "javascript"


def send_trace(exporter: SpanExporter) -> str:
    """Two spans through the official SDK. Returns the trace id."""
    provider = TracerProvider(resource=Resource.create({"service.name": "official"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("exporters", "1.2")
    attributes = {"user.id": "ada", "n": 2**53 + 1, "b": True}
    with (
        tracer.start_as_current_span("question", attributes=attributes) as root,
        tracer.start_as_current_span("answer") as child,
    ):
        child.add_event("token", {"index": 1})
        child.set_status(Status(StatusCode.ERROR, "too long"))
    assert provider.force_flush(10_000)
    provider.shutdown()
    return f"{root.get_span_context().trace_id:032x}"


def check_stored(collector: CollectorProcess, trace_id: str) -> None:
    answer = collector.get(f"/api/v1/traces/{trace_id}")
    assert answer.status == 200
    question, reply = answer.json()["spans"]
    assert (question["name"], reply["name"]) == ("question", "answer")
    assert question["attributes"] == {"user.id": "ada", "n": 2**53 + 1, "b": True}
    assert (question["service"], question["scope"], question["user_id"]) == ("official", "exporters", "ada")
    assert reply["parent_span_id"] == question["span_id"]
    assert (reply["error"]["message"], reply["events"][0]["name"]) == ("too long", "token")


@pytest.mark.parametrize("compression", list(Compression))
def test_python_over_http(collector_process: CollectorProcess, compression: Compression):
    exporter = HttpExporter(endpoint=f"{collector_process.http}/v1/traces", compression=compression)
    check_stored(collector_process, send_trace(exporter))


@pytest.mark.parametrize("compression", [GrpcCompression.NoCompression, GrpcCompression.Gzip, GrpcCompression.Deflate])
def test_python_over_grpc(collector_process: CollectorProcess, compression: GrpcCompression):
    exporter = GrpcExporter(endpoint=collector_process.grpc, insecure=True, compression=compression)
    check_stored(collector_process, send_trace(exporter))


@pytest.fixture
def warnings_of_exporters(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    with caplog.at_level(logging.WARNING, "opentelemetry"):
        yield caplog.messages


def test_python_logs_and_metrics_are_answered_and_not_sent_again(
    collector_process: CollectorProcess, warnings_of_exporters: list[str]
):
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{collector_process.http}/v1/logs")))
    logs.get_logger("app").emit(body="hello")
    metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector_process.http}/v1/metrics"))])
    metrics.get_meter("app").create_counter("calls").add(1)
    assert logs.force_flush()
    assert metrics.force_flush()
    logs.shutdown()
    metrics.shutdown()
    assert collector_process.metric('tracekit_items_rejected_total{signal="logs"}') == 1
    assert collector_process.metric('tracekit_items_rejected_total{signal="metrics"}') >= 1
    assert not [message for message in warnings_of_exporters if "retry" in message.lower()]


def test_javascript_over_http_json(collector_process: CollectorProcess, javascript: Path):
    ran = subprocess.run(
        ["node", "send.mjs", f"{collector_process.http}/v1/traces"],
        check=False,
        cwd=javascript,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    answer = collector_process.get(f"/api/v1/traces/{ran.stdout.strip()}")
    spans = {span["name"]: span for span in answer.json()["spans"]}
    question, reply = spans["question"], spans["answer"]
    assert question["attributes"] == {"user.id": "ada", "big": 9007199254740991, "ratio": 0.5, "list": ["a", "b"]}
    assert reply["parent_span_id"] == question["span_id"]
    assert reply["status"] == "error"
    assert answer.json()["user_id"] == "ada"


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exporter from the package index and a program that uses it."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(JAVASCRIPT, folder, dirs_exist_ok=True)
    reason = f"{', '.join(absent)} not installed"
    if not absent:
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
        installed = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=110)
        if installed.returncode == 0:
            return folder
        reason = f"npm install failed: {installed.stderr[-500:]}"
    missing(f"THE JAVASCRIPT EXPORTER IS NOT TESTED: {reason}")
