"""What goes out over OTLP of every captured case: byte for byte what came, or the same facts in other conventions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from corpus_cases import DATA, requests_of
from export_records import parcel_of, records_of
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp_sink_process import sink_process

from collector.destinations import Destination
from collector.exporters import genai
from collector.exporters.api import Record
from collector.exporters.otlp import bodies, build
from collector.model import CALL_KINDS

CASES = sorted(DATA.rglob("*.pb"))
FACTS = [
    *(
        "kind",
        "request_model",
        "response_model",
        "provider",
        "session_id",
        "user_id",
        "tags",
        "metadata",
        "response_id",
    ),
    *("finish_reasons", "time_to_first_token_ns", "error", "project", "status", "name"),
]


def _name(path: Path) -> str:
    return str(path.relative_to(DATA).with_suffix(""))


def _spans(data: TracesData) -> dict[tuple[bytes, bytes], tuple[Any, ...]]:
    """Each span with everything that says where it belongs."""
    return {
        (span.trace_id, span.span_id): (span, resource.resource, resource.schema_url, scope.scope, scope.schema_url)
        for resource in data.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_a_backend_decodes_what_was_sent_to_the_collector() -> None:
    wire = [body for case in CASES for body in requests_of(case)]
    parcels = [records_of(body) for body in wire]

    async def send(endpoint: str) -> None:
        exporter = build(Destination("backend", "otlp", endpoint), {})
        for records in parcels:
            await exporter.send(parcel_of(records))
        await exporter.close()

    with sink_process() as sink:
        asyncio.run(send(sink.http))
        assert sink.state()["malformed"] == 0
        arrived = _spans(sink.taken())
    assert arrived == _spans(TracesData.FromString(b"".join(wire)))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_part_of_the_spans_keeps_all_that_they_had(case: Path) -> None:
    for body in requests_of(case):
        records = records_of(body)
        sent = _spans(TracesData.FromString(body))
        for part in (records[::2], records[1::2]):
            arrived = _spans(TracesData.FromString(bodies.original(part)))
            assert arrived == {record.key: sent[record.key] for record in part}


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_genai_conventions_tell_the_same_facts(case: Path) -> None:
    for body in requests_of(case):
        records = records_of(body)
        again = {one.key: one for one in records_of(bodies.translated(records, genai.attributes))}
        assert len(again) == len(records)
        for record in records:
            told = again[record.key]
            for name in FACTS:
                assert getattr(told.facts, name) == getattr(record.facts, name), (record.facts.name, name)
            if record.facts.kind in CALL_KINDS:
                assert told.facts.usage == record.facts.usage
            assert _texts(told) >= _texts(record)
            _keeps(record, told.span.attributes)


def _texts(record: Record) -> set[tuple[str, str]]:
    """Who said what, asked or answered."""
    content = record.content
    said: Iterable[Any] = (*content.input_messages, *content.output_messages)
    return {(message.role, message.text or "") for message in said}


def _keeps(record: Record, attributes: dict[str, Any]) -> None:
    for key, value in record.span.attributes.items():
        assert attributes.get(genai.REPLACED + key, attributes.get(key)) == value, key
