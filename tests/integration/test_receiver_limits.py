"""Senders that are slow or many: they are told to come again, and the others are served meanwhile."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from collector_process import PROTOBUF, CollectorProcess, answer_of, collectors, until
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from otlp_requests import export_request, protobuf, trace_id_of

BODY_BYTES = 2000
BUFFERED_BYTES = 2 * BODY_BYTES


@pytest.fixture(scope="module")
def small_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With room for two bodies, and little patience."""
    folder: Path = tmp_path_factory.mktemp("small")
    file = folder / "tracekit.toml"
    file.write_text(
        f"max_body_bytes = {BODY_BYTES}\nmax_decompressed_bytes = {BODY_BYTES}\n"
        f"max_buffered_bytes = {BUFFERED_BYTES}\nbody_timeout_s = 1.0\n"
    )
    with collectors(folder) as start:
        yield start("--config", str(file))


@contextlib.contextmanager
def unfinished(collector: CollectorProcess, sent: int) -> Iterator[http.client.HTTPConnection]:
    """A request of which the last byte is missing."""
    with contextlib.closing(collector.connection()) as connection:
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("Content-Type", PROTOBUF["Content-Type"])
        connection.putheader("Content-Length", str(sent + 1))
        connection.endheaders(b"x" * sent)
        yield connection


def buffered(collector: CollectorProcess) -> float:
    return collector.metric("tracekit_buffered_bytes")


def test_a_slow_sender_is_cut_off_and_blocks_nobody(small_collector: CollectorProcess):
    with unfinished(small_collector, 100) as slow:
        assert small_collector.post("/v1/traces", protobuf(export_request(1)), PROTOBUF).status == 200
        answer = answer_of(slow)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert Status.FromString(answer.body).code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


def test_too_many_bytes_at_once_are_to_come_again(small_collector: CollectorProcess):
    body = protobuf(export_request(2, attributes={"key": "x" * 500}))
    with unfinished(small_collector, BODY_BYTES - 1), unfinished(small_collector, BODY_BYTES - 1):
        until(lambda: buffered(small_collector) == 2 * (BODY_BYTES - 1))
        answer = small_collector.post("/v1/traces", body, PROTOBUF)
        status = Status.FromString(answer.body)
        assert (answer.status, answer.headers["retry-after"], status.code) == (429, "1", 8)
        assert RetryInfo.FromString(status.details[0].value).retry_delay.seconds == 1
        with grpc.insecure_channel(str(small_collector.grpc)) as channel, pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(body, timeout=30)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert Status.FromString(dict(raised.value.trailing_metadata())["grpc-status-details-bin"]).details
    until(lambda: buffered(small_collector) == 0)
    assert small_collector.post("/v1/traces", body, PROTOBUF).status == 200
    assert small_collector.span_names(trace_id_of(2).hex()) == ["work 0"]


def test_a_connection_serves_many_requests(small_collector: CollectorProcess):
    with contextlib.closing(small_collector.connection()) as connection:
        for number in range(20):
            connection.request("POST", "/v1/traces", protobuf(export_request(3, [number])), PROTOBUF)
            assert answer_of(connection).status == 200
    assert len(small_collector.span_names(trace_id_of(3).hex())) == 20


def test_a_refused_body_does_not_disturb_the_next_request_on_its_connection(small_collector: CollectorProcess):
    with contextlib.closing(small_collector.connection()) as connection:
        connection.request("POST", "/v1/traces", b"\xff garbage", PROTOBUF)
        assert answer_of(connection).status == 400
        connection.request("POST", "/v1/traces", protobuf(export_request(4)), PROTOBUF)
        assert answer_of(connection).status == 200
