"""The two pieces of protobuf's wire format that originals are framed with (encoding: protobuf.dev, "Encoding")."""

from __future__ import annotations

from collections.abc import Iterable

_ONE_BYTE = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A non-negative integer as a base-128 varint."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field: a string, bytes or an embedded message. ``number`` is at most 15."""
    return _ONE_BYTE[number << 3 | 2] + varint(len(payload)) + payload


def message(number: int, fields: Iterable[bytes]) -> bytes:
    """An embedded message made of encoded fields."""
    return field(number, b"".join(fields))
