"""What came out of a call, kind by kind: a model's answer, documents, vectors, or any value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tracekit import semconv
from tracekit.documents import (
    Document,
    document_attributes,
    frozen_size,
    listed_at_once,
    output_attributes,
    point_into,
    read_documents,
    retrieval_attributes,
)
from tracekit.emit import answer_attributes, embedding_attributes, response_attributes
from tracekit.inputs import model_attributes
from tracekit.messages import frozen_size as messages_size
from tracekit.messages import read_message, text_part
from tracekit.notes import Notes
from tracekit.reading import get, is_a, is_list, text_of
from tracekit.response import Response, is_vector, provider_of
from tracekit.shapes_anthropic import read_anthropic
from tracekit.shapes_openai import read_openai
from tracekit.usage import read_usage

_SIMPLE: Final = frozenset(("role", "content", "model", "usage"))
#: modules whose objects are looked into even where nobody said that the function calls a model
_MODEL_LIBRARIES: Final = frozenset(("openai", "anthropic", "litellm", "groq", "mistralai", "together", "cerebras"))


def read_output(notes: Notes, value: Any) -> None:
    """Put what a call's result says."""
    read = _OUTPUTS.get(notes.kind, _model_answer)
    if read(notes, value) or not notes.capture.content:
        return
    notes.put(notes.value(value, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE))


def put_answer(notes: Notes, response: Response) -> None:
    """Put a model's answer."""
    capture, conventions = notes.capture, notes.conventions
    if response.vectors is not None:
        if not notes.settled_kind:
            notes.become("embedding")
        _vectors(notes, response.vectors)
    elif not notes.settled_kind:
        notes.become("llm")
        notes.put(notes.request or {})
    notes.put(response_attributes(response, conventions))
    if response.messages and capture.content:
        notes.later(messages_size, answer_attributes, response.messages, capture, notes.most, conventions)
    if notes.provider is None and response.provider is not None:
        notes.put(model_attributes(notes, None, response.provider))
    if conventions.openinference and notes.kind == "embedding" and response.model and notes.request_model is None:
        notes.put({semconv.EMBEDDING_MODEL_NAME: response.model})
    notes.answered()


def read_response(value: Any) -> Response | None:
    """A model's answer in any known shape, down to a message with ``role`` and ``content``."""
    found = read_anthropic(value) or read_openai(value)
    if found is not None:
        return found
    message = read_message(value) if not is_a(value, (str, tuple)) else None
    if message is None or message["role"] == "user":
        return None
    usage = read_usage(get(value, "usage") or get(value, "usage_metadata"))
    model = text_of(value, "model")
    return Response(text_of(value, "id"), model, provider_of(model), [message], usage=usage)


def surely_answers(value: Any) -> bool | None:
    """Whether ``read_response`` finds an answer in a plain value, where that can be told at a glance, else None."""
    if type(value) is not dict:
        return None
    if "role" in value:
        role, content = value["role"], value.get("content")
        simple = type(role) is str and type(content) is str and role not in ("user", "tool")
        return True if simple and "type" not in value and "object" not in value and "choices" not in value else None
    if type(value.get("choices")) is list:
        return True
    return False if "type" not in value and "object" not in value else None


def looks_like_an_answer(value: Any) -> bool:
    if type(value) is dict:
        return "usage" in value and ("choices" in value or "content" in value or "output" in value or "data" in value)
    return type(value).__module__.partition(".")[0] in _MODEL_LIBRARIES


def put_documents(notes: Notes, found: list[Document]) -> None:
    if notes.kind == "reranker":
        point_into(found, notes.inputs or [])
        notes.put(document_attributes(semconv.RERANKER_OUTPUT_DOCUMENTS, found[: notes.most], notes.capture))
        return
    notes.later(frozen_size, retrieval_attributes, found, notes.capture, notes.most, notes.conventions)


def _simple_answer(value: Any) -> Response | None:
    """A message with a text and nothing beside it but model and usage, as an application's own wrappers give it."""
    if not surely_answers(value) or "role" not in value or not value["content"] or not _SIMPLE.issuperset(value):
        return None
    message = {"role": value["role"], "parts": [{"type": "text", "content": value["content"]}]}
    model = value.get("model")
    model = model if type(model) is str else None
    return Response(None, model, provider_of(model), [message], usage=read_usage(value.get("usage")))


def _llm_output(notes: Notes, value: Any) -> bool:
    if is_a(value, str):
        message = {"role": "assistant", "parts": [text_part(value)]}
        put_answer(notes, Response(messages=[message]))
        return True
    response = _simple_answer(value) or read_response(value)
    if response is None:
        return False
    put_answer(notes, response)
    return True


def _model_answer(notes: Notes, value: Any) -> bool:
    """An answer that a function without a kind of its own returned, unless a span beneath has it already."""
    if not notes.may_be_a_call or not looks_like_an_answer(value):
        return False
    response = read_anthropic(value) or read_openai(value)
    if response is None:
        return False
    put_answer(notes, response)
    return True


def _embedding_output(notes: Notes, value: Any) -> bool:
    response = read_openai(value)
    if response is not None:
        put_answer(notes, response)
        return True
    vectors = [value] if is_vector(value) else value
    if not is_list(vectors) or not vectors or not is_vector(vectors[0]):
        return False
    _vectors(notes, list(vectors))
    return True


def _vectors(notes: Notes, vectors: Sequence[Any]) -> None:
    capture = notes.capture
    notes.put(embedding_attributes(None, vectors, capture, notes.most))
    if capture.content:
        about = {"vectors": len(vectors), "dimensions": len(vectors[0]) if vectors else 0}
        notes.put(notes.value(about, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE))


def _documents_output(notes: Notes, value: Any) -> bool:
    capture = notes.capture
    if notes.kind == "retriever" and capture.content and not notes.conventions.openinference:
        found = listed_at_once(value, capture)
        if found is not None:
            notes.put(found)
            return True
    documents = read_documents(value, capture.limits.max_items)
    if documents is None:
        return False
    if documents:
        put_documents(notes, documents)
    if capture.content and (notes.conventions.openinference or not documents):
        notes.later(frozen_size, output_attributes, documents, capture)
    return True


def _tool_output(notes: Notes, value: Any) -> bool:
    if notes.capture.content:
        found = notes.value(value, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE)
        if notes.conventions.genai:
            notes.put({semconv.GEN_AI_TOOL_RESULT: found[semconv.OUTPUT_VALUE]})
        if notes.conventions.openinference:
            notes.put(found)
    return True


_OUTPUTS: Final[dict[str, Callable[[Notes, Any], bool]]] = {
    "llm": _llm_output,
    "embedding": _embedding_output,
    "retriever": _documents_output,
    "reranker": _documents_output,
    "tool": _tool_output,
}
