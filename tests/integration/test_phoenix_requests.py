"""What the exporter for Phoenix sends, and what it makes of answers that Phoenix gives under stress."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from export_records import parcel_of, records_of
from otlp_requests import export_request, protobuf
from otlp_sink_process import SinkProcess, sink_process

from collector.destinations import Destination
from collector.exporters.api import Away, Failed, Receipt, Record, Rejected
from collector.exporters.phoenix import build


@pytest.fixture(scope="module")
def sink() -> Iterator[SinkProcess]:
    with sink_process() as process:
        yield process


@pytest.fixture(autouse=True)
def fresh(sink: SinkProcess) -> None:
    sink.control()
    sink.reset()


def records_in(*projects: str) -> list[Record]:
    found = []
    for number, project in enumerate(projects):
        (record,) = records_of(protobuf(export_request(number)))
        record.facts.project = project
        found.append(record)
    return found


def send(sink: SinkProcess, records: list[Record], secrets: Mapping[str, str] | None = None, **fields: Any) -> Receipt:
    async def go() -> Receipt:
        exporter = build(Destination("phoenix", "phoenix", sink.http + "/", **fields), secrets or {})
        try:
            return await exporter.send(parcel_of(records))
        finally:
            await exporter.close()

    return asyncio.run(go())


def test_each_project_goes_by_itself_with_the_key_and_its_name(sink: SinkProcess) -> None:
    names = ("one", "two", "one", "проект")
    send(sink, records_in(*names), {"api_key": "k", "x-team": "t"}, headers={"x-team": "env:TEAM", "x-plain": "p"})
    told = [request["headers"] for request in sink.requests()]
    assert [one.get("x-project-name") for one in told] == ["one", "two", None]
    assert {request["path"] for request in sink.requests()} == {"/v1/traces"}
    for one in told:
        assert one["authorization"] == "Bearer k" and one["x-team"] == "t" and one["x-plain"] == "p"
        assert one["content-type"] == "application/x-protobuf" and one["content-encoding"] == "gzip"
    resources = {
        resource.resource.attributes[0].value.string_value: len(resource.scope_spans[0].spans)
        for resource in sink.taken().resource_spans
    }
    assert resources == {"one": 2, "two": 1, "проект": 1}


def test_a_header_of_the_operators_wins_over_the_key(sink: SinkProcess) -> None:
    send(sink, records_in("p"), {"api_key": "k", "authorization": "Basic b"}, headers={"authorization": "env:A"})
    assert [request["headers"]["authorization"] for request in sink.requests()] == ["Basic b"]


@pytest.mark.parametrize(
    ("status", "fault"),
    [(503, Away), (507, Away), (401, Away), (404, Away), (500, Failed), (415, Rejected), (422, Rejected)],
)
def test_what_an_answer_means(sink: SinkProcess, status: int, fault: type[Exception]) -> None:
    sink.control(status=status, retry_after="7")
    with pytest.raises(fault) as raised:
        send(sink, records_in("p"), {"api_key": "topsecret"})
    assert "topsecret" not in str(raised.value)
    if isinstance(raised.value, Away):
        assert raised.value.after_s == (0.0 if status == 507 else 7.0)


def test_what_answers_but_is_no_phoenix_is_told_apart(sink: SinkProcess) -> None:
    async def check() -> str:
        exporter = build(Destination("phoenix", "phoenix", sink.http), {})
        try:
            return await exporter.check()
        finally:
            await exporter.close()

    with pytest.raises((Away, Failed, Rejected)):
        asyncio.run(check())
