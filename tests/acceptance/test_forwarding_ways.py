"""Where spans go on their way through several collectors, and what one bad one among many costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from collector_process import JSON, PROTOBUF, CollectorProcess, Start, until
from forwarding_process import add, drained, sent, status
from otlp_load import Load
from otlp_requests import export_request, protobuf, trace_id_of
from otlp_sink_process import SinkProcess


def test_one_poisoned_span_of_ten_thousand(start_collector: Start, sinks: Callable[[], SinkProcess]) -> None:
    collector, sink = start_collector(), sinks()
    sink.control(poison="POISON", poison_status=400)
    add(collector, "sink", kind="otlp", endpoint=sink.http)
    for trace in range(20):
        body = protobuf(export_request(trace, range(500), name="POISON" if trace == 13 else "work"))
        if trace == 13:  # only one of them
            body = body.replace(b"POISON ", b"hidden ", 499)
        assert collector.post("/v1/traces", body, PROTOBUF).status == 200
    until(lambda: drained(collector, "sink"), 60)
    found = status(collector, "sink")
    assert (found["sent"], found["buried"]) == (9_999, 1)
    (buried,) = collector.get("/api/v1/destinations/sink/buried").json()["items"]
    assert buried["reason"].startswith("answered 400")
    assert buried["spans"][0].startswith(trace_id_of(13).hex())
    sink.control()
    assert collector.post("/api/v1/destinations/sink/retry", b"{}", JSON).json() == {"items": 1}
    until(lambda: status(collector, "sink")["sent"] == 10_000)
    ids = sink.ids()
    assert len(ids) == 10_000
    assert status(collector, "sink")["buried"] == 0


def test_nothing_goes_back_and_no_circle_closes(start_collector: Start, tmp_path: Path) -> None:
    """Three in a circle, two of them also in both directions, over HTTP and gRPC."""
    names = ("a", "b", "c")
    ring = {name: start_collector(database_url=f"sqlite:///{tmp_path / name}.db") for name in names}
    for name, following in zip(names, ("b", "c", "a"), strict=True):
        add(ring[name], following, kind="otlp", endpoint=ring[following].grpc and f"http://{_grpc(ring[following])}",
            options={"protocol": "grpc"})  # fmt: skip
    add(ring["b"], "back", kind="otlp", endpoint=ring["a"].http)
    bodies = [protobuf(export_request(trace, range(4))) for trace in range(5)]
    for body in bodies:
        assert ring["a"].post("/v1/traces", body, PROTOBUF).status == 200
    every = {trace: ring["a"].span_names(trace_id_of(trace).hex()) for trace in range(5)}
    until(lambda: all(ring["c"].span_names(trace_id_of(trace).hex()) == names for trace, names in every.items()))
    until(lambda: all(drained(ring[name], one) for name, one in (("a", "b"), ("b", "c"), ("c", "a"), ("b", "back"))))
    assert status(ring["b"], "back")["sent"] == 0 and status(ring["b"], "back")["skipped"] == 20
    assert status(ring["c"], "a")["sent"] == 0 and status(ring["c"], "a")["skipped"] == 20
    assert ring["a"].metric("tracekit_spans_received_total") == 20
    assert all(one.metric("tracekit_requests_looped_total") == 0 for one in ring.values())


def test_a_destination_that_is_the_collector_itself_gets_nothing(start_collector: Start) -> None:
    collector = start_collector()
    add(collector, "self", kind="otlp", endpoint=collector.http)
    assert collector.post("/v1/traces", protobuf(export_request(1, range(4))), PROTOBUF).status == 200
    until(lambda: status(collector, "self")["last_error"] == "leads back to this collector")
    assert status(collector, "self")["sent"] == 0


@pytest.mark.postgres
def test_several_collectors_on_one_database_send_each_span_once(
    start_collector: Start, sinks: Callable[[], SinkProcess], postgres_url: str
) -> None:
    sink = sinks()
    first = start_collector("--workers", "2", database_url=postgres_url)
    second = start_collector(database_url=postgres_url)
    add(first, "sink", kind="otlp", endpoint=sink.http)
    load = Load()
    with load.on(first), load.on(second):
        until(lambda: len(load.acknowledged) > 200, 60)
    until(lambda: drained(first, "sink"), 60)
    ids = sink.ids()
    assert sent(load) <= ids.keys()
    assert set(ids.values()) == {1}
    assert status(second, "sink")["sent"] == len(ids)


def _grpc(collector: CollectorProcess) -> str:
    return str(collector.grpc)
