"""The originals of some records, by the chunks that they lie in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.codec import wire
from collector.codec.otlp import Original
from collector.exporters.api import Record, Rejected


def chunks(records: Iterable[Record]) -> Iterator[tuple[Original, dict[int, Record]]]:
    """Originals with those of the records that are in them, by position. Raises ``Rejected`` where one is in none."""
    found: dict[int, tuple[Original, dict[int, Record]]] = {}
    for record in records:
        chunk, position = record.original, record.facts.position
        if not 0 <= position < len(chunk):
            raise Rejected("the original of a span is not stored")
        found.setdefault(id(chunk), (chunk, {}))[1][position] = record
    yield from found.values()


def each(records: Iterable[Record]) -> Iterator[tuple[Record, bytes]]:
    """Every record with a ``TracesData`` of its span alone, chunk by chunk. Raises as ``chunks``."""
    for chunk, by_position in chunks(records):
        message = TracesData.FromString(chunk.part(by_position))
        ordered = (by_position[position] for position in sorted(by_position))
        for resource_spans in message.resource_spans:
            of_resource = wire.field(1, resource_spans.resource.SerializeToString()) + _schema_url(resource_spans)
            for scope_spans in resource_spans.scope_spans:
                of_scope = wire.field(1, scope_spans.scope.SerializeToString()) + _schema_url(scope_spans)
                for wired in scope_spans.spans:
                    spans = wire.message(2, (of_scope, wire.field(2, wired.SerializeToString())))
                    yield next(ordered), wire.message(1, (of_resource, spans))


def _schema_url(wired: Any) -> bytes:
    return wire.field(3, wired.schema_url.encode()) if wired.schema_url else b""
