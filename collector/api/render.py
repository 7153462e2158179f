"""Model objects as the plain dicts that the JSON API answers with. Pure; field names are fixed by the API.

What is unknown is ``None``. Ids are hexadecimal, times RFC 3339 with nanoseconds, money decimal strings in USD.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from collector.annotations import Annotation, data_type
from collector.api.values import finite, milliseconds, plain, timestamp, usd
from collector.model import (
    Content,
    Cost,
    Document,
    Embedding,
    ErrorInfo,
    Event,
    Link,
    Message,
    Prompt,
    Span,
    Tool,
    TraceSummary,
    Usage,
)
from collector.storage.api import ProjectSummary, TracePage, UsageRow

Json = dict[str, Any]


@dataclass(slots=True, frozen=True)
class Belonging:
    """Whom a span belongs to: its own word, else its nearest ancestor's, else the trace's."""

    session_id: str | None
    user_id: str | None
    tags: list[str] | None
    metadata: Json | None


def belongings(spans: Iterable[Span], summary: TraceSummary) -> dict[bytes, Belonging]:
    """Of every span of a trace, by span id. Parents that are missing or go round in circles end at the trace."""
    by_id = {span.span_id: span for span in spans}
    whole = Belonging(summary.session_id, summary.user_id, summary.tags, summary.metadata)
    known: dict[bytes, Belonging] = {}
    for span in by_id.values():
        path: dict[bytes, Span] = {}
        at: Span | None = span
        while at is not None and at.span_id not in known and at.span_id not in path:
            path[at.span_id] = at
            at = by_id.get(at.parent_span_id) if at.parent_span_id else None
        above = known.get(at.span_id, whole) if at is not None else whole
        for below in reversed(path.values()):
            above = known[below.span_id] = _own_or(below, above)
    return known


def _own_or(span: Span, above: Belonging) -> Belonging:
    return Belonging(
        span.session_id if span.session_id is not None else above.session_id,
        span.user_id if span.user_id is not None else above.user_id,
        span.tags if span.tags is not None else above.tags,
        span.metadata if span.metadata is not None else above.metadata,
    )


def trace(summary: TraceSummary) -> Json:
    """A trace without spans, ``input`` and ``output`` as far as the summary keeps them."""
    return {
        "trace_id": summary.trace_id.hex(),
        "project": summary.project,
        "name": summary.name,
        "start_time": timestamp(summary.start_ns),
        "end_time": timestamp(summary.end_ns),
        "duration_ms": milliseconds(summary.duration_ns),
        "status": summary.status,
        "error": error(summary.error),
        "session_id": summary.session_id,
        "user_id": summary.user_id,
        "tags": plain(summary.tags),
        "metadata": plain(summary.metadata),
        "input": plain(summary.input),
        "output": plain(summary.output),
        "usage": usage(summary.usage),
        "cost": cost(summary.cost),
        "llm_calls": summary.llm_calls,
        "unpriced_calls": summary.unpriced_calls,
        "time_to_first_token_ms": milliseconds(summary.time_to_first_token_ns),
        "span_count": summary.span_count,
        "error_count": summary.error_count,
        "root_span_id": _hex(summary.root_span_id),
        "stale": summary.stale,
    }


def trace_page(page: TracePage) -> Json:
    return {"items": [trace(summary) for summary in page.items], "next_cursor": page.next_cursor}


def span_facts(span: Span, belonging: Belonging) -> Json:
    """What is known of a span without its original."""
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": _hex(span.parent_span_id),
        "name": span.name,
        "kind": span.kind,
        "start_time": timestamp(span.start_ns),
        "end_time": timestamp(span.end_ns),
        "duration_ms": milliseconds(span.duration_ns),
        "status": span.status,
        "error": error(span.error),
        "service": span.service,
        "scope": span.scope,
        "request_model": span.request_model,
        "response_model": span.response_model,
        "response_id": span.response_id,
        "provider": span.provider,
        "usage": usage(span.usage),
        "cost": cost(span.cost),
        "counted": span.counted,
        "duplicate_of": span.duplicate_of,
        "time_to_first_token_ms": milliseconds(span.time_to_first_token_ns),
        "tokens_per_second": None if span.tokens_per_second is None else round(span.tokens_per_second, 3),
        "finish_reasons": plain(span.finish_reasons),
        "session_id": belonging.session_id,
        "user_id": belonging.user_id,
        "tags": plain(belonging.tags or []),
        "metadata": plain(belonging.metadata or {}),
    }


def span_payload(span: Span, content: Content) -> Json:
    """What a span carried, and its original: everything that ``?payload=false`` leaves out."""
    return {
        "parameters": plain(content.parameters),
        "input_messages": [message(item) for item in content.input_messages],
        "output_messages": [message(item) for item in content.output_messages],
        "input": plain(content.input),
        "output": plain(content.output),
        "documents": [document(item) for item in content.documents],
        "embeddings": [embedding(item) for item in content.embeddings],
        "tool": tool(content.tool),
        "prompt": prompt(content.prompt),
        "attributes": plain(span.attributes),
        "events": [event(item) for item in span.events],
        "links": [link(item) for item in span.links],
        "resource": plain(span.resource),
    }


def usage(found: Usage | None) -> Json | None:
    if found is None:
        return None
    return {
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "total_tokens": found.total_tokens,
        "cache_read_tokens": found.cache_read_tokens,
        "cache_write_tokens": found.cache_write_tokens,
        "audio_input_tokens": found.audio_input_tokens,
        "reasoning_tokens": found.reasoning_tokens,
        "audio_output_tokens": found.audio_output_tokens,
        "estimated": found.estimated,
    }


def cost(found: Cost | None) -> Json | None:
    if found is None:
        return None
    return {
        "total": usd(found.total),
        "input": usd(found.input),
        "output": usd(found.output),
        "status": found.status,
        "price_id": found.price_id,
        "reported_total": usd(found.reported_total),
    }


def error(found: ErrorInfo | None) -> Json | None:
    if found is None:
        return None
    return {"type": found.type, "message": found.message, "stacktrace": found.stacktrace}


def message(found: Message) -> Json:
    return {
        "role": found.role,
        "text": found.text,
        "parts": plain(found.parts),
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": plain(call.arguments)} for call in found.tool_calls
        ],
        "tool_call_id": found.tool_call_id,
        "name": found.name,
    }


def document(found: Document) -> Json:
    return {
        "id": found.id,
        "text": found.text,
        "score": finite(found.score),
        "metadata": plain(found.metadata),
        "rank": found.rank,
    }


def embedding(found: Embedding) -> Json:
    vector = None if found.vector is None else [finite(number) for number in found.vector]
    return {"text": found.text, "vector": vector, "dimensions": found.dimensions}


def tool(found: Tool | None) -> Json | None:
    if found is None:
        return None
    return {
        "name": found.name,
        "arguments": plain(found.arguments),
        "result": plain(found.result),
        "call_id": found.call_id,
        "description": found.description,
    }


def prompt(found: Prompt | None) -> Json | None:
    if found is None:
        return None
    return {
        "template": found.template,
        "version": found.version,
        "variables": plain(found.variables),
        "name": found.name,
    }


def event(found: Event) -> Json:
    return {"name": found.name, "time": timestamp(found.time_ns), "attributes": plain(found.attributes)}


def link(found: Link) -> Json:
    return {
        "trace_id": found.trace_id.hex(),
        "span_id": found.span_id.hex(),
        "attributes": plain(found.attributes),
    }


def usage_rows(rows: Sequence[UsageRow]) -> Json:
    return {"items": [usage_row(row) for row in rows]}


def usage_row(row: UsageRow) -> Json:
    """The group's fields stand beside the figures."""
    return {
        **row.group,
        "traces": row.traces,
        "calls": row.calls,
        "errors": row.errors,
        "usage": usage(row.usage),
        "cost": cost(row.cost),
        "unpriced_calls": row.unpriced_calls,
        "latency_ms": _percentiles(row.latency_ns),
        "time_to_first_token_ms": _percentiles(row.time_to_first_token_ns),
    }


def project_list(found: Sequence[ProjectSummary]) -> Json:
    return {
        "items": [
            {
                "name": item.name,
                "traces": item.traces,
                "first_start_time": None if item.first_ns is None else timestamp(item.first_ns),
                "last_start_time": None if item.last_ns is None else timestamp(item.last_ns),
            }
            for item in found
        ]
    }


def annotation(found: Annotation) -> Json:
    """One that is stored."""
    target = found.target
    return {
        "id": str(UUID(bytes=found.id)),
        "name": found.name,
        "target": {
            "trace_id": _hex(target.trace_id),
            "span_id": _hex(target.span_id),
            "session_id": target.session_id,
            "document_position": target.document_position,
        },
        "annotator_kind": found.annotator_kind,
        "identifier": found.identifier,
        "label": found.label,
        "score": found.score,
        "data_type": data_type(found),
        "value": plain(found.value),
        "correction": plain(found.correction),
        "explanation": found.explanation,
        "metadata": plain(found.metadata),
        "created_at": timestamp(found.created_ns or 0),
        "updated_at": timestamp(found.updated_ns or 0),
    }


def _percentiles(found: dict[str, int | None]) -> Json:
    return {name: milliseconds(found.get(name)) for name in ("p50", "p90", "p99")}


def _hex(identifier: bytes | None) -> str | None:
    return None if identifier is None else identifier.hex()
