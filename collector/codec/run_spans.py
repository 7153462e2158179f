"""LangSmith's runs as spans and back. Pure.

A run's span keeps the whole document in its attributes, each large field as a text of its own, the rest of it as one
(``langsmith.run``), so that reading the attributes gives the document again. The dialect ``langsmith`` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.codec.otlp import compress, spans_of
from collector.codec.runs import Document, RunHead
from collector.model import RUN_SCOPE, Attributes, Chunk, Event, Span, SpanBatch, Status

#: What every span of a run has; the rest of the document as JSON.
RUN: Final = "langsmith.run"
RUN_ID: Final = "langsmith.run.id"
RUN_TYPE: Final = "langsmith.run.type"
#: True until the run's end is known.
PENDING: Final = "langsmith.run.pending"
INPUTS: Final = "langsmith.inputs"
OUTPUTS: Final = "langsmith.outputs"
EVENTS: Final = "langsmith.events"
EXTRA: Final = "langsmith.extra"

_FIELDS: Final = {
    "inputs": INPUTS,
    "outputs": OUTPUTS,
    "events": EVENTS,
    "extra": EXTRA,
    "serialized": "langsmith.serialized",
}
_STATUS: Final[dict[str, tuple[Status, int]]] = {"pending": ("unset", 0), "success": ("ok", 1), "error": ("error", 2)}
#: How LangSmith and LangChain write an exception: its repr, then its traceback.
_ERROR: Final = re.compile(r"(?P<type>[A-Za-z_][\w.]*)\((?P<message>.*?)\)(?P<rest>(?:\s*Traceback|\n\n|\Z).*)", re.S)
_MAX_STATUS: Final = 4096


def batch_of(runs: Sequence[RunHead]) -> SpanBatch:
    """One span and one chunk for each, in their order; no facts yet but the project."""
    batch = SpanBatch()
    for number, run in enumerate(runs):
        span = _span_of(run)
        span.chunk = number
        batch.spans.append(span)
        batch.chunks.append(Chunk(run.trace_id, compress(_wired(span)), 1, run.via))
    return batch


def document_of(data: bytes) -> Document:
    """The document in a compressed chunk that ``batch_of`` made; empty for one that it did not make."""
    attributes = spans_of(data)[0].attributes
    document = _opened(attributes.get(RUN, "{}"))
    if not isinstance(document, dict):  # redaction, or somebody else, has been at it
        return {}
    return document | {name: _opened(attributes[key]) for name, key in _FIELDS.items() if key in attributes}


def _opened(value: Any) -> Any:
    """The JSON value of a text; what is none as it is."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _span_of(run: RunHead) -> Span:
    status, _ = _STATUS[run.status]
    error = run.document.get("error")
    end_ns = run.start_ns if run.end_ns is None else max(run.start_ns, run.end_ns)
    event = Event("exception", end_ns, _exception(error)) if isinstance(error, str) and error else None
    return Span(
        run.trace_id,
        run.span_id,
        run.parent_run_id[8:] if run.parent_run_id else None,
        run.name,
        run.start_ns,
        end_ns,
        status,
        "" if not error else str(error)[:_MAX_STATUS],
        RUN_SCOPE,
        {},
        _attributes(run),
        [event] if event else (),
        project=run.project,
    )


def _attributes(run: RunHead) -> Attributes:
    document = run.document
    rest = {name: value for name, value in document.items() if name not in _FIELDS}
    found: Attributes = {
        "tracekit.project": run.project,
        RUN_ID: str(UUID(bytes=run.run_id)),
        RUN_TYPE: run.run_type,
    }
    if run.status == "pending":
        found[PENDING] = True
    found[RUN] = _json(rest)
    return found | {key: _json(document[name]) for name, key in _FIELDS.items() if name in document}


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _exception(error: str) -> Attributes:
    match = _ERROR.match(error)
    if match is None:
        head, _, rest = error.partition("\n")
        return {"exception.message": head, "exception.stacktrace": rest} if rest else {"exception.message": head}
    found: Attributes = {"exception.type": match["type"], "exception.message": _unquoted(match["message"])}
    if rest := match["rest"].strip():
        found["exception.stacktrace"] = rest
    return found


def _unquoted(message: str) -> str:
    """A repr's text without its quotes."""
    message = message.rstrip(",")
    if len(message) > 1 and message[0] == message[-1] and message[0] in "'\"":
        return message[1:-1]
    return message


def _wired(span: Span) -> bytes:
    data = TracesData()
    scope_spans = data.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = RUN_SCOPE
    wired = scope_spans.spans.add(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id or b"",
        name=_encodable(span.name),
        kind=1,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
    )
    _add(wired.attributes, span.attributes)
    for event in span.events:
        added = wired.events.add(name=event.name, time_unix_nano=event.time_ns)
        _add(added.attributes, event.attributes)
    code: Any = next(code for status, code in _STATUS.values() if status == span.status)
    wired.status.code = code
    wired.status.message = _encodable(span.status_message)
    return bytes(data.SerializeToString())


def _add(pairs: Any, attributes: Attributes) -> None:
    for key, value in attributes.items():
        pair = KeyValue(key=key)
        if isinstance(value, bool):
            pair.value.bool_value = value
        else:
            pair.value.string_value = _encodable(value)
        pairs.append(pair)


def _encodable(value: str) -> str:
    """Without the lone surrogates that no protobuf string takes."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
