"""A look at the outline of a protobuf request before it is unpacked into something many times its size. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.codec.otlp import Wanted, decode_traces
from collector.model import SpanBatch
from collector.receivers.refusal import malformed, too_large

#: Resources, scopes and spans that one request may bring. An empty span is 2 bytes on the wire and 200 in memory.
MAX_PARTS: Final = 100_000
#: Smaller bodies cannot become large enough to matter.
FREE_BYTES: Final = 256 * 1024

# Wire types of protobuf, and how many bytes the fixed ones take.
_VARINT: Final = 0
_MESSAGE: Final = 2
_FIXED: Final = {1: 8, 5: 4}


def decode_protobuf(body: bytes, wanted: Wanted) -> SpanBatch:
    """``decode_traces`` of a request whose outline is bounded. Raises ``Refusal`` and ``MalformedBody``."""
    check_shape(body)
    return decode_traces(body, wanted)


def check_shape(body: bytes) -> None:
    """Raises the 413 ``Refusal`` where a request has more than ``MAX_PARTS`` resources, scopes and spans together.

    What is cut off is left to the decoder, which says so.
    """
    if len(body) <= FREE_BYTES:
        return
    for number, _ in enumerate(parts_of(body)):
        if number == MAX_PARTS:
            raise too_large(f"a request may have {MAX_PARTS} spans")


def parts_of(body: bytes) -> Iterator[int]:
    """1 for every resource, 2 for every scope, 3 for every span, in their order."""
    for resource_spans in _messages(body, 0, len(body), 1):
        yield 1
        for scope_spans in _messages(body, *resource_spans, 2):
            yield 2
            for _ in _messages(body, *scope_spans, 2):
                yield 3


def _messages(body: bytes, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """(start, end) of every embedded message in field ``number``. Raises the 400 ``Refusal`` for protobuf's groups."""
    wanted = number << 3 | _MESSAGE
    while start < end:
        tag, start = _varint(body, start, end)
        wire_type = tag & 7
        if wire_type == _MESSAGE:
            size, start = _varint(body, start, end)
            if tag == wanted and start + size <= end:
                yield start, start + size
            start += size
        elif wire_type == _VARINT:
            _, start = _varint(body, start, end)
        elif wire_type in _FIXED:
            start += _FIXED[wire_type]
        else:
            raise malformed("the body is not a valid protobuf request")


def _varint(body: bytes, start: int, end: int) -> tuple[int, int]:
    """(value, where it ends)."""
    value = shift = 0
    while start < end:
        byte = body[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128 or shift > 63:
            break
        shift += 7
    return value, start
