"""What is sent of a parcel: an ``ExportTraceServiceRequest``, which has the wire format of ``TracesData``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.exporters.api import Record
from collector.exporters.jsontext import json_of
from collector.exporters.originals import chunks
from collector.model import Attributes
from collector.processors.values import INT64_MAX

#: Records -> a serialised request. Raises ``Rejected`` where a record is not in its original.
Body = Callable[[Sequence[Record]], bytes]
#: What a convention says of a span: attributes that take the place of those of the same names, which None removes.
Facts = Callable[[Record], Attributes]

#: Values nested deeper go out as text: receivers refuse messages that nest too deep.
_MAX_DEPTH: Final = 16


def original(records: Sequence[Record]) -> bytes:
    """As they were sent to the collector, byte for byte where all of a chunk's spans are sent."""
    return b"".join(chunk.part(by_position) for chunk, by_position in chunks(records))


def translated(records: Sequence[Record], facts: Facts) -> bytes:
    """Everything that was sent, with what ``facts`` gives set among the attributes; nothing where it raises."""
    parts = []
    for chunk, by_position in chunks(records):
        message = TracesData.FromString(chunk.part(by_position))
        ordered = (by_position[position] for position in sorted(by_position))
        for resource_spans in message.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for wired in scope_spans.spans:
                    put(wired.attributes, _given(facts, next(ordered)))
        parts.append(message.SerializeToString())
    return b"".join(parts)


def _given(facts: Facts, record: Record) -> Attributes:
    try:
        return facts(record)
    except Exception:  # noqa: BLE001 - one hostile span goes out as it came, rather than not at all
        return {}


def put(pairs: Any, attributes: Attributes) -> None:
    """Set OTLP KeyValues, each key once; a value of None removes the key."""
    if not attributes:
        return
    changed = [number for number, pair in enumerate(pairs) if pair.key in attributes]
    for number in reversed(changed):
        del pairs[number]
    for key, value in attributes.items():
        if value is not None:
            _write(pairs.add(key=_encodable(key)).value, value, _MAX_DEPTH)


def _write(wired: Any, value: Any, depth: int) -> None:
    """A Python value as an OTLP AnyValue."""
    if isinstance(value, str):
        wired.string_value = _encodable(value)
    elif isinstance(value, bool):
        wired.bool_value = value
    elif isinstance(value, int) and -INT64_MAX <= value <= INT64_MAX:
        wired.int_value = value
    elif isinstance(value, float):
        wired.double_value = value
    elif isinstance(value, bytes):
        wired.bytes_value = value
    elif depth and isinstance(value, list | tuple):
        wired.array_value.SetInParent()
        for item in value:
            _write(wired.array_value.values.add(), item, depth - 1)
    elif depth and isinstance(value, dict):
        wired.kvlist_value.SetInParent()
        for key, item in value.items():
            _write(wired.kvlist_value.values.add(key=_encodable(str(key))).value, item, depth - 1)
    elif value is not None:
        wired.string_value = _encodable(json_of(value))


def _encodable(value: str) -> str:
    """Without the lone surrogates that no protobuf string takes."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
