"""Repairs of hostile or broken values. Pure; originals (``SpanBatch.chunks``) are never touched.

``sanitize`` mends what the receiver filled, before normalising; ``bound_facts`` what normalising found. After both,
every value fits its column on every engine: text without NUL (which PostgreSQL refuses) and without lone surrogates
(which UTF-8 has not), of bounded length, numbers within 64 bits.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import orjson

from collector.model import ErrorInfo, Span, SpanBatch
from collector.processors.values import INT64_MAX, json_or_text, shallow, text

#: Characters that are kept of each.
MAX_NAME: Final = 1024
MAX_ID: Final = 256
MAX_MESSAGE: Final = 4096
MAX_STACKTRACE: Final = 65_536
#: Entries, and bytes of JSON.
MAX_TAGS: Final = 64
MAX_METADATA: Final = 16_384

#: Names remembered as clean.
MAX_NAMES: Final = 16_384
_NAMES: Final = ("project", "service", "request_model", "response_model", "provider", "session_id", "user_id")


def sanitize(batch: SpanBatch) -> SpanBatch:
    """Mend identity, times and names in place: ``0 <= start <= end < 2^63``, a span is not its own parent."""
    for span in batch.spans:
        if not 0 < span.start_ns <= span.end_ns <= INT64_MAX:
            _mend_times(span)
        if span.parent_span_id == span.span_id:
            span.parent_span_id = None
        name = span.name
        if len(name) > MAX_NAME or not name.isascii() or "\0" in name:
            span.name = clean(name, MAX_NAME) or ""
        scope = span.scope
        if scope is not None and (not 0 < len(scope) <= MAX_ID or not scope.isascii() or "\0" in scope):
            span.scope = clean(scope, MAX_ID)
    return batch


def bound_facts(span: Span) -> None:
    """Make the facts fit their columns, in place: of the right type, clean, bounded."""
    try:
        _bound_names(span)
    except TypeError:
        # a list or an object where a name belongs
        for field in _NAMES:
            setattr(span, field, clean(getattr(span, field), MAX_ID))
    if not span.project:
        span.project = "default"
    if span.response_id is not None and not _fits(span.response_id, MAX_ID):
        span.response_id = clean(span.response_id, MAX_ID)
    if span.finish_reasons is not None:
        span.finish_reasons = _strings(span.finish_reasons)
    if span.tags is not None:
        span.tags = _strings(span.tags)
    if span.metadata is not None:
        span.metadata = _metadata(span.metadata)


def _bound_names(span: Span) -> None:
    # Spelled out, not looped over: this runs for every span.
    span.project = _names[span.project] or ""
    if span.service is not None:
        span.service = _names[span.service]
    if span.request_model is not None:
        span.request_model = _names[span.request_model]
    if span.response_model is not None:
        span.response_model = _names[span.response_model]
    if span.provider is not None:
        span.provider = _names[span.provider]
    if span.session_id is not None:
        span.session_id = _names[span.session_id]
    if span.user_id is not None:
        span.user_id = _names[span.user_id]


class _Names(dict[Any, str | None]):
    """``clean``, remembered: the same few names come with every span, and one object for each saves memory."""

    def __missing__(self, value: Any) -> str | None:
        found = clean(value, MAX_ID)
        if value.__class__ is str and len(value) <= MAX_ID:
            if len(self) >= MAX_NAMES:
                self.clear()
            self[value] = found
        return found


_names: Final = _Names()


def _fits(value: Any, limit: int) -> bool:
    return value.__class__ is str and 0 < len(value) <= limit and value.isascii() and "\0" not in value


def clean(value: Any, limit: int) -> str | None:
    """The value as text of at most ``limit`` characters without NUL and lone surrogates; None if nothing is left."""
    found = text(value)
    if not found:
        return None
    found = found[:limit].replace("\0", "")
    try:
        found.encode()
    except UnicodeEncodeError:
        # Joins surrogate pairs that a decoder left apart.
        found = found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return found or None


def bound_error(error: ErrorInfo) -> ErrorInfo:
    error.type = clean(error.type, MAX_ID)
    error.message = clean(error.message, MAX_MESSAGE)
    error.stacktrace = clean(error.stacktrace, MAX_STACKTRACE)
    return error


def _mend_times(span: Span) -> None:
    start = min(max(span.start_ns, 0), INT64_MAX)
    end = min(max(span.end_ns, 0), INT64_MAX)
    if start == 0 or (start == INT64_MAX and end > 0):
        start = end
    span.start_ns, span.end_ns = start, max(start, end)


def _strings(values: Any) -> list[str] | None:
    """A list of clean strings; a lone string is a JSON list or one entry."""
    if values.__class__ is not list:
        values = json_or_text(values)
        values = list(values) if isinstance(values, list | tuple) else [values]
    for value in values:
        if not _fits(value, MAX_ID):
            values = [kept for value in values[:MAX_TAGS] if (kept := clean(value, MAX_ID)) is not None]
            break
    return values[:MAX_TAGS] or None


def _metadata(values: Any) -> dict[str, Any] | None:
    """An object, or the JSON text of one, as JSON can hold it in ``MAX_METADATA`` bytes: the entries that fit."""
    if values.__class__ is str:
        simple = len(values) <= MAX_METADATA and "\\u0000" not in values
        values = json_or_text(values)
        if simple and values.__class__ is dict:
            return values or None
    return _kept(values) if isinstance(values, dict) else None


def _kept(values: dict[Any, Any]) -> dict[str, Any] | None:
    kept: dict[str, Any] = {}
    size = 2
    for key, value in values.items():
        name = clean(key, MAX_ID)
        plain = _plain(value) if not isinstance(value, dict | list) or shallow(value) else None
        length = len(orjson.dumps(plain))
        if name is not None and size + len(name) + length + 4 <= MAX_METADATA:
            kept[name] = plain
            size += len(name) + length + 4
    return kept or None


def _plain(value: Any) -> Any:
    """The value as JSON has it: no NaN, no integers beyond 64 bits, text clean. Nests as deep as the value."""
    if isinstance(value, dict):
        return {clean(key, MAX_ID) or "": _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= INT64_MAX):
        return value
    return clean(value, MAX_MESSAGE) or ""
