"""Encoded spans as they are sent and spooled: an ExportTraceServiceRequest, and how many spans are in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tracekit import wire

_RESOURCE_SPANS = _SCOPE_SPANS = _SPANS = 2
_LENGTH_DELIMITED = 2
#: (resource, scope, span), each with its tag and length where it has one, as ``wire.request`` takes them
Part = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """``own`` is False for spans that an earlier process has left behind."""

    body: bytes
    spans: int
    own: bool = True


def batch_of(parts: Iterable[Part], own: bool = True) -> Batch:
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    count = 0
    for resource, scope, span in parts:
        groups.setdefault(resource, {}).setdefault(scope, []).append(span)
        count += 1
    return Batch(wire.request(groups), count, own)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The batch as two. Raises ValueError where the body is no request of this module's making."""
    parts = list(_parts(batch.body))
    middle = len(parts) // 2
    return batch_of(parts[:middle], batch.own), batch_of(parts[middle:], batch.own)


def _parts(body: bytes) -> Iterator[Part]:
    for number, _, resource_spans in _fields(body, 1):
        if number != 1:
            continue
        resource, groups = _split(resource_spans)
        for group in groups:
            scope, spans = _split(group)
            yield from ((resource, scope, span) for span in spans)


def _split(message: bytes) -> tuple[bytes, list[bytes]]:
    """What stands beside field 2, unchanged, and the contents of every field 2."""
    head: list[bytes] = []
    found: list[bytes] = []
    for number, whole, content in _fields(message, _SPANS):
        if number == _SPANS:
            found.append(content)
        else:
            head.append(whole)
    return b"".join(head), found


def _fields(message: bytes, wanted: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, whole field and content of each length-delimited field."""
    at = 0
    try:
        while at < len(message):
            begin = at
            tag, at = wire.read_varint(message, at)
            if tag & 7 != _LENGTH_DELIMITED:
                raise ValueError("not a request")
            length, at = wire.read_varint(message, at)
            end = at + length
            if end > len(message):
                raise ValueError("not a request")
            number = tag >> 3
            yield number, b"" if number == wanted else message[begin:end], message[at:end]
            at = end
    except IndexError:
        raise ValueError("not a request") from None
