"""Spans as the collector's API and as Phoenix's REST API tell them, in one shape. Phoenix's are read from
OpenInference's names alone, so that nothing is right because the original is still there."""

from __future__ import annotations

import json
from typing import Any

from tracekit.semconv import OPENINFERENCE_KINDS

_CALLS = frozenset(("llm", "embedding", "reranker"))
_COUNTS = {"input_tokens": "llm.token_count.prompt", "output_tokens": "llm.token_count.completion"}

#: What went into a reranker is what is known of its documents where nothing came out.
_DOCUMENTS = {
    "RETRIEVER": ("retrieval.documents",),
    "RERANKER": ("reranker.output_documents", "reranker.input_documents"),
}


def ours(span: dict[str, Any], project: str) -> dict[str, Any]:
    """Of a span of ``GET /api/v1/traces/{id}``."""
    usage = span["usage"] if span["kind"] in _CALLS and span["usage"] else {}
    return {
        "name": span["name"],
        "kind": OPENINFERENCE_KINDS[span["kind"]],
        "parent": span["parent_span_id"],
        "status": span["status"].upper(),
        "model": (span["response_model"] or span["request_model"]) if span["kind"] == "llm" else None,
        "tokens": {name: usage.get(name) for name in _COUNTS},
        "session": f"{project}:{span['session_id']}" if span["session_id"] else None,
        "user": span["user_id"],
        "input_messages": [_message(one) for one in span["input_messages"]],
        "output_messages": [_message(one) for one in span["output_messages"]],
        "documents": [(one["id"], one["text"], one["score"]) for one in span["documents"]],
    }


def theirs(shown: dict[str, Any]) -> dict[str, Any]:
    """Of a span of ``GET /v1/projects/{id}/spans``."""
    attributes, kind = shown["attributes"], shown["span_kind"]
    lists = (_numbered(attributes, name) for name in _DOCUMENTS.get(kind, ()))
    documents = next((found for found in lists if found), [])
    return {
        "name": shown["name"],
        "kind": kind,
        "parent": shown["parent_id"],
        "status": shown["status_code"],
        "model": attributes.get("llm.model_name") if kind == "LLM" else None,
        "tokens": {name: attributes.get(key) if kind.lower() in _CALLS else None for name, key in _COUNTS.items()},
        "session": attributes.get("session.id"),
        "user": attributes.get("user.id"),
        "input_messages": [_shown_message(one) for one in _numbered(attributes, "llm.input_messages")],
        "output_messages": [_shown_message(one) for one in _numbered(attributes, "llm.output_messages")],
        "documents": [
            (one.get("document.id"), one.get("document.content"), one.get("document.score")) for one in documents
        ],
    }


def _message(found: dict[str, Any]) -> tuple[Any, ...]:
    calls = [(call["id"], call["name"], call["arguments"]) for call in found["tool_calls"]]
    return found["role"], found["text"], calls


def _shown_message(found: dict[str, Any]) -> tuple[Any, ...]:
    parts = [one.get("message_content.text") for one in _numbered(found, "message.contents")]
    text = found.get("message.content") or "\n".join(part for part in parts if part) or None
    calls = [
        (one.get("tool_call.id"), one.get("tool_call.function.name"), _json(one.get("tool_call.function.arguments")))
        for one in _numbered(found, "message.tool_calls")
    ]
    return found.get("message.role"), text, calls


def _numbered(attributes: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The items of a flattened list, in order: ``PREFIX.0.x`` -> ``[{"x": ...}]``."""
    items: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix + "."):
            number, _, rest = key[len(prefix) + 1 :].partition(".")
            items.setdefault(int(number), {})[rest] = value
    return [items[number] for number in sorted(items)]


def _json(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else text
