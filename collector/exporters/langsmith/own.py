"""Runs that came by LangSmith's own protocol: sent on as their clients wrote them. Pure and total.

What is missing of what LangSmith requires (a patch that came alone) is filled from the span. Left out are ids that mean
something to this collector alone: ``session_id``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from collector.codec.run_spans import EVENTS, EXTRA, INPUTS, OUTPUTS, RUN, RUN_ID
from collector.codec.runs import shown, time_ns, uuid_bytes
from collector.exporters.api import Record
from collector.exporters.langsmith.ids import Place, time
from collector.model import RUN_SCOPE, Span

Json = dict[str, Any]

#: Where the codec keeps each field that can be large.
STORED: Final = {
    "inputs": INPUTS,
    "outputs": OUTPUTS,
    "events": EVENTS,
    "extra": EXTRA,
    "serialized": "langsmith.serialized",
}
_SEGMENT: Final = re.compile(r"(?P<time>\d{8}T\d{12})Z(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z", re.ASCII)
#: Beside ``session_id``: what the client sends with a run and no reader of a run may get, and what readers add.
_NOT_SENT: Final = ("session_id", "attachments", "child_runs", "child_run_ids", "parent_run_ids", "s3_urls")


def document_in(record: Record) -> Json | None:
    """The run that the span came as; None where it came as something else, or its document cannot be read any more."""
    known = record.run_ids.get(record.facts.span_id)
    if known is None or record.facts.scope != RUN_SCOPE:
        return None
    try:
        attributes = record.span.attributes
    except Exception:  # noqa: BLE001 - a damaged original: the span is sent with its facts
        return None
    rest = _opened(attributes.get(RUN))
    if uuid_bytes(attributes.get(RUN_ID)) != known or not isinstance(rest, dict):
        return None
    return shown(rest) | {name: _opened(attributes[key]) for name, key in STORED.items() if key in attributes}


def own_document(document: Json, span: Span, place: Place, named: Mapping[str, str], types: frozenset[str]) -> Json:
    """The document with all that LangSmith requires, ids of its own kept where they agree with each other."""
    told = {name: value for name, value in document.items() if name not in _NOT_SENT}
    told |= {"id": str(place.run_id), "session_name": named["session_name"]}
    if not _agrees(told):
        told |= {"trace_id": str(place.trace_id), "dotted_order": place.dotted_order}
        told["parent_run_id"] = str(place.parent_run_id) if place.parent_run_id else None
    if time_ns(told.get("start_time")) is None:
        told["start_time"] = time(place.start_us)
    if time_ns(told.get("end_time")) is None:
        told.pop("end_time", None)
    if not isinstance(told.get("name"), str) or not told["name"]:
        told["name"] = span.name or "run"
    if not isinstance(told.get("run_type"), str) or told["run_type"] not in types:
        told["run_type"] = named["run_type"]
    for name, wanted in _WANTED.items():
        if name in told:
            told[name] = wanted(told[name])
    return told


def _agrees(document: Json) -> bool:
    """Whether its ids and its dotted order say the same."""
    order = document.get("dotted_order")
    if not isinstance(order, str):
        return False
    found = [_id_in(part) for part in order.split(".")]
    parent = found[-2] if len(found) > 1 else None
    if not all(found) or found[-1] != document["id"] or found[0] != _uuid(document.get("trace_id")):
        return False
    said = document.get("parent_run_id")
    if said is None and parent is not None:
        document["parent_run_id"] = parent
        return True
    return _uuid(said) == parent


def _id_in(segment: str) -> str:
    match = _SEGMENT.match(segment)
    try:
        datetime.strptime(match["time"] if match else "", "%Y%m%dT%H%M%S%f")
    except ValueError:
        return ""
    return match["id"] if match else ""


def _uuid(value: Any) -> str | None:
    found = uuid_bytes(value)
    return None if found is None else str(UUID(bytes=found))


def _opened(value: Any) -> Any:
    """The JSON value of a text; what is none (redaction has been at it) as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _object(name: str) -> Any:
    return lambda value: value if isinstance(value, dict) else None if value is None else {name: value}


def _extra(value: Any) -> Json | None:
    found = _object("extra")(value)
    if found is not None and found.get("metadata") is not None:
        found = {**found, "metadata": _object("metadata")(found["metadata"])}
    return found  # type: ignore[no-any-return]


def _tags(value: Any) -> list[str] | None:
    return [str(tag) for tag in value] if isinstance(value, list) else None


def _events(value: Any) -> list[Any] | None:
    return [event for event in value if isinstance(event, dict)] if isinstance(value, list) else None


def _error(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else orjson.dumps(value, default=str).decode()


_WANTED: Final[dict[str, Any]] = {
    "inputs": _object("input"),
    "outputs": _object("output"),
    "extra": _extra,
    "serialized": _object("name"),
    "events": _events,
    "tags": _tags,
    "error": _error,
    "reference_example_id": _uuid,
}
