"""What went into a span and came out of it, in the shapes that LangSmith's views read. Pure.

Models: ``{"messages": [...]}`` and ``{"choices": [{"message": ...}], "usage_metadata": ...}``, as ``wrap_openai`` of
its client sends. Retrievers: LangChain's documents. Others: an object as it is, anything else as ``input`` and
``output``.
"""

from __future__ import annotations

from typing import Any, Final

from collector.exporters.langsmith.chat import answer_of, chat_of
from collector.model import Content, Document, Span

Json = dict[str, Any]


def inputs_of(span: Span, content: Content) -> Json:
    kind = span.kind
    if kind == "embedding" and (texts := [one.text for one in content.embeddings if one.text is not None]):
        return {"input": texts}
    if kind == "tool" and content.tool is not None and content.tool.arguments is not None:
        return _object(content.tool.arguments, "input") or {}
    if kind in ("retriever", "reranker"):
        return _object(content.input, "query") or {}
    if kind == "prompt" and content.prompt is not None and isinstance(content.prompt.variables, dict):
        return content.prompt.variables
    if content.input_messages and (kind == "llm" or content.input is None):
        return {"messages": chat_of(content.input_messages)}
    return _object(content.input, "input") or {}


def outputs_of(span: Span, content: Content, usage: Json | None) -> Json | None:
    """None where nothing is known. ``usage`` as LangSmith has it."""
    kind = span.kind
    if kind in ("retriever", "reranker") and content.documents:
        return {"documents": [_document(document) for document in content.documents]}
    if kind == "tool" and content.tool is not None and content.tool.result is not None:
        return {"output": content.tool.result}
    if kind == "llm" and content.output_messages:
        return _completion(span, content, usage)
    if kind == "embedding" and content.embeddings and content.output is None:
        return {"embeddings": [_embedding(one) for one in content.embeddings]}
    if content.output is None and content.output_messages:
        return {"messages": chat_of(content.output_messages)}
    return _object(content.output, "output")


def _completion(span: Span, content: Content, usage: Json | None) -> Json:
    reasons = span.finish_reasons or []
    choices: list[Json] = []
    for index, message in enumerate(content.output_messages):
        reason = reasons[index] if index < len(reasons) else reasons[-1] if reasons else None
        choices.append({"index": index, "finish_reason": reason, "message": answer_of(message)})
    told: Json = {"choices": choices}
    if span.response_id:
        told["id"] = span.response_id
    if span.response_model:
        told["model"] = span.response_model
    if usage:
        told["usage_metadata"] = usage
    return told


def _document(document: Document) -> Json:
    metadata = dict(document.metadata) if isinstance(document.metadata, dict) else {}
    if document.metadata is not None and not isinstance(document.metadata, dict):
        metadata["metadata"] = document.metadata
    if document.score is not None and not any(metadata.get(name) is not None for name in _SCORES):
        metadata["score"] = document.score
    told: Json = {"page_content": document.text or "", "type": "Document", "metadata": metadata}
    if document.id is not None:
        told["id"] = document.id
    return told


def _embedding(one: Any) -> Json:
    """Not its vector: nobody reads it there."""
    return {"dimensions": one.dimensions if one.vector is None else len(one.vector)}


def _object(value: Any, name: str) -> Json | None:
    if value is None:
        return None
    return value if isinstance(value, dict) else {name: value}


_SCORES: Final = ("relevance_score", "score")
