"""Spans as LangSmith's runs. Pure but for ``Roots``, and total: whatever a span holds, it becomes a run that can be
written as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from collector.codec.run_spans import PENDING
from collector.codec.runs import Attachment
from collector.exporters.api import Record
from collector.exporters.langsmith.about import error_of, events_of, extra_of, is_call, usage_of
from collector.exporters.langsmith.ids import Place, Roots, place_of, time
from collector.exporters.langsmith.jsons import encode
from collector.exporters.langsmith.own import document_in, own_document
from collector.exporters.langsmith.payload import inputs_of, outputs_of
from collector.model import CALL_KINDS, Span

Json = dict[str, Any]

#: https://docs.langchain.com/langsmith/run-data-format, and ``RunTypeEnum`` of its client.
RUN_TYPES: Final = frozenset({"llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"})
_TYPES: Final = {"reranker": "retriever"}
#: Of the client: what is sent as a part of its own.
FIELDS: Final = ("inputs", "outputs", "events", "extra", "error", "serialized")
_TYPE_OF_OTEL: Final = "langsmith.span.kind"


@dataclass(frozen=True, slots=True)
class Run:
    """``head`` is the run without what is in ``fields``, both as JSON."""

    run_id: UUID
    trace_id: UUID
    dotted_order: str
    head: bytes
    fields: dict[str, bytes]
    attachments: Sequence[Attachment] = ()

    def document(self) -> bytes:
        """The whole as one object, as ``/runs/batch`` takes it."""
        members = [self.head[:-1], *(b',"%s":%s' % (name.encode(), value) for name, value in self.fields.items())]
        return b"".join(members) + b"}"


def runs_of(records: Sequence[Record], roots: Roots, project: str | None = None) -> list[Run]:
    """Parents before their children. ``project``: where all of them go, else each to its own."""
    roots.learn(records)
    return sorted((run_of(record, roots, project) for record in records), key=lambda run: run.dotted_order)


def run_of(record: Record, roots: Roots, project: str | None = None) -> Run:
    document = document_of(record, roots, project)
    fields = {name: encode(document.pop(name)) for name in FIELDS if document.get(name) is not None}
    head = encode({name: value for name, value in document.items() if value is not None})
    return Run(
        UUID(document["id"]),
        UUID(document["trace_id"]),
        document["dotted_order"],
        head,
        fields,
        tuple(record.attachments_of()),
    )


def document_of(record: Record, roots: Roots, project: str | None = None) -> Json:
    """The run as one JSON object. Runs that came by LangSmith's protocol are as their clients wrote them."""
    place = place_of(record, roots)
    known = document_in(record)
    named = {"session_name": project or record.facts.project or "default", "run_type": run_type(record)}
    if known is not None:
        return own_document(known, record.facts, place, named, RUN_TYPES)
    return _document(record, place) | named


def _document(record: Record, place: Place) -> Json:
    span = _span(record)
    content = record.content
    usage = usage_of(span)
    end_us = None if span.attributes.get(PENDING) is True else max(span.end_ns // 1000, place.start_us)
    return {
        **identity(span, place),
        "end_time": None if end_us is None else time(end_us),
        "tags": span.tags,
        "inputs": inputs_of(span, content),
        "outputs": outputs_of(span, content, usage if is_call(span) else None),
        "events": events_of(span) or None,
        "extra": extra_of(record, content, usage),
        "error": error_of(span),
    }


def identity(span: Span, place: Place) -> Json:
    return {
        "id": str(place.run_id),
        "trace_id": str(place.trace_id),
        "parent_run_id": str(place.parent_run_id) if place.parent_run_id else None,
        "dotted_order": place.dotted_order,
        "name": span.name or span.kind,
        "start_time": time(place.start_us),
    }


def run_type(record: Record) -> str:
    """LangSmith's name for the span's kind; a repetition of another call is a chain, lest it be counted again."""
    span = record.facts
    if span.kind in CALL_KINDS and not is_call(span):
        return "chain"
    found = _TYPES.get(span.kind, span.kind)
    if found in RUN_TYPES:
        return found
    return "parser" if _span(record).attributes.get(_TYPE_OF_OTEL) == "parser" else "chain"


def _span(record: Record) -> Span:
    """With its attributes where its original can be read, else with its facts alone."""
    try:
        return record.span
    except Exception:  # noqa: BLE001 - a span whose original is damaged is sent with what is known
        return record.facts
