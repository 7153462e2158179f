"""Retrieved and reranked documents in the shapes that retrievers return, and as attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from tracekit import semconv
from tracekit.capture import Capture
from tracekit.conventions import Conventions
from tracekit.reading import as_number, get, getter, is_a, is_list, list_of

#: characters of an id
_MAX_ID: Final = 1_000
_TEXTS: Final = ("page_content", "text", "content", "document", "body", "chunk")
_IDS: Final = ("id", "id_", "doc_id", "document_id", "node_id", "_id")
_SCORES: Final = ("score", "relevance_score", "similarity", "similarity_score", "_score")
_LISTS: Final = ("documents", "results", "matches", "nodes", "source_nodes", "hits", "points")


@dataclass(slots=True)
class Document:
    """``index`` is a reranker's pointer into its input documents."""

    id: str | None = None
    text: str | None = None
    score: float | None = None
    metadata: Any = None
    index: int | None = None


def read_documents(value: Any, most: int) -> list[Document] | None:
    """The documents in a list of texts, dicts, objects or (document, score) pairs, or in an object that holds such a
    list; None where there are none. At most ``most`` are read."""
    if not is_list(value):
        if value is None or is_a(value, (str, bytes)):
            return None
        value = next((found for name in _LISTS if (found := list_of(value, name))), None)
        if value is None:
            return None
    read = [read_document(item) for item in list(value)[:most]]
    found = [document for document in read if document is not None]
    return found if found or not value else None


def read_document(value: Any) -> Document | None:
    if type(value) is dict:
        document = _of_known_keys(value)
        if document is not None:
            return document
    elif is_a(value, str):
        return Document(text=value)
    elif is_list(value):
        return _scored(value)
    node = get(value, "node")
    document = _of(value if node is None else node)
    if node is not None and document is not None:
        document.score = _number(getter(value))
    return document


def _of_known_keys(value: dict[str, Any]) -> Document | None:
    """The quick way for dicts, of which a retriever returns many with the same keys; None where it does not fit."""
    names = _names(tuple(value))
    if names is None:
        return None
    field: Callable[[str | None], Any] = value.get  # type: ignore[assignment]
    text, identity, score, metadata = field(names[0]), field(names[1]), field(names[2]), field(names[3])
    if type(text) is not str or not (identity is None or type(identity) is str):
        return None
    if not (score is None or (type(score) is float and score * 0 == 0)):
        return None
    return Document(identity, text, score, metadata) if metadata is None or type(metadata) is dict else None


#: the keys of a document's text, id, score and metadata
_Names = tuple[str | None, str | None, str | None, str | None]


@lru_cache(maxsize=1024)
def _names(keys: tuple[Any, ...]) -> _Names | None:
    """Under which keys a document's text, id, score and metadata are; None for dicts that are not so simple."""
    text, identity, score = (next((name for name in known if name in keys), None) for known in (_TEXTS, _IDS, _SCORES))
    if text is None or not {"payload", "node", "index"}.isdisjoint(keys) or (score is None and "metadata" in keys):
        return None
    return text, identity, score, "metadata" if "metadata" in keys else None


def _scored(pair: Any) -> Document | None:
    """``(document, score)`` or ``(score, document)``."""
    if len(pair) != 2:
        return None
    first, second = as_number(pair[0]), as_number(pair[1])
    if (first is None) == (second is None):
        return None
    document = read_document(pair[1] if second is None else pair[0])
    if document is not None:
        document.score = first if second is None else second
    return document


def _of(value: Any) -> Document | None:
    field = getter(value)
    metadata = field("metadata")
    if metadata is None:
        metadata = field("payload")
    text = _text(field)
    score = _number(field)
    if type(metadata) is dict:
        text = _text(metadata.get) if text is None else text
        score = _number(metadata.get) if score is None else score
    identity = _id(field)
    if text is None and identity is None and score is None:
        return None
    index = field("index")
    return Document(
        identity, text, score, metadata if _is_data(metadata) else None, index if type(index) is int else None
    )


def _text(field: Callable[[str], Any]) -> str | None:
    for name in _TEXTS:
        found = field(name)
        if is_a(found, str):
            return found
        if name == "document" and found is not None:
            inner = get(found, "text")
            if is_a(inner, str):
                return inner
    return None


def _id(field: Callable[[str], Any]) -> str | None:
    for name in _IDS:
        value = field(name)
        if is_a(value, str):
            return value
        if value is not None and (type(value) is int or type(value).__module__ == "uuid"):
            return str(value)
    return None


def _number(field: Callable[[str], Any]) -> float | None:
    for name in _SCORES:
        value = field(name)
        if value is not None:
            number = as_number(value)
            if number is not None:
                return number
    return None


def _is_data(metadata: Any) -> bool:
    return type(metadata) is dict or is_a(metadata, dict) or hasattr(type(metadata), "__pydantic_fields__")


def point_into(documents: list[Document], inputs: list[Document]) -> None:
    """Give a reranker's results the texts and ids of the inputs that they point to."""
    for document in documents:
        if document.text is None and document.index is not None and 0 <= document.index < len(inputs):
            source = inputs[document.index]
            document.text, document.id = source.text, document.id or source.id


def document_attributes(prefix: str, documents: list[Document], capture: Capture) -> dict[str, Any]:
    """``prefix.N.document.*``; texts and metadata only where content may be kept."""
    attributes: dict[str, Any] = {}
    left = capture.limits.max_chars
    for number, document in enumerate(documents):
        identity, content, metadata, score = _keys(prefix, number)
        if document.id is not None:
            attributes[identity] = document.id[:_MAX_ID]
        if capture.content and left > 0:
            if document.text is not None:
                attributes[content] = text = capture.text(document.text, left)
                left -= len(text)
            if document.metadata:
                attributes[metadata] = found = capture.json(document.metadata)
                left -= len(found)
        if document.score is not None:
            attributes[score] = document.score
    return attributes


@lru_cache(maxsize=4096)
def _keys(prefix: str, number: int) -> tuple[str, str, str, str]:
    key = f"{prefix}.{number}.document."
    return key + "id", key + "content", key + "metadata", key + "score"


def retrieval_attributes(
    documents: list[Document], capture: Capture, most: int, conventions: Conventions
) -> dict[str, Any]:
    """Retrieved documents. GenAI's list has ids and scores; beside OpenInference's it is left at that, else it holds
    the texts too."""
    attributes: dict[str, Any] = {}
    if conventions.openinference:
        attributes = document_attributes(semconv.RETRIEVAL_DOCUMENTS, documents[:most], capture)
    if conventions.genai:
        if capture.content and not conventions.openinference:
            attributes[semconv.GEN_AI_RETRIEVAL_DOCUMENTS] = _listed(documents, capture)
        else:
            scores = [{"id": one.id[:_MAX_ID], "score": one.score} for one in documents if one.id is not None]
            if scores:
                attributes[semconv.GEN_AI_RETRIEVAL_DOCUMENTS] = capture.json_of_small(scores)
    return attributes


def output_attributes(documents: list[Document], capture: Capture) -> dict[str, Any]:
    """The documents as the output."""
    return {semconv.OUTPUT_VALUE: _listed(documents, capture), semconv.OUTPUT_MIME_TYPE: semconv.MIME_JSON}


def _listed(documents: list[Document], capture: Capture) -> str:
    """The documents as a JSON list."""
    shown = plain_documents(documents)
    size = frozen_size(documents)
    small = capture.mask is None and size is not None and size < capture.limits.max_chars
    return capture.json_of_small(shown) if small else capture.json(shown)


def frozen_size(documents: list[Document]) -> int | None:
    """How many characters documents hold that nobody else can change. None where there is more: metadata."""
    total = 0
    for document in documents:
        if document.metadata:
            return None
        total += len(document.text or "")
    return total


def listed_at_once(value: Any, capture: Capture) -> dict[str, Any] | None:
    """``gen_ai.retrieval.documents`` of a list of dicts with the usual keys, as retrievers mostly return; None for
    anything else, for metadata (nobody knows what is in it), and where texts are masked or too long."""
    if type(value) is not list or not value or len(value) > capture.limits.max_items or capture.mask is not None:
        return None
    shown: list[dict[str, Any]] = []
    last: tuple[Any, ...] = ()
    names: _Names | None = None
    left = capture.limits.max_chars
    for item in value:
        if type(item) is not dict:
            return None
        keys = tuple(item)
        if keys != last:
            last, names = keys, _names(keys)
        if names is None or names[3] is not None:
            return None
        text, identity, score = item.get(names[0]), item.get(names[1]), item.get(names[2])
        if type(text) is not str or type(identity) is not str or len(identity) > _MAX_ID:
            return None
        if type(score) is not float or score * 0 != 0:
            return None
        left -= len(text)
        shown.append({"id": identity, "content": text, "score": score})
    return {semconv.GEN_AI_RETRIEVAL_DOCUMENTS: capture.json_of_small(shown)} if left >= 0 else None


def plain_documents(documents: list[Document]) -> list[dict[str, Any]]:
    return [_plain(document) for document in documents]


def _plain(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if document.id is not None:
        found["id"] = document.id
    if document.text is not None:
        found["content"] = document.text
    if document.score is not None:
        found["score"] = document.score
    if document.metadata is not None:
        found["metadata"] = document.metadata
    return found
