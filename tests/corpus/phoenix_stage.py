"""What tests of a real Phoenix send there, and how they look at what it has."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from export_records import parcel_of, records_of
from phoenix_view import get
from wire_spans import request_of

from collector.annotations import Annotation, Target
from collector.destinations import Destination
from collector.exporters.api import Exporter, Record, Said
from collector.exporters.phoenix import build
from collector.local_phoenix import LocalPhoenix
from collector.model import Span

#: Storing the corpus takes Phoenix five to thirty seconds, by how busy the machine is.
STORED_SECONDS = 90.0
NS = 1_795_305_600_000_000_000


@asynccontextmanager
async def exporter_of(phoenix: LocalPhoenix, **options: Any) -> AsyncIterator[Exporter]:
    exporter = build(Destination("phoenix", "phoenix", phoenix.url, options=options), {})
    try:
        yield exporter
    finally:
        await exporter.close()


async def sent(exporter: Exporter, records: Sequence[Record]) -> None:
    """Until Phoenix shows all of them."""
    most = exporter.needs.spans
    for start in range(0, len(records), most):
        receipt = await exporter.send(parcel_of(records[start : start + most]))
        assert receipt.rejected == 0
    end = time.monotonic() + STORED_SECONDS
    lost = await exporter.missing(records)
    while lost:
        assert time.monotonic() < end, f"{len(lost)} of {len(records)} spans never came: {lost[0].facts.name}"
        await asyncio.sleep(0.2 if len(lost) < most // 4 else 2.0)  # to look costs Phoenix the time to store
        lost = await exporter.missing(lost)


def span(number: int, trace: int, parent: int | None = None, **attributes: Any) -> Span:
    """One whose ids are in no captured case."""
    parent_id = None if parent is None else (0xF0 << 56 | parent).to_bytes(8, "big")
    found = Span(
        (0xF0 << 120 | trace).to_bytes(16, "big"), (0xF0 << 56 | number).to_bytes(8, "big"), parent_id, "s", 0, 0
    )
    found.name, found.start_ns, found.end_ns = f"span {number}", NS + number, NS + number + 5_000_000
    found.attributes = attributes
    return found


def records(project: str, *spans: Span) -> list[Record]:
    found = records_of(request_of(*spans))
    for record in found:
        record.facts.project = project
    return found


def said(record: Record, name: str, **fields: Any) -> Said:
    """About the span, or what of it ``target`` names instead."""
    facts = record.facts
    target = fields.pop("target", Target(facts.trace_id, facts.span_id, None, fields.pop("position", None)))
    about = facts if target.span_id else None
    return Said(Annotation(name, target, **fields), facts.project, about)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def annotations_of(phoenix: LocalPhoenix, kind: str, project: str, subject: str) -> list[dict[str, Any]]:
    found = get(f"{phoenix.url}/v1/projects/{project}/{kind}_annotations?{kind}_ids={subject}&limit=100")
    return sorted(found["data"], key=lambda one: (one["name"], one["identifier"]))


def graphql(phoenix: LocalPhoenix, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{phoenix.url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]
