"""OTLP/gRPC has the semantics of OTLP/HTTP."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from collector_process import PROTOBUF, CollectorProcess, Start
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_requests import export_request, protobuf, trace_id_of

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def channel(collector_process: CollectorProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(str(collector_process.grpc)) as channel:
        yield channel


def send(channel: grpc.Channel, body: bytes, **kwargs: Any) -> bytes:
    answer: bytes = channel.unary_unary(EXPORT)(body, timeout=30, **kwargs)
    return answer


def refused(channel: grpc.Channel, body: bytes, **kwargs: Any) -> tuple[grpc.StatusCode, bool]:
    """With what, and whether the sender is told to come again. The details say the same as the status."""
    with pytest.raises(grpc.RpcError) as raised:
        send(channel, body, **kwargs)
    error: Any = raised.value
    assert error.details()
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return error.code(), False
    status = Status.FromString(details)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = [RetryInfo.FromString(detail.value) for detail in status.details if detail.Is(RetryInfo.DESCRIPTOR)]
    assert all(info.retry_delay.ToMilliseconds() >= 1000 for info in found)
    return error.code(), bool(found)


def test_spans_are_stored(collector_process: CollectorProcess, channel: grpc.Channel):
    answer = TraceServiceStub(channel).Export(export_request(1, [0, 1]), timeout=30)
    assert answer == ExportTraceServiceResponse()
    assert collector_process.span_names(trace_id_of(1).hex()) == ["work 0", "work 1"]


def test_single_bad_spans_are_a_partial_success(collector_process: CollectorProcess, channel: grpc.Channel):
    message = export_request(2, [0, 1])
    message.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    partial = TraceServiceStub(channel).Export(message, timeout=30).partial_success
    assert (partial.rejected_spans, bool(partial.error_message)) == (1, True)
    assert collector_process.span_names(trace_id_of(2).hex()) == ["work 0"]


@pytest.mark.parametrize("body", [b"\xff\xff garbage", protobuf(export_request())[:-7]])
def test_malformed_bodies(channel: grpc.Channel, body: bytes):
    assert refused(channel, body) == (grpc.StatusCode.INVALID_ARGUMENT, False)


def test_nothing_but_bad_spans(channel: grpc.Channel):
    message = export_request(3)
    message.resource_spans[0].scope_spans[0].spans[0].span_id = bytes(8)
    assert refused(channel, protobuf(message)) == (grpc.StatusCode.INVALID_ARGUMENT, False)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_bodies_over_the_limit_shall_not_come_again(channel: grpc.Channel, compression: grpc.Compression):
    found = refused(channel, bytes(33 * 1024 * 1024), compression=compression)
    assert found == (grpc.StatusCode.RESOURCE_EXHAUSTED, False)


def test_large_bodies_pass(collector_process: CollectorProcess, channel: grpc.Channel):
    message = export_request(4, range(4), attributes={"input.value": "x" * 2 * 1024 * 1024})
    assert send(channel, protobuf(message)) == b""
    assert len(collector_process.span_names(trace_id_of(4).hex())) == 4


def test_other_methods_are_unimplemented(channel: grpc.Channel):
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Import")(b"", timeout=30)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_logs_and_metrics_are_answered_with_what_becomes_of_them(channel: grpc.Channel):
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add()
    found = LogsServiceStub(channel).Export(logs, timeout=30).partial_success
    assert (found.rejected_log_records, found.error_message) == (1, "logs are not stored yet")
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add().sum.data_points.add()
    counted = MetricsServiceStub(channel).Export(metrics, timeout=30).partial_success
    assert (counted.rejected_data_points, counted.error_message) == (1, "metrics are not stored yet")


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"),
    reason="no prlimit: only Linux limits a process that runs, and the database must be writable at first",
)
def test_a_database_that_cannot_be_written_is_unavailable_and_nothing_is_lost(start_collector: Start):
    collector = start_collector()
    body = protobuf(export_request(5))
    resource.prlimit(collector.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    with grpc.insecure_channel(str(collector.grpc)) as channel:
        answer = collector.post("/v1/traces", body, PROTOBUF)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert Status.FromString(answer.body).code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert refused(channel, body) == (grpc.StatusCode.UNAVAILABLE, True)
        assert collector.get("/readyz").status == 503
        assert collector.get("/healthz").status == 200
        resource.prlimit(collector.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert collector.post("/v1/traces", body, PROTOBUF).status == 200
        assert send(channel, body) == b""
    assert collector.get("/readyz").status == 200
    assert collector.span_names(trace_id_of(5).hex()) == ["work 0"]
