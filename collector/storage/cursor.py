"""Keyset cursors: where the last page ended, and a mark of the query that made it. Pure."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

from collector.storage.api import BadCursor, TraceQuery

_LAYOUT = struct.Struct(">Iq16s")


def encode(query: TraceQuery, value: int, trace_id: bytes) -> str:
    """The cursor of a page whose last row has this sort value and trace id."""
    return base64.urlsafe_b64encode(_LAYOUT.pack(_mark(query), value, trace_id)).rstrip(b"=").decode()


def decode(query: TraceQuery) -> tuple[int, bytes] | None:
    """(sort value, trace id) after which the page begins; None for the first page. Raises ``BadCursor``."""
    if query.cursor is None:
        return None
    try:
        raw = base64.b64decode(query.cursor.encode("ascii") + b"=" * (-len(query.cursor) % 4), b"-_", validate=True)
        mark, value, trace_id = _LAYOUT.unpack(raw)
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise BadCursor("this is no cursor of ours") from None
    if mark != _mark(query):
        raise BadCursor("the cursor belongs to another query: start again without it")
    return value, trace_id


def _mark(query: TraceQuery) -> int:
    """The time range is left out: relative ranges move between two pages, and a keyset page does not mind."""
    parts = (query.sort, query.descending, query.project, query.session_id, query.user_id, query.status, query.q)
    return zlib.crc32(repr(parts).encode("utf-8", "backslashreplace"))
