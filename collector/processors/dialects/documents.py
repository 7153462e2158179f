"""Retrieved documents in the shapes that libraries write them, as canonical ``Document``s. Pure and total."""

from __future__ import annotations

from typing import Any

from collector.model import Document
from collector.processors.values import json_or_text, number, text


def document_of(value: Any, rank: int) -> Document:
    """From ``{"id", "content" | "text" | "page_content", "score", "metadata"}`` or the text alone."""
    if not isinstance(value, dict):
        return Document(text=text(value), rank=rank)
    found = next((value[key] for key in ("content", "text", "page_content") if value.get(key) is not None), None)
    metadata = json_or_text(value.get("metadata"))
    score = value.get("score")
    if score is None and isinstance(metadata, dict):
        score = metadata.get("relevance_score")
    return Document(text(value.get("id")), text(found), number(score), metadata, rank)


def documents_in(value: Any) -> list[Document]:
    """The documents in a JSON value: a list of them, or an object whose ``documents`` is one."""
    value = json_or_text(value)
    if isinstance(value, dict):
        value = value.get("documents")
    if not isinstance(value, list):
        return []
    return [document_of(item, rank) for rank, item in enumerate(value) if isinstance(item, dict)]


def complete(documents: list[Document], others: list[Document]) -> None:
    """Give documents without id or score those of the same text among ``others``."""
    by_text = {other.text: other for other in others if other.text}
    for document in documents:
        other = by_text.get(document.text or "")
        if other is not None:
            document.id = document.id or other.id
            document.score = document.score if document.score is not None else other.score
