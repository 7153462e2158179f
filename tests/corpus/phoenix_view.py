"""Spans as Phoenix shows them and as we have them, in one shape, so that they can be compared."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from corpus_cases import DATA, requests_of
from export_records import records_of

from collector.exporters.api import Record
from collector.model import CALL_KINDS, Content, Message
from collector.processors.dialects.openinference import OpenInference
from tracekit.semconv import OPENINFERENCE_KINDS

_OPENINFERENCE = ("llm.", "input.", "output.", "retrieval.", "reranker.", "embedding.", "tool.", "openinference.")
_COUNTS = {
    "input_tokens": "llm.token_count.prompt",
    "output_tokens": "llm.token_count.completion",
    "total_tokens": "llm.token_count.total",
    "cache_read_tokens": "llm.token_count.prompt_details.cache_read",
    "cache_write_tokens": "llm.token_count.prompt_details.cache_write",
    "reasoning_tokens": "llm.token_count.completion_details.reasoning",
}


def corpus_records() -> Iterator[tuple[str, list[Record]]]:
    """Each captured case with all its spans, in a project of the library's name."""
    for path in sorted(DATA.glob("*/*.pb")):
        records = records_of(*requests_of(path))
        for record in records:
            record.facts.project = path.parent.name
        yield f"{path.parent.name}/{path.stem}", records


def get(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def pages(url: str, path: str) -> Iterator[dict[str, Any]]:
    """What a list of Phoenix's REST API has, page by page."""
    cursor: str | None = ""
    while cursor is not None:
        page = get(f"{url}{path}?limit=500" + (f"&cursor={cursor}" if cursor else ""))
        yield from page["data"]
        cursor = page["next_cursor"]


def spans_in(url: str, project: str) -> dict[str, dict[str, Any]]:
    """Every span of a project by its id."""
    path = f"/v1/projects/{urllib.parse.quote(project)}/spans"
    return {span["context"]["span_id"]: span for span in pages(url, path)}


def ours(record: Record) -> dict[str, Any]:
    span = record.span
    usage = span.usage if span.kind in CALL_KINDS else None
    tokens = {name: getattr(usage, name, None) for name in _COUNTS}
    return {
        "name": span.name,
        "kind": OPENINFERENCE_KINDS[span.kind],
        "trace_id": span.trace_id.hex(),
        "parent_id": span.parent_span_id.hex() if span.parent_span_id else None,
        "status": span.status.upper(),
        "session": f"{span.project}:{span.session_id}" if span.session_id else None,
        "user": span.user_id,
        "model": (span.response_model or span.request_model) if span.kind == "llm" else None,
        "tokens": {name: value for name, value in tokens.items() if value is not None},
        **_content(record.content),
    }


def theirs(shown: dict[str, Any], record: Record) -> dict[str, Any]:
    """Read from OpenInference's names alone, so that nothing is right because the original is still there."""
    attributes = shown["attributes"]
    told = {key: value for key, value in attributes.items() if key.startswith(_OPENINFERENCE)}
    kind = record.facts.kind
    tokens = {name: attributes.get(key) for name, key in _COUNTS.items()} if kind in CALL_KINDS else {}
    return {
        "name": shown["name"],
        "kind": shown["span_kind"],
        "trace_id": shown["context"]["trace_id"],
        "parent_id": shown["parent_id"],
        "status": shown["status_code"],
        "session": attributes.get("session.id"),
        "user": attributes.get("user.id"),
        "model": attributes.get("llm.model_name") if kind == "llm" else None,
        "tokens": {name: value for name, value in tokens.items() if value is not None},
        **_content(OpenInference().content(record.span, told)),
    }


def _content(content: Content) -> dict[str, Any]:
    embeddings = [(one.text, one.vector) for one in content.embeddings]
    return {
        "input_messages": [_message(message) for message in content.input_messages],
        "output_messages": [_message(message) for message in content.output_messages],
        "documents": [(one.id, one.text, one.score) for one in content.documents],
        "embeddings": [one for one in embeddings if one != (None, None)],
    }


def _message(message: Message) -> tuple[Any, ...]:
    calls = [(call.id, call.name, call.arguments) for call in message.tool_calls]
    return message.role, message.text, calls, message.tool_call_id, message.name
