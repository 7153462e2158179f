"""Examples from what is stored: which traces or spans, what of them becomes what, and what is masked on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import orjson

from collector.api.dataset_body import Reader, text, whole
from collector.api.values import encode, plain, time_of
from collector.datasets.model import SOURCE, SPLIT, Example, Invalid, checked
from collector.destinations import Masking
from collector.filters.matches import SpanRecord, matches
from collector.filters.nodes import Node
from collector.filters.parse import parse
from collector.model import Content, Span, TraceSummary
from collector.processors.inout import trace_input_output
from collector.processors.normalize import content
from collector.storage.api import Reader as TraceStore
from collector.storage.api import TooBroad, TraceQuery
from tracekit.redaction import DEFAULT_KEYS, PATTERNS, Redactor

Target = Literal["trace", "span"]
#: Examples that one request makes, and traces that it looks at for them.
MAX_MADE: Final = 5_000
MAX_LOOKED_AT: Final = 10_000
_PAGE: Final = 200
_ROOTS: Final = (
    "input", "output", "documents", "metadata", "name", "kind", "model", "tags", "user_id", "session_id", "status",
    "error", "input_messages", "output_messages", "tool", "project",
)  # fmt: skip
_PATH: Final = re.compile(rf"({'|'.join(_ROOTS)})(\.[^.]+){{0,8}}")

#: A path (``metadata.topic``), or an object of them.
Place = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """``targets``: ``TRACE`` or ``TRACE:SPAN``, in hexadecimal digits; these alone, where there are any. ``expected``
    None: what would be right is not known."""

    target: Target = "trace"
    targets: tuple[str, ...] = ()
    project: str | None = None
    filter: Node | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    limit: int = 1_000
    input: Place = "input"
    expected: Place | None = "output"
    metadata: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    mask: Masking | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """``skipped``: what matched and has no input, or is too large for an example."""

    examples: tuple[Example, ...]
    skipped: int


FIELDS: Final = (
    "target", "targets", "project", "filter", "from", "to", "limit", "input", "expected", "metadata", "split", "mask",
    "note",
)  # fmt: skip


def selection_of(body: Mapping[str, Any], now_ns: int) -> Selection:
    """Raises ``FaultyBody``."""
    reader = Reader(body, FIELDS)
    target = reader.take("target", _target, "trace")
    found = Selection(
        target,
        reader.take("targets", _targets, ()),
        reader.take("project", text),
        reader.take("filter", lambda value: parse(text(value), target)),
        reader.take("from", lambda value: time_of(text(value), now_ns)),
        reader.take("to", lambda value: time_of(text(value), now_ns)),
        reader.take("limit", lambda value: whole(value, 1, MAX_MADE), 1_000),
        reader.take("input", _place, "input"),
        reader.take("expected", _place) if "expected" in body else "output",
        reader.take("metadata", _paths, {}),
        reader.take("split", _split),
        reader.take("mask", _mask),
        reader.take("note", text),
    )
    reader.check()
    return found


def make(store: TraceStore, selection: Selection) -> Made:
    """Raises ``TooBroad`` where more would have to be looked at than ``MAX_LOOKED_AT`` traces."""
    redactor = _redactor(selection.mask)
    found: list[Example] = []
    skipped = 0
    for source, record in _records(store, selection):
        example = _example(source, record, selection, redactor)
        if example is None:
            skipped += 1
        else:
            found.append(example)
        if len(found) == selection.limit:
            break
    return Made(tuple(found), skipped)


def _records(store: TraceStore, selection: Selection) -> Iterator[tuple[str, dict[str, Any]]]:
    if selection.targets:
        for one in selection.targets:
            trace, _, span = one.partition(":")
            yield from _of_trace(store, bytes.fromhex(trace), bytes.fromhex(span) if span else None, None)
        return
    for summary in _traces(store, selection):
        if selection.target == "trace":
            yield from _of_trace(store, summary.trace_id, None, None)
        else:
            yield from _of_trace(store, summary.trace_id, None, selection)


def _traces(store: TraceStore, selection: Selection) -> Iterator[TraceSummary]:
    cursor, seen = None, 0
    while True:
        query = TraceQuery(
            project=selection.project,
            from_ns=selection.from_ns,
            to_ns=selection.to_ns,
            filter=selection.filter if selection.target == "trace" else None,
            limit=_PAGE,
            cursor=cursor,
        )
        page = store.list_traces(query)
        yield from page.items
        seen, cursor = seen + len(page.items), page.next_cursor
        if cursor is None:
            return
        if seen >= MAX_LOOKED_AT:
            raise TooBroad(f"more than {MAX_LOOKED_AT} traces would have to be looked at: give a shorter time")


def _of_trace(
    store: TraceStore, trace_id: bytes, span_id: bytes | None, spans_by: Selection | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The trace as a whole, one span of it, or those that a filter over spans holds for."""
    spans = store.get_spans(trace_id)
    summary = store.get_trace(trace_id)
    if summary is None or not spans:
        return
    if span_id is None and spans_by is None:
        yield trace_id.hex(), _trace_record(summary, spans)
        return
    said = store.annotations_of_trace(trace_id) if spans_by and spans_by.filter else []
    for span in spans:
        if span_id not in (None, span.span_id):
            continue
        record = SpanRecord(
            span,
            _content,
            lambda span=span: [one for one in said if one.target.span_id == span.span_id],  # type: ignore[misc]
        )
        if spans_by is None or spans_by.filter is None or matches(spans_by.filter, record):
            yield f"{trace_id.hex()}:{span.span_id.hex()}", _span_record(span)


def _trace_record(summary: TraceSummary, spans: list[Span]) -> dict[str, Any]:
    given, gave = trace_input_output(spans, _content)
    documents = [one for span in spans if span.kind == "retriever" for one in _content(span).documents]
    return {
        "input": given,
        "output": gave,
        "documents": [asdict(one) for one in documents],
        "metadata": summary.metadata,
        "name": summary.name,
        "tags": summary.tags,
        "user_id": summary.user_id,
        "session_id": summary.session_id,
        "status": summary.status,
        "error": summary.error.message if summary.error else None,
        "project": summary.project,
        "model": next((span.request_model for span in spans if span.request_model), None),
    }


def _span_record(span: Span) -> dict[str, Any]:
    carried = _content(span)
    return {
        "input": carried.input,
        "output": carried.output,
        "documents": [asdict(one) for one in carried.documents],
        "input_messages": [{"role": one.role, "content": one.text} for one in carried.input_messages],
        "output_messages": [{"role": one.role, "content": one.text} for one in carried.output_messages],
        "tool": asdict(carried.tool) if carried.tool else None,
        "metadata": span.metadata,
        "name": span.name,
        "kind": span.kind,
        "model": span.response_model or span.request_model,
        "tags": span.tags,
        "user_id": span.user_id,
        "session_id": span.session_id,
        "status": span.status,
        "error": span.error.message if span.error else span.status_message or None,
        "project": span.project,
    }


def _content(span: Span) -> Content:
    try:
        return content(span)
    except Exception:  # noqa: BLE001 - one hostile span must not hide the others
        return Content()


def _example(source: str, record: dict[str, Any], selection: Selection, redactor: Redactor | None) -> Example | None:
    said = {
        "input": _at(record, selection.input),
        "expected": None if selection.expected is None else _at(record, selection.expected),
        "metadata": {name: _at(record, path) for name, path in selection.metadata.items()},
    }
    said = orjson.loads(encode(plain(said)))
    if said["input"] in (None, "", [], {}):
        return None
    if redactor is not None:
        said = orjson.loads(encode(plain(redactor.value(said))))
    try:
        return checked(Example(**said, split=selection.split, source=source))
    except (Invalid, TypeError):
        return None


def _at(record: Mapping[str, Any], place: Place) -> Any:
    if not isinstance(place, str):
        return {name: _at(record, path) for name, path in place.items()}
    found: Any = record
    for name in place.split("."):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and len(name) < 6:
            found = found[int(name)] if int(name) < len(found) else None
        else:
            return None
    return found


def _redactor(mask: Masking | None) -> Redactor | None:
    if mask is None:
        return None
    return Redactor((*DEFAULT_KEYS, *mask.keys), mask.patterns, in_texts=True)


def _target(value: Any) -> str:
    if value not in ("trace", "span"):
        raise Invalid("must be trace or span")
    return str(value)


def _targets(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_MADE:
        raise Invalid(f"must be an array of {MAX_MADE} at most")
    for one in value:
        if not isinstance(one, str) or not SOURCE.fullmatch(one):
            raise Invalid("each must be TRACE_ID or TRACE_ID:SPAN_ID, in lower-case hexadecimal digits")
    return tuple(dict.fromkeys(value))


def _place(value: Any) -> Place:
    return _paths(value) if isinstance(value, dict) else _path(value)


def _paths(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Invalid("must be an object of paths")
    return {str(name): _path(path) for name, path in value.items()}


def _path(value: Any) -> str:
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise Invalid(f"must be a path that begins with one of {', '.join(_ROOTS)}")
    return value


def _split(value: Any) -> str:
    if not isinstance(value, str) or not SPLIT.fullmatch(value):
        raise Invalid("must be the name of a split")
    return value


def _mask(value: Any) -> Masking:
    """``true``: every pattern."""
    if value is True:
        return Masking(PATTERNS)
    if not isinstance(value, dict) or value.keys() - {"patterns", "keys"}:
        raise Invalid("must be true, or an object with patterns and keys")
    patterns, keys = _texts(value.get("patterns", list(PATTERNS))), _texts(value.get("keys", []))
    if not set(patterns) <= set(PATTERNS):
        raise Invalid(f"there are the patterns {', '.join(PATTERNS)}")
    return Masking(patterns, keys)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("must be arrays of texts")
    return tuple(value)
