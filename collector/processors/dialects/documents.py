"""Retrieved documents in the shapes that libraries write them, as canonical ``Document``s. Pure and total."""

from __future__ import annotations

from typing import Any, Final

from collector.model import Document
from collector.processors.values import json_or_text, number, text

#: Where a document's metadata tell its id and its score, when nothing else does.
_IDS: Final = ("id", "doc_uri")
_SCORES: Final = ("relevance_score", "score")


def document_of(value: Any, rank: int) -> Document:
    """From ``{"id", "content" | "text" | "page_content", "score", "metadata"}`` or the text alone."""
    if not isinstance(value, dict):
        return Document(text=text(value), rank=rank)
    found = next((value[key] for key in ("content", "text", "page_content") if value.get(key) is not None), None)
    metadata = json_or_text(value.get("metadata"))
    about = metadata if isinstance(metadata, dict) else {}
    name = next((item for item in (value.get("id"), *map(about.get, _IDS)) if item is not None), None)
    score = next((item for item in (value.get("score"), *map(about.get, _SCORES)) if item is not None), None)
    return Document(text(name), text(found), number(score), metadata, rank)


def documents_in(value: Any) -> list[Document]:
    """The documents in a JSON value: a list of them, or an object whose ``documents`` is one."""
    value = json_or_text(value)
    if isinstance(value, dict):
        value = value.get("documents")
    if not isinstance(value, list):
        return []
    return [document_of(item, rank) for rank, item in enumerate(value) if isinstance(item, dict)]


def listed(documents: list[Document]) -> list[dict[str, Any]] | None:
    """Documents as the output of what found them, where nothing else is said of it; None where no texts are known."""
    if not any(document.text for document in documents):
        return None
    names = ("id", "text", "score", "metadata")
    return [
        {"content" if name == "text" else name: value for name in names if (value := getattr(one, name)) is not None}
        for one in documents
    ]


def complete(documents: list[Document], others: list[Document]) -> None:
    """Give documents without id or score those of the same text among ``others``."""
    by_text = {other.text: other for other in others if other.text}
    for document in documents:
        other = by_text.get(document.text or "")
        if other is not None:
            document.id = document.id or other.id
            document.score = document.score if document.score is not None else other.score
