"""The OTLP exporter against real servers: our own collector, and a sink that fails in every way it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from certificates import Certificates, make_certificates
from collector_process import CollectorProcess
from export_records import parcel_of, records_of
from otlp_requests import export_request, protobuf, trace_id_of
from otlp_sink_process import SinkProcess, sink_process

from collector.destinations import Destination
from collector.exporters.api import Away, Exporter, Failed, Receipt, Rejected
from collector.exporters.otlp import build

PROTOCOLS = ("http", "grpc")
COLLECTOR = "0123456789abcdef"
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def sink() -> Iterator[SinkProcess]:
    with sink_process("--grpc-port", "0") as process:
        yield process


@pytest.fixture(autouse=True)
def _as_new(sink: SinkProcess) -> None:
    sink.control()
    sink.reset()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def destination(address: str | None, protocol: str = "http", **options: Any) -> Destination:
    headers = options.pop("headers", {})
    assert address
    return Destination("there", "otlp", address, headers=headers, options={"protocol": protocol, **options})


def using(
    where: Destination, act: Callable[[Exporter], Awaitable[Result]], secrets: dict[str, str] | None = None
) -> Result:
    async def run() -> Result:
        exporter = build(where, secrets or {})
        try:
            return await act(exporter)
        finally:
            await exporter.close()

    return asyncio.run(run())


RECORDS = records_of(protobuf(export_request(1, range(4))), protobuf(export_request(2, range(3))))


def send(where: Destination, secrets: dict[str, str] | None = None, via: tuple[str, ...] = ()) -> Receipt:
    return using(where, lambda exporter: exporter.send(parcel_of(RECORDS, via=via)), secrets)


def address_of(process: SinkProcess | CollectorProcess, protocol: str) -> str | None:
    if protocol == "http":
        return process.http
    return process.grpc if process.grpc is None or "://" in process.grpc else f"http://{process.grpc}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dialect", ["original", "genai", "openinference"])
def test_another_collector_stores_what_is_sent(
    collector_process: CollectorProcess, protocol: str, dialect: str
) -> None:
    trace = 100 + PROTOCOLS.index(protocol) * 10 + len(dialect)
    records = records_of(protobuf(export_request(trace, range(5))))
    where = destination(address_of(collector_process, protocol), protocol, dialect=dialect)
    receipt = using(where, lambda exporter: exporter.send(parcel_of(records, via=(COLLECTOR,))))
    assert (receipt.rejected, receipt.reason) == (0, "")
    names = collector_process.span_names(trace_id_of(trace).hex())
    assert names == [f"work {number}" for number in range(5)]
    assert f"{protocol} at 127.0.0.1" in using(where, lambda exporter: exporter.check())


@pytest.mark.parametrize(
    ("protocol", "compression"),
    [("http", "gzip"), ("http", "zstd"), ("http", "none"), ("grpc", "gzip"), ("grpc", "none")],
)
def test_every_compression_arrives(sink: SinkProcess, protocol: str, compression: str) -> None:
    send(destination(address_of(sink, protocol), protocol, compression=compression))
    assert sorted(span.name for span in sink.spans()) == sorted(record.facts.name for record in RECORDS)
    (request,) = sink.requests()
    if protocol == "http":
        assert request["path"] == "/v1/traces"
        assert request["headers"]["content-type"] == "application/x-protobuf"
        assert request["headers"].get("content-encoding", "none") == compression


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_keys_headers_and_the_way_are_sent_along_and_who_answers_is_told(sink: SinkProcess, protocol: str) -> None:
    sink.control(headers={"Tracekit-Collector": COLLECTOR})
    where = destination(address_of(sink, protocol), protocol, headers={"X-Scope-OrgID": "env:ORG"})
    receipt = send(where, {"api_key": "k3y", "X-Scope-OrgID": "team"}, via=("a" * 16, COLLECTOR))
    assert receipt == Receipt(peer=COLLECTOR)
    headers = sink.requests()[0]["headers"]
    assert headers["authorization"] == "Bearer k3y"
    assert headers["x-scope-orgid"] == "team"
    assert headers["tracekit-via"] == "a" * 16 + "," + COLLECTOR
    assert COLLECTOR in using(where, lambda exporter: exporter.check())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_destinations_own_authority_is_trusted_and_nobody_elses(protocol: str, certificates: Certificates) -> None:
    flags = ("--certificate", str(certificates.certificate), "--key", str(certificates.key), "--grpc-port", "0")
    with sink_process(*flags, ca_file=certificates.ca_file) as secure:
        address = address_of(secure, protocol)
        send(destination(address, protocol, ca_file=str(certificates.ca_file)))
        assert secure.state()["spans"] == len(RECORDS)
        with pytest.raises(Away):
            send(destination(address, protocol))
        for wrong in (certificates.ca_file.with_name("none.pem"), certificates.key):
            with pytest.raises(Away):
                send(destination(address, protocol, ca_file=str(wrong)))
        assert secure.state()["spans"] == len(RECORDS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("faults", "fault", "after_s"),
    [
        ({"status": 429, "grpc_code": 8, "retry_after": "7", "retry_info_s": 7}, Away, 7.0),
        ({"status": 503, "grpc_code": 14, "retry_after": "2", "retry_info_s": 2}, Away, 2.0),
        ({"status": 503, "grpc_code": 14}, Away, 0.0),
        ({"status": 401, "grpc_code": 16}, Away, 0.0),
        ({"status": 403, "grpc_code": 7}, Away, 0.0),
        ({"status": 404, "grpc_code": 12}, Away, 0.0),
        ({"status": 415, "grpc_code": 14}, Away, 0.0),
        ({"cut": True}, Away, 0.0),
        ({"status": 500, "grpc_code": 13}, Failed, None),
        ({"status": 500, "grpc_code": 2}, Failed, None),
        ({"status": 400, "grpc_code": 3}, Rejected, None),
        ({"status": 413, "grpc_code": 8}, Rejected, None),
        ({"largest": 100}, Rejected, None),
    ],
    ids=str,
)
def test_how_it_fails_says_what_to_do(
    sink: SinkProcess, protocol: str, faults: dict[str, Any], fault: type[Exception], after_s: float | None
) -> None:
    sink.control(**faults)
    with pytest.raises((Away, Failed, Rejected)) as caught:
        send(destination(address_of(sink, protocol), protocol), {"api_key": "k3y"})
    assert caught.type is fault, caught.value
    assert getattr(caught.value, "after_s", None) == after_s
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_rejected_of_it_is_told(sink: SinkProcess, protocol: str) -> None:
    sink.control(partial=2, reason="spans too old")
    assert send(destination(address_of(sink, protocol), protocol)) == Receipt(2, "spans too old")


def test_a_success_with_any_body_is_one(sink: SinkProcess) -> None:
    sink.control(body="<html>thanks</html>")
    assert send(destination(sink.http)) == Receipt()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_that_never_answers_is_given_up_on(sink: SinkProcess, protocol: str) -> None:
    sink.control(hang=True)
    began = time.monotonic()
    with pytest.raises(Away, match="no answer within"):
        send(destination(address_of(sink, protocol), protocol, timeout_s=0.4))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_that_comes_back_is_found_again(protocol: str) -> None:
    with sink_process("--grpc-port", "0") as away:
        where = destination(address_of(away, protocol), protocol)

        async def act(exporter: Exporter) -> None:
            await exporter.send(parcel_of(RECORDS))
            away.end()
            with pytest.raises(Away):
                await exporter.send(parcel_of(RECORDS))
            away.again()
            async with asyncio.timeout(20):
                while True:
                    try:
                        await exporter.send(parcel_of(RECORDS))
                        return
                    except Away:
                        await asyncio.sleep(0.05)

        using(where, act)
        assert away.state()["unique"] == len(RECORDS)
