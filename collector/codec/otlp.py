"""OTLP traces: bytes to ``SpanBatch`` and back to what was sent. Pure.

Wire format: opentelemetry-proto 1.x, ``collector/trace/v1/trace_service.proto`` and ``trace/v1/trace.proto``.
Originals are kept per request and trace as one serialised ``TracesData`` (the same wire format as the request), so
that concatenating decompressed chunks gives a valid request again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import zstandard
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.codec import wire
from collector.codec.json import JsonFault, request_of_json
from collector.codec.utf8 import with_valid_utf8
from collector.model import Attributes, Chunk, Event, Link, Span, SpanBatch, Status, Value

_STATUS: Final[dict[int, Status]] = {0: "unset", 1: "ok", 2: "error"}
#: More reasons than this are counted, not listed.
MAX_REASONS: Final = 8
ZSTD_LEVEL: Final = 1
#: Keys remembered by ``Wanted``: applications use some hundreds, a hostile sender any number.
MAX_KEYS: Final = 8192
#: A chunk comes from one request, so it is never larger than a receiver lets in.
MAX_CHUNK_BYTES: Final = 256 * 1024 * 1024

_local = threading.local()


class Wanted(dict[str, bool]):
    """Which attribute keys to decode: all but those that begin with a prefix. Remembers what it was asked."""

    def __init__(self, leave_out: tuple[str, ...]) -> None:
        super().__init__()
        self._leave_out = leave_out

    def __missing__(self, key: str) -> bool:
        if len(self) >= MAX_KEYS:
            self.clear()
        wanted = self[key] = not key.startswith(self._leave_out)
        return wanted


class MalformedBody(ValueError):
    """The body is not an ``ExportTraceServiceRequest``. The message says why and is fit for the sender."""


def compress(data: bytes) -> bytes:
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    return bytes(compressor.compress(data))


def decompress(data: bytes) -> bytes:
    """Raises ``zstandard.ZstdError`` where the data is damaged."""
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    return bytes(decompressor.decompress(data, max_output_size=MAX_CHUNK_BYTES))


def decode_traces(body: bytes, wanted: Wanted | None = None) -> SpanBatch:
    """A protobuf request. Single bad spans are counted in ``rejected``; invalid UTF-8 is replaced by U+FFFD.

    Only attributes whose keys ``wanted`` has are decoded; the chunks have all. Raises ``MalformedBody`` where nothing
    can be read.
    """
    request = TracesData()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        repaired = with_valid_utf8(body)
        if repaired is None:
            raise MalformedBody("the body is not a valid protobuf ExportTraceServiceRequest") from error
        request.ParseFromString(repaired)
    return _batch_of(request, wanted)


def decode_traces_json(body: bytes, wanted: Wanted | None = None) -> SpanBatch:
    """A request in OTLP's JSON encoding: hex ids, 64-bit integers as strings or numbers, unknown fields ignored.

    ``wanted`` as in ``decode_traces``. Raises ``MalformedBody`` where the document is not one.
    """
    try:
        request, faults, reasons = request_of_json(body, MAX_REASONS)
    except JsonFault as error:
        raise MalformedBody(str(error)) from error
    batch = _batch_of(request, wanted)
    batch.rejected += faults
    batch.rejected_reasons = (reasons + batch.rejected_reasons)[:MAX_REASONS]
    return batch


def spans_of(data: bytes) -> list[Span]:
    """The spans of one compressed chunk in the order of their positions, as they were sent: no facts."""
    original = Original(data)
    return [original.span(position) for position in range(len(original))]


class Original:
    """One compressed chunk, parsed once; its spans are decoded when they are asked for, which costs far more."""

    __slots__ = ("_message", "_resources", "_spans", "raw")

    def __init__(self, data: bytes) -> None:
        """Raises ``zstandard.ZstdError`` or ``DecodeError`` where the data is damaged."""
        #: a serialised OTLP ``TracesData``: of chunks that are written one behind the other it is one again
        self.raw = decompress(data)
        self._message = TracesData.FromString(self.raw)
        self._resources: dict[int, Attributes] = {}
        self._spans = [
            (wired, number, scope_spans.scope.name or None)
            for number, resource_spans in enumerate(self._message.resource_spans)
            for scope_spans in resource_spans.scope_spans
            for wired in scope_spans.spans
        ]

    def __len__(self) -> int:
        return len(self._spans)

    def span(self, position: int) -> Span:
        """As it was sent: no facts. Raises ``IndexError``."""
        wired, number, scope = self._spans[position]
        resource = self._resources.get(number)
        if resource is None:
            resource = attributes_of(self._message.resource_spans[number].resource.attributes)
            self._resources[number] = resource
        span = _span_of(wired, resource, scope)
        span.position = position
        return span

    def part(self, positions: Iterable[int]) -> bytes:
        """As ``raw``, with these spans alone."""
        wanted = set(positions)
        if len(wanted) == len(self._spans):
            return self.raw
        parts, position = [], 0
        for resource_spans in self._message.resource_spans:
            groups = []
            for scope_spans in resource_spans.scope_spans:
                found = []
                for wired in scope_spans.spans:
                    if position in wanted:
                        found.append(wire.field(2, wired.SerializeToString()))
                    position += 1
                if found:
                    head = wire.field(1, scope_spans.scope.SerializeToString()) + _schema_url(scope_spans)
                    groups.append(wire.message(2, (head, *found)))
            if groups:
                head = wire.field(1, resource_spans.resource.SerializeToString()) + _schema_url(resource_spans)
                parts.append(wire.message(1, (head, *groups)))
        return b"".join(parts)

    def texts(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """Names and status messages of all spans, and the strings in their attributes and those of their events
        whose keys are wanted."""
        for wired, _, _ in self._spans:
            yield wired.name
            yield from _texts_in(wired.attributes, wanted)
            for event in wired.events:
                yield from _texts_in(event.attributes, wanted)
            yield wired.status.message


def _texts_in(pairs: Iterable[Any], wanted: Callable[[str], bool]) -> Iterator[str]:
    for pair in pairs:
        value = pair.value
        text = value.string_value
        if text:
            if wanted(pair.key):
                yield text
        elif value.HasField("array_value"):
            if wanted(pair.key):
                yield from (item.string_value for item in value.array_value.values)
        elif value.HasField("kvlist_value"):
            yield from _texts_in(value.kvlist_value.values, wanted)


class _Chunks:
    """Collects the serialised spans of one request by trace."""

    __slots__ = ("_counts", "_group", "_index", "_parts")

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}
        self._parts: list[list[bytes]] = []
        self._counts: list[int] = []
        self._group: dict[int, list[bytes]] = {}

    def add(self, span: Span, serialised: bytes) -> None:
        number = self._index.get(span.trace_id)
        if number is None:
            number = self._index[span.trace_id] = len(self._parts)
            self._parts.append([])
            self._counts.append(0)
        span.chunk, span.position = number, self._counts[number]
        self._counts[number] += 1
        self._group.setdefault(number, []).append(wire.field(2, serialised))

    def end_scope(self, resource_fields: bytes, scope_fields: bytes) -> None:
        """Everything added since the last call belongs to this resource and scope."""
        for number, spans in self._group.items():
            scope_spans = wire.message(2, (scope_fields, *spans))
            self._parts[number].append(wire.message(1, (resource_fields, scope_spans)))
        self._group.clear()

    def finish(self) -> list[Chunk]:
        return [
            Chunk(trace_id, compress(b"".join(self._parts[number])), self._counts[number])
            for trace_id, number in self._index.items()
        ]


def _batch_of(request: Any, wanted: Wanted | None) -> SpanBatch:
    batch = SpanBatch()
    chunks = _Chunks()
    spans = batch.spans
    for resource_spans in request.resource_spans:
        wired_resource = resource_spans.resource
        resource = attributes_of(wired_resource.attributes)
        service = _text(resource.get("service.name"))
        project = _text(resource.get("openinference.project.name")) or service or "default"
        resource_fields = wire.field(1, wired_resource.SerializeToString()) + _schema_url(resource_spans)
        for scope_spans in resource_spans.scope_spans:
            wired_scope = scope_spans.scope
            scope = wired_scope.name or None
            for wired in scope_spans.spans:
                fault = _fault_of(wired)
                if fault:
                    _reject(batch, fault)
                    continue
                span = _span_of(wired, resource, scope, wanted)
                span.project, span.service = project, service
                chunks.add(span, wired.SerializeToString())
                spans.append(span)
            chunks.end_scope(resource_fields, wire.field(1, wired_scope.SerializeToString()) + _schema_url(scope_spans))
    batch.chunks = chunks.finish()
    return batch


def _schema_url(wired: Any) -> bytes:
    return wire.field(3, wired.schema_url.encode()) if wired.schema_url else b""


def _reject(batch: SpanBatch, reason: str) -> None:
    batch.rejected += 1
    if len(batch.rejected_reasons) < MAX_REASONS and reason not in batch.rejected_reasons:
        batch.rejected_reasons.append(reason)


def _fault_of(wired: Any) -> str | None:
    trace_id, span_id = wired.trace_id, wired.span_id
    if len(trace_id) != 16 or trace_id == bytes(16):
        return "trace_id must be 16 bytes and not all zero"
    if len(span_id) != 8 or span_id == bytes(8):
        return "span_id must be 8 bytes and not all zero"
    return None


def _span_of(wired: Any, resource: Attributes, scope: str | None, wanted: Wanted | None = None) -> Span:
    parent = wired.parent_span_id
    status = wired.status
    events = wired.events
    links = wired.links
    return Span(
        wired.trace_id,
        wired.span_id,
        parent if len(parent) == 8 and parent != bytes(8) else None,
        wired.name,
        wired.start_time_unix_nano,
        wired.end_time_unix_nano,
        _STATUS.get(status.code, "unset"),
        status.message,
        scope,
        resource,
        attributes_of(wired.attributes) if wanted is None else _attributes_in(wired.attributes, wanted),
        [Event(e.name, e.time_unix_nano, attributes_of(e.attributes)) for e in events] if events else (),
        [Link(k.trace_id, k.span_id, attributes_of(k.attributes)) for k in links] if links else (),
    )


def attributes_of(pairs: Iterable[Any]) -> Attributes:
    """OTLP KeyValues as a dict; of a key sent twice the last counts."""
    # Nearly all values are strings, and asking for one is several times cheaper than asking which it is.
    return {pair.key: pair.value.string_value or _value_of(pair.value) for pair in pairs}


def _attributes_in(pairs: Iterable[Any], wanted: Wanted) -> Attributes:
    """``attributes_of`` for some: reading a value costs more than looking its key up."""
    return {key: pair.value.string_value or _value_of(pair.value) for pair in pairs if wanted[key := pair.key]}


def _value_of(value: Any) -> Value:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        # Long arrays are vectors.
        return [item.double_value or _value_of(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: _value_of(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, which)


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) and value else None
