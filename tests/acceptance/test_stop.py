"""SIGTERM drains: what was accepted is finished and stored, and the process leaves with 0 within its time."""

from __future__ import annotations

import contextlib
import http.client
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector_process import PROTOBUF, CollectorProcess, Start, answer_of, until
from otlp_load import Load, check_stored
from otlp_requests import export_request, protobuf, trace_id_of

BODY = protobuf(export_request(10**6))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_under_load(start_collector: Start, database_url: str, number: signal.Signals):
    collector = start_collector(database_url=database_url)
    load = Load()
    with load.on(collector):
        until(lambda: len(load.acknowledged) > 50)
        assert collector.stop(number) == 0
    check_stored(database_url, load.acknowledged)


@contextlib.contextmanager
def half_sent(collector: CollectorProcess) -> Iterator[http.client.HTTPConnection]:
    """A request that the collector has begun to read."""
    with contextlib.closing(collector.connection()) as connection:
        connection.putrequest("POST", "/v1/traces")
        for name, value in (PROTOBUF | {"Content-Length": str(len(BODY))}).items():
            connection.putheader(name, value)
        connection.endheaders(BODY[:50])
        until(lambda: collector.metric("tracekit_buffered_bytes") == 50)
        yield connection


def draining(collector: CollectorProcess) -> bool:
    return '"draining"' in collector.stderr()


def test_a_request_in_flight_is_finished(start_collector: Start, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'traces.db'}"
    collector = start_collector(database_url=url)
    with half_sent(collector) as connection:
        collector.send_signal(signal.SIGTERM)
        until(lambda: draining(collector))
        with pytest.raises(OSError):
            while True:
                collector.get("/healthz")
        assert collector.running()
        connection.send(BODY[50:])
        assert answer_of(connection).status == 200
    assert collector.wait() == 0
    assert start_collector(database_url=url).span_names(trace_id_of(10**6).hex()) == ["work 0"]


def test_a_request_that_never_ends_does_not_keep_it_up(start_collector: Start, tmp_path: Path):
    file = tmp_path / "tracekit.toml"
    file.write_text("shutdown_timeout_s = 2\n")
    collector = start_collector("--config", str(file))
    with half_sent(collector) as connection:
        assert collector.stop() == 0
        answer = answer_of(connection)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "Traceback" not in collector.stderr()


def test_a_second_signal_ends_it_at_once(start_collector: Start):
    collector = start_collector()
    with half_sent(collector):
        collector.send_signal(signal.SIGINT)
        until(lambda: draining(collector))
        assert collector.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_stopping_before_it_is_ready(start_collector: Start):
    collector = start_collector(ready=False)
    until(lambda: listening_for_signals(collector))
    assert collector.stop() in (0, -signal.SIGTERM)


def listening_for_signals(collector: CollectorProcess) -> bool:
    """Whether the process handles SIGTERM, by what the system says of it."""
    status = Path(f"/proc/{collector.pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
