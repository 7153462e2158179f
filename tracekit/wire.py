"""Spans as OTLP protobuf bytes (opentelemetry/proto/collector/trace/v1), written directly.

Building the generated message classes costs eight times as much (see benchmarks/sdk_overhead). Pure: spans in, bytes
out. Text that is no valid UTF-8 is repaired, a value that OTLP cannot carry becomes its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct, pack
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceState

if TYPE_CHECKING:
    from tracekit.recording import RecordedSpan

_KINDS: Final = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}
_STATUS: Final = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_MAX_KEYS: Final = 20_000

#: texts up to this length, and numbers, are kept with their names as they were encoded: many spans have the same
_SHORT: Final = 32
_REPEATING: Final = frozenset((str, int, float, bool))
#: longer texts' lengths do not repeat
_LONG: Final = 4_096

_FLAGS: Final = tuple(b"\x85\x01" + pack("<I", flags) for flags in range(1_024))
#: Span.start_time_unix_nano and Span.end_time_unix_nano
_TIMES: Final = Struct("<BQBQ").pack
_NO_STATE: Final = TraceState.get_default()
#: the tag of Span.attributes
SPAN_ATTRIBUTE: Final = b"\x4a"

_keys: dict[str, bytes] = {}
_heads: dict[tuple[bytes, str, int], bytes] = {}
_small: dict[tuple[bytes, str, type, Any], bytes] = {}
_titles: dict[tuple[str, SpanKind], bytes] = {}


def _varint(number: int) -> bytes:
    """A number below 2**64; negative ones as two's complement."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL: Final = tuple(_varint(number) for number in range(1 << 14))


def size(number: int) -> bytes:
    """A length as a varint."""
    return _SMALL[number] if number < 16_384 else _varint(number)


def field(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field; ``tag`` is its number and wire type."""
    return b"".join((tag, size(len(body)), body))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _key(key: str) -> bytes:
    """KeyValue.key, and the tag of its value."""
    encoded = _keys.get(key)
    if encoded is None:
        encoded = field(b"\x0a", _utf8(str(key))) + b"\x12"
        _keep(_keys, key, encoded)
    return encoded


def attributes(tag: bytes, items: Iterable[tuple[str, Any]]) -> list[bytes]:
    """KeyValues, each behind ``tag``, in pieces."""
    out: list[bytes] = []
    for name, value in items:
        kind = type(value)
        if kind is str and len(value) > _SHORT:
            body = _utf8(value)
            out.append(_text_head(tag, name, len(body)))
            out.append(body)
        elif kind in _REPEATING:
            known = _small.get((tag, name, kind, value))
            if known is None:
                known = _pair(tag, name, value)
                _keep(_small, (tag, name, kind, value), known)
            out.append(known)
        else:
            out.append(_pair(tag, name, value))
    return out


def _pair(tag: bytes, name: str, value: Any) -> bytes:
    key, body = _key(name), _value(value)
    return b"".join((tag, size(len(key) + len(size(len(body))) + len(body)), key, size(len(body)), body))


def _text_head(tag: bytes, name: str, length: int) -> bytes:
    """All of a KeyValue that stands before its text. It repeats with the text's length, mostly."""
    known = _heads.get((tag, name, length))
    if known is None:
        key, inner = _key(name), b"\x0a" + size(length)
        whole = len(inner) + length
        known = b"".join((tag, size(len(key) + len(size(whole)) + whole), key, size(whole), inner))
        if length < _LONG:
            _keep(_heads, (tag, name, length), known)
    return known


def _value(value: Any) -> bytes:
    """AnyValue."""
    if value is None:
        return b""
    kind = type(value)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return b"\x18" + _varint(value) if -(2**63) <= value < 2**63 else _value(str(value))
    if kind is float:
        return b"\x21" + pack("<d", value)
    if isinstance(value, str):
        return field(b"\x0a", _utf8(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return field(b"\x3a", bytes(value))
    if isinstance(value, Mapping):
        return field(b"\x32", b"".join(attributes(b"\x0a", value.items())))
    if isinstance(value, (list, tuple)):
        return field(b"\x2a", _floats(value) or b"".join(field(b"\x0a", _value(item)) for item in value))
    return _value(_plain(value))


def _floats(values: Sequence[Any]) -> bytes | None:
    """An embedding's vector in one call: each number is 11 bytes, all but the last eight the same."""
    if len(values) < 16 or not all(type(value) is float for value in values):
        return None
    pairs = [part for value in values for part in (b"\x0a\x09\x21", value)]
    return pack("<" + "3sd" * len(values), *pairs)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return list(value) if isinstance(value, Sequence) else str(value)


def span(readable: ReadableSpan, items: Mapping[str, Any]) -> bytes:
    """One Span message of any span; ``items`` are its attributes."""
    context: SpanContext = readable.context
    parent = readable.parent
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    if context.trace_state:
        parts.append(_state(context.trace_state))
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    parts.append(_title(readable.name, readable.kind))
    parts.append(_TIMES(0x39, readable.start_time or 0, 0x41, readable.end_time or 0))
    parts += attributes(SPAN_ATTRIBUTE, items.items())
    parts += _tail(readable)
    parts.append(_flags(int(context.trace_flags), parent is not None and parent.is_remote))
    return b"".join(parts)


def recorded_span(span: RecordedSpan, encoded: Iterable[bytes]) -> bytes:
    """As ``span``, for one of tracekit's own, whose parts lie open; ``encoded`` are its attributes, each behind
    ``SPAN_ATTRIBUTE``."""
    up: Any = span.up
    parts = [b"\x0a\x10", span.trace_id.to_bytes(16, "big"), b"\x12\x08", span.span_id.to_bytes(8, "big")]
    if span.state is not _NO_STATE and span.state:
        parts.append(_state(span.state))
    flags = _HAS_IS_REMOTE
    if type(up) is int:
        parts += (b"\x22\x08", up.to_bytes(8, "big"))
    elif up is not None:
        parts += (b"\x22\x08", up.span_id.to_bytes(8, "big"))
        flags = _HAS_IS_REMOTE | _IS_REMOTE if up.is_remote else _HAS_IS_REMOTE
    # Read without the properties, which are for others.
    parts.append(_title(span._name, span._kind))
    parts.append(_TIMES(0x39, span._start_time or 0, 0x41, span._end_time or 0))
    parts += encoded
    if span.unusual:
        parts += _tail(span)
    parts.append(_FLAGS[span.flags & 0xFF | flags])
    return b"".join(parts)


def _state(state: TraceState) -> bytes:
    return field(b"\x1a", _utf8(state.to_header()))


def _flags(flags: int, remote: bool) -> bytes:
    return _FLAGS[flags & 0xFF | (_HAS_IS_REMOTE | _IS_REMOTE if remote else _HAS_IS_REMOTE)]


def _title(name: str, kind: SpanKind) -> bytes:
    """Span.name and Span.kind, which most spans share with many others."""
    known = _titles.get((name, kind))
    if known is None:
        known = field(b"\x2a", _utf8(name)) + b"\x30" + _SMALL[_KINDS[kind]]
        _keep(_titles, (name, kind), known)
    return known


def _keep(cache: dict[Any, bytes], key: Any, value: bytes) -> None:
    if len(cache) >= _MAX_KEYS:
        cache.clear()
    cache[key] = value


def _tail(readable: ReadableSpan) -> list[bytes]:
    """Dropped counts, events, links, status."""
    out: list[bytes] = []
    if readable.dropped_attributes:
        out.append(b"\x50" + _varint(readable.dropped_attributes))
    out += [field(b"\x5a", _event(event)) for event in readable.events]
    if readable.dropped_events:
        out.append(b"\x60" + _varint(readable.dropped_events))
    out += [field(b"\x6a", _link(link)) for link in readable.links]
    if readable.dropped_links:
        out.append(b"\x70" + _varint(readable.dropped_links))
    status = readable.status
    code = _STATUS[status.status_code]
    if code:
        text = field(b"\x12", _utf8(status.description)) if status.description else b""
        out.append(field(b"\x7a", text + b"\x18" + _SMALL[code]))
    return out


def _event(event: Any) -> bytes:
    out = [b"\x09", pack("<Q", event.timestamp), field(b"\x12", _utf8(event.name))]
    return b"".join(out + attributes(b"\x1a", (event.attributes or {}).items()))


def _link(link: Any) -> bytes:
    context = link.context
    out = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    return b"".join(out + attributes(b"\x22", (link.attributes or {}).items()))


def resource(items: Mapping[str, Any]) -> bytes:
    """The start of ResourceSpans; ``items`` are the resource's attributes."""
    return field(b"\x0a", b"".join(attributes(b"\x0a", items.items())))


def scope(found: InstrumentationScope | None) -> bytes:
    """The start of ScopeSpans."""
    if found is None:
        return field(b"\x0a", b"")
    body = field(b"\x0a", _utf8(found.name))
    if found.version:
        body += field(b"\x12", _utf8(found.version))
    return field(b"\x0a", body + b"".join(attributes(b"\x1a", (found.attributes or {}).items())))


def request(groups: Mapping[bytes, Mapping[bytes, Sequence[bytes]]]) -> bytes:
    """ExportTraceServiceRequest from ``resource`` -> ``scope`` -> spans. Megabytes: joined once, lengths before."""
    out: list[bytes] = []
    for head, scopes in groups.items():
        inner: list[bytes] = []
        for start, spans in scopes.items():
            pieces = [piece for body in spans for piece in (b"\x12", size(len(body)), body)]
            inner += (b"\x12", size(len(start) + _length(pieces)), start, *pieces)
        out += (b"\x0a", size(len(head) + _length(inner)), head, *inner)
    return b"".join(out)


def _length(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))


def rejected_spans(answer: bytes) -> tuple[int, str]:
    """``partial_success`` of an ExportTraceServiceResponse: how many spans were refused for good, and why.

    Bytes that are no such message count as nothing refused.
    """
    partial = _fields(answer).get(1)
    if not isinstance(partial, bytes):
        return 0, ""
    found = _fields(partial)
    count, why = found.get(1, 0), found.get(2, b"")
    return (count if isinstance(count, int) else 0), (why.decode("utf-8", "replace") if isinstance(why, bytes) else "")


def _fields(message: bytes) -> dict[int, int | bytes]:
    found: dict[int, int | bytes] = {}
    at = 0
    try:
        while at < len(message):
            tag, at = read_varint(message, at)
            if tag & 7 == 0:
                found[tag >> 3], at = read_varint(message, at)
            elif tag & 7 == 2:
                length, at = read_varint(message, at)
                found[tag >> 3] = message[at : at + length]
                at += length
            else:
                break
    except IndexError:
        pass
    return found


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift > 63:
            return number, at
