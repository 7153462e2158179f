"""Keyset cursors: where the last page ended, and a mark of the query that made it. Pure."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

from collector.storage.api import BadCursor

_LAYOUT = struct.Struct(">Iq16s")


def mark(*parts: object) -> int:
    """The mark of a query with these conditions."""
    return zlib.crc32(repr(parts).encode("utf-8", "backslashreplace"))


def encode(query_mark: int, value: int, row_id: bytes) -> str:
    """The cursor of a page whose last row has this sort value and this id of 16 bytes."""
    return base64.urlsafe_b64encode(_LAYOUT.pack(query_mark, value, row_id)).rstrip(b"=").decode()


def decode(query_mark: int, cursor: str | None) -> tuple[int, bytes] | None:
    """(sort value, id) after which the page begins; None for the first page. Raises ``BadCursor``."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        made_by, value, row_id = _LAYOUT.unpack(raw)
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise BadCursor("this is no cursor of ours") from None
    if made_by != query_mark:
        raise BadCursor("the cursor belongs to another query: start again without it")
    return value, row_id
