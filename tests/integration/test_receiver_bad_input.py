"""Bad input is refused in the sender's own encoding, never with a 5xx, and nothing else is lost by it."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard
from collector_process import JSON, PROTOBUF, Answer, CollectorProcess, answer_of, until
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_requests import as_json, export_request, protobuf, trace_id_of

MIB = 1024 * 1024
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
MEDIA = {"protobuf": PROTOBUF, "json": JSON}
media = pytest.mark.parametrize("media", MEDIA)
encodings = pytest.mark.parametrize("encoding", PACKERS)
packed = pytest.mark.parametrize("encoding", [name for name in PACKERS if name != "identity"])


def send(
    collector: CollectorProcess, body: Any, media: str, encoding: str = "identity", path: str = "traces"
) -> Answer:
    return collector.post(f"/v1/{path}", body, MEDIA[media] | {"Content-Encoding": encoding})


def check_refused(answer: Answer, media: str, status: int, code: int) -> None:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == MEDIA[media]["Content-Type"]
    if media == "json":
        found = answer.json()
        assert (found["code"], bool(found["message"])) == (code, True)
    else:
        found = Status.FromString(answer.body)
        assert (found.code, bool(found.message)) == (code, True)


@pytest.fixture(autouse=True)
def nothing_else_is_lost(collector_process: CollectorProcess, request: pytest.FixtureRequest) -> Iterator[None]:
    """Spans sent before and after what a test does are stored."""
    number = zlib.crc32(request.node.nodeid.encode())
    for spans in ([0], [1]):
        answer = send(collector_process, protobuf(export_request(number, spans)), "protobuf")
        assert (answer.status, answer.body) == (200, b"")
        if spans == [0]:
            yield
    assert collector_process.span_names(trace_id_of(number).hex()) == ["work 0", "work 1"]


MALFORMED = {
    "protobuf": {
        "garbage": b"\xff\xff\xff garbage",
        "truncated": protobuf(export_request(attributes={"key": "value" * 100}))[:-20],
        "json": as_json(export_request()),
        "wrong wire types": b"\x08\x96\x01\x0d\x00",
        "a group that never ends": b"\x0b",
    },
    "json": {
        "garbage": b"{",
        "truncated": as_json(export_request())[:-20],
        "protobuf": protobuf(export_request()),
        "an array": b"[]",
        "a number": b"1",
        "null": b"null",
        "empty": b"",
        "wrong shapes": b'{"resourceSpans": 1}',
        "wrong inner shapes": b'{"resourceSpans": [{"scopeSpans": "x"}]}',
        "invalid UTF-8": b'{"resourceSpans": "\xff\xfe"}',
        "deeply nested arrays": b'{"resourceSpans": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deeply nested objects": b'{"a": ' * 100_000 + b"1" + b"}" * 100_000,
        "NaN": b'{"resourceSpans": NaN}',
    },
}


@pytest.mark.parametrize(
    ("media", "body"),
    [(media, body) for media, bodies in MALFORMED.items() for body in bodies.values()],
    ids=[f"{media} {name}" for media, bodies in MALFORMED.items() for name in bodies],
)
def test_malformed_bodies(collector_process: CollectorProcess, media: str, body: bytes):
    for encoding, pack in PACKERS.items():
        check_refused(send(collector_process, pack(body), media, encoding), media, 400, 3)


@media
@packed
def test_damaged_encodings(collector_process: CollectorProcess, media: str, encoding: str):
    body = {"protobuf": protobuf, "json": as_json}[media](export_request())
    whole = PACKERS[encoding](body)
    for damaged in (body, whole[:-5], whole[: len(whole) // 2], b"", whole + b"trailing garbage"):
        check_refused(send(collector_process, damaged, media, encoding), media, 400, 3)


def test_deep_nesting_in_protobuf(collector_process: CollectorProcess):
    value = b""
    for _ in range(5000):
        value = _field(5, _field(1, value))
    attribute = _field(1, b"deep") + _field(2, value)
    span = _field(1, trace_id_of(1)) + _field(2, b"\x01" * 8) + _field(9, attribute)
    body = _field(1, _field(2, _field(2, span)))
    assert send(collector_process, body, "protobuf").status in (200, 400)


def _field(number: int, payload: bytes) -> bytes:
    length, size = len(payload), b""
    while length > 127:
        size += bytes((length & 127 | 128,))
        length >>= 7
    return bytes((number << 3 | 2,)) + size + bytes((length,)) + payload


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/grpc", "", "/"]
)
def test_other_content_types(collector_process: CollectorProcess, content_type: str):
    answer = collector_process.post("/v1/traces", protobuf(export_request()), {"Content-Type": content_type})
    check_refused(answer, "json", 415, 3)


@pytest.mark.parametrize("content_type", ["application/JSON; charset=utf-8", "application/json;charset=UTF-8"])
def test_parameters_of_content_types_do_not_matter(collector_process: CollectorProcess, content_type: str):
    answer = collector_process.post("/v1/traces", as_json(export_request(spans=[])), {"Content-Type": content_type})
    assert (answer.status, answer.body) == (200, b"{}")


@media
def test_other_content_encodings(collector_process: CollectorProcess, media: str):
    check_refused(send(collector_process, b"x", media, "br"), media, 415, 3)


@media
def test_other_methods(collector_process: CollectorProcess, media: str):
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = collector_process.request(method, "/v1/traces", headers=MEDIA[media])
        check_refused(answer, media, 405, 12)
        assert answer.headers["allow"] == "POST"


@media
def test_a_declared_length_over_the_limit_is_refused_before_it_is_read(collector_process: CollectorProcess, media: str):
    with contextlib.closing(collector_process.connection()) as connection:
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("Content-Type", MEDIA[media]["Content-Type"])
        connection.putheader("Content-Length", str(33 * MIB))
        connection.endheaders()
        check_refused(answer_of(connection), media, 413, 8)


@media
def test_bodies_over_the_limit(collector_process: CollectorProcess, media: str):
    body = b"x" * (33 * MIB)
    check_refused(send(collector_process, body, media), media, 413, 8)
    pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
    check_refused(send(collector_process, pieces, media), media, 413, 8)


@media
@packed
def test_bombs(collector_process: CollectorProcess, media: str, encoding: str):
    bomb = PACKERS[encoding](bytes(65 * MIB))
    assert len(bomb) < MIB
    check_refused(send(collector_process, bomb, media, encoding), media, 413, 8)


def test_more_spans_than_anybody_sends(collector_process: CollectorProcess):
    spans = _field(2, b"") * 300_000
    check_refused(send(collector_process, _field(1, _field(2, spans)), "protobuf"), "protobuf", 413, 8)


BAD_IDS = {
    "zero trace": (bytes(16), b"\x01" * 8),
    "short trace": (b"\x01" * 15, b"\x01" * 8),
    "long trace": (b"\x01" * 17, b"\x01" * 8),
    "no trace": (b"", b"\x01" * 8),
    "zero span": (b"\x01" * 16, bytes(8)),
    "short span": (b"\x01" * 16, b"\x01" * 7),
    "long span": (b"\x01" * 16, b"\x01" * 16),
    "no span": (b"\x01" * 16, b""),
}


@media
@pytest.mark.parametrize("ids", BAD_IDS.values(), ids=BAD_IDS)
def test_single_bad_spans_are_a_partial_success(
    collector_process: CollectorProcess, media: str, ids: tuple[bytes, bytes]
):
    message = export_request(trace=1 << 50, spans=[0, 1, 2])
    bad = message.resource_spans[0].scope_spans[0].spans[1]
    bad.trace_id, bad.span_id = ids
    answer = send(collector_process, {"protobuf": protobuf, "json": as_json}[media](message), media)
    assert answer.status == 200
    check_partial(answer, media, "rejectedSpans", 1)
    assert collector_process.span_names(trace_id_of(1 << 50).hex()) == ["work 0", "work 2"]


def check_partial(answer: Answer, media: str, name: str, count: int, message: Any = ExportTraceServiceResponse) -> None:
    if media == "json":
        partial = answer.json()["partialSuccess"]
        assert (partial[name], bool(partial["errorMessage"])) == (str(count), True)
    else:
        partial = message.FromString(answer.body).partial_success
        rejected = [value for field, value in partial.ListFields() if field.number == 1]
        assert (rejected, bool(partial.error_message)) == ([count], True)


@media
def test_nothing_but_bad_spans_is_a_bad_request(collector_process: CollectorProcess, media: str):
    message = export_request(spans=[0, 1])
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.span_id = b""
    answer = send(collector_process, {"protobuf": protobuf, "json": as_json}[media](message), media)
    check_refused(answer, media, 400, 3)


@pytest.mark.parametrize("identifier", ["zz" * 16, "+/==" * 8, 7, None, ["a"], "AB" * 15])
def test_ids_that_are_not_hex(collector_process: CollectorProcess, identifier: Any):
    document = json.loads(as_json(export_request(trace=1 << 51, spans=[0, 1])))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["traceId"] = identifier
    answer = send(collector_process, json.dumps(document), "json")
    assert answer.status == 200
    check_partial(answer, "json", "rejectedSpans", 1)


@media
@pytest.mark.parametrize("path", ["traces", "logs", "metrics"])
def test_an_empty_request_is_a_success(collector_process: CollectorProcess, media: str, path: str):
    answer = send(collector_process, b"{}" if media == "json" else b"", media, path=path)
    assert (answer.status, answer.body) == (200, b"{}" if media == "json" else b"")


def test_logs_are_answered_with_what_becomes_of_them(collector_process: CollectorProcess):
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add()
    answer = send(collector_process, message.SerializeToString(), "protobuf", path="logs")
    check_partial(answer, "protobuf", "rejectedLogRecords", 1, ExportLogsServiceResponse)
    document = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {"body": {"stringValue": "x"}}]}]}]}'
    check_partial(send(collector_process, document, "json", path="logs"), "json", "rejectedLogRecords", 2)


def test_metrics_are_answered_with_what_becomes_of_them(collector_process: CollectorProcess):
    message = ExportMetricsServiceRequest()
    metrics = message.resource_metrics.add().scope_metrics.add().metrics
    metrics.add().gauge.data_points.add()
    metrics.add().histogram.data_points.add()
    answer = send(collector_process, message.SerializeToString(), "protobuf", path="metrics")
    check_partial(answer, "protobuf", "rejectedDataPoints", 2, ExportMetricsServiceResponse)
    document = b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{}, {}, {}]}}, {}]}]}]}'
    check_partial(send(collector_process, document, "json", path="metrics"), "json", "rejectedDataPoints", 3)


@pytest.mark.parametrize("path", ["logs", "metrics"])
@media
def test_malformed_logs_and_metrics(collector_process: CollectorProcess, path: str, media: str):
    for body in (b"\xff\xff\xff garbage", b'{"resourceLogs": [1], "resourceMetrics": {}}'):
        check_refused(send(collector_process, body, media, path=path), media, 400, 3)


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceSpans",
                        "scopeSpans",
                        "spans",
                        "traceId",
                        "attributes",
                        "key",
                        "value",
                        "kvlistValue",
                        "values",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
    encoding=st.sampled_from(["identity", "gzip", "deflate", "zstd", "br"]),
    media=st.sampled_from(["protobuf", "json"]),
    path=st.sampled_from(["traces", "logs", "metrics"]),
)
def test_no_bytes_make_it_fail(collector_process: CollectorProcess, body: bytes, encoding: str, media: str, path: str):
    assert send(collector_process, body, media, encoding, path).status in (200, 400, 413, 415)
    packed = PACKERS.get(encoding, bytes)(body)
    assert send(collector_process, packed, media, encoding, path).status in (200, 400, 413, 415)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_good_request_makes_it_fail(collector_process: CollectorProcess, data: st.DataObject):
    media = data.draw(st.sampled_from(["protobuf", "json"]))
    body = bytearray({"protobuf": protobuf, "json": as_json}[media](export_request(attributes={"llm.model_name": "m"})))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=5)):
        body[place] = data.draw(st.integers(0, 255))
    assert send(collector_process, bytes(body), media).status in (200, 400)


@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 300_000,
    ],
)
def test_broken_http_is_refused_or_cut_off(collector_process: CollectorProcess, head: bytes):
    with socket.create_connection(("127.0.0.1", int(collector_process.http.rpartition(":")[2])), 10) as connection:
        received = b""
        with contextlib.suppress(OSError):
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
    assert not received.startswith(b"HTTP/1.1 5")


def test_a_sender_that_goes_away_leaves_nothing_behind(collector_process: CollectorProcess):
    with socket.create_connection(("127.0.0.1", int(collector_process.http.rpartition(":")[2])), 10) as connection:
        head = (
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        )
        connection.sendall(head + b"x" * 50_000)
        until(lambda: collector_process.metric("tracekit_buffered_bytes") == 50_000)
    until(lambda: collector_process.metric("tracekit_buffered_bytes") == 0)
    assert collector_process.get("/readyz").status == 200
