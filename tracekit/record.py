"""What is read from arguments and results, kind by kind, and put on the span.

A span handle comes in, attributes go onto it; ``tracekit.span`` calls these under a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tracekit import semconv
from tracekit.capture import Capture
from tracekit.documents import (
    Document,
    document_attributes,
    frozen_size,
    output_attributes,
    point_into,
    read_documents,
    retrieval_attributes,
)
from tracekit.emit import (
    REQUEST,
    answer_attributes,
    embedding_attributes,
    input_attributes,
    message_attributes,
    parameter_attributes,
    provider_attributes,
    response_attributes,
    tool_attributes,
)
from tracekit.messages import frozen_size as messages_size
from tracekit.messages import read_message, read_messages, text_part
from tracekit.reading import as_count, get, text_of
from tracekit.response import Response, is_vector, provider_of
from tracekit.shapes_anthropic import read_anthropic
from tracekit.shapes_openai import read_openai
from tracekit.usage import read_usage

if TYPE_CHECKING:
    from tracekit.span import Span

Arguments = dict[str, Any]

_QUERIES: Final = ("query", "question", "q", "search_query", "text", "input", "prompt")
_COUNTS: Final = ("top_k", "k", "top_n", "limit", "n_results", "num_results")
_TEXTS: Final = ("input", "texts", "text", "documents", "inputs", "query", "sentences")
_MODEL_NAMES: Final = {"embedding": semconv.EMBEDDING_MODEL_NAME, "reranker": semconv.RERANKER_MODEL_NAME}
#: kinds that say themselves what their input is
_OWN_INPUT: Final = frozenset(("llm", "tool"))
#: modules whose objects are looked into even where nobody said that the function calls a model
_MODEL_LIBRARIES: Final = frozenset(("openai", "anthropic", "litellm", "groq", "mistralai", "together", "cerebras"))


# --- input -----------------------------------------------------------------------------------------------------------
def arguments(span: Span, given: Arguments) -> None:
    """Record a call's arguments, by parameter name."""
    capture = span.capture
    if not capture.values:
        return
    read = _INPUTS.get(span.kind)
    if capture.content and given and span.kind not in _OWN_INPUT:
        span.put(_value(_only_text(given), capture, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE))
    if read is not None:
        read(span, given)
    elif not span.settled_kind and ("messages" in given or "model" in given):
        # It may turn out to be a model call, and by then the messages may have changed.
        span.request = _request(span, given)


def given_input(span: Span, value: Any) -> None:
    """Record what ``set_input`` was given."""
    capture = span.capture
    if capture.content:
        span.put(_value(value, capture, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE))
    if span.kind == "llm" and capture.content:
        messages = read_messages(value)
        if messages:
            span.put(message_attributes(messages, "input", capture, span.most))
    elif span.kind in ("retriever", "reranker") and isinstance(value, str) and capture.content:
        _query(span, value)
    elif span.kind == "tool" and capture.content:
        span.put({semconv.GEN_AI_TOOL_ARGUMENTS: capture.json(value), semconv.TOOL_PARAMETERS: capture.json(value)})


def _only_text(given: Arguments) -> Any:
    """A single argument that is text stands for itself."""
    if len(given) == 1:
        (value,) = given.values()
        if isinstance(value, str):
            return value
    return given


def _value(value: Any, capture: Capture, key: str, mime_key: str) -> dict[str, str]:
    if isinstance(value, str):
        return {key: capture.text(value), mime_key: semconv.MIME_TEXT}
    return {key: capture.json(value), mime_key: semconv.MIME_JSON}


def _llm_input(span: Span, given: Arguments) -> None:
    """A request in the providers' words is its messages; any other argument is shown with them, as JSON."""
    capture = span.capture
    span.put(model_attributes(span, given.get("model")))
    span.put(parameter_attributes(given, capture))
    if not capture.content:
        return
    span.put(tool_attributes(given.get("tools"), capture, span.most))
    messages = _given_messages(given)
    if messages:
        span.later(input_attributes, messages, capture, span.most, size=messages_size(messages))
    if given and not (messages and given.keys() <= REQUEST):
        span.put(_value(_only_text(given), capture, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE))


def _request(span: Span, given: Arguments) -> dict[str, Any]:
    """What holds of a call of unknown kind if it turns out to be a model's."""
    capture = span.capture
    attributes = {**model_attributes(span, given.get("model")), **parameter_attributes(given, capture)}
    messages = _given_messages(given) if capture.content else []
    if messages:
        attributes.update(message_attributes(messages, "input", capture, span.most))
    return attributes


def _given_messages(given: Arguments) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for name in ("system", "instructions"):
        system = given.get(name)
        if isinstance(system, (str, list)) and system:
            found = read_message({"role": "system", "content": system})
            messages += [found] if found is not None else []
    for name in ("messages", "input", "prompt"):
        value = given.get(name)
        if value is not None:
            return messages + read_messages(value)
    return messages


def _embedding_input(span: Span, given: Arguments) -> None:
    set_model(span, given.get("model"))
    span.put(parameter_attributes(given, span.capture))
    texts = next((found for name in _TEXTS if (found := _texts(given.get(name)))), None)
    if texts is not None:
        span.put(embedding_attributes(texts, None, span.capture, span.most))


def _texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return list(value)
    return None


def _retriever_input(span: Span, given: Arguments) -> None:
    top_k = _first_count(given)
    if top_k is not None:
        span.put({semconv.GEN_AI_RETRIEVAL_TOP_K: top_k})
    query = _find_query(given)
    if query is not None and span.capture.content:
        _query(span, query)


def _reranker_input(span: Span, given: Arguments) -> None:
    set_model(span, given.get("model"))
    top_k = _first_count(given)
    if top_k is not None:
        span.put({semconv.RERANKER_TOP_K: top_k})
    query = _find_query(given)
    if query is not None and span.capture.content:
        _query(span, query)
    for name in ("documents", "docs", "nodes", "passages", "candidates", "results"):
        span.inputs = read_documents(given.get(name), span.capture.limits.max_items)
        if span.inputs:
            shown = span.inputs[: span.most]
            span.put(document_attributes(semconv.RERANKER_INPUT_DOCUMENTS, shown, span.capture))
            return


def _tool_input(span: Span, given: Arguments) -> None:
    if span.capture.content:
        text = span.capture.json(given)
        span.put({semconv.GEN_AI_TOOL_ARGUMENTS: text, semconv.TOOL_PARAMETERS: text})
        span.put({semconv.INPUT_VALUE: text, semconv.INPUT_MIME_TYPE: semconv.MIME_JSON})


def _find_query(given: Arguments) -> str | None:
    for name in _QUERIES:
        if isinstance(given.get(name), str):
            return str(given[name])
    return next((value for value in given.values() if isinstance(value, str)), None)


def _first_count(given: Arguments) -> int | None:
    return next((found for name in _COUNTS if (found := as_count(given.get(name))) is not None), None)


def _query(span: Span, query: str) -> None:
    key = semconv.RERANKER_QUERY if span.kind == "reranker" else semconv.GEN_AI_RETRIEVAL_QUERY
    span.put({key: span.capture.text(query)})


_INPUTS: Final[dict[str, Callable[[Span, Arguments], None]]] = {
    "llm": _llm_input,
    "embedding": _embedding_input,
    "retriever": _retriever_input,
    "reranker": _reranker_input,
    "tool": _tool_input,
}


# --- output ----------------------------------------------------------------------------------------------------------
def output(span: Span, value: Any) -> None:
    """Record what came out: a model's answer, documents, vectors, or any value."""
    if not span.capture.values or value is None:
        return
    read = _OUTPUTS.get(span.kind, _model_answer)
    if read(span, value) or not span.capture.content:
        return
    span.put(_value(value, span.capture, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE))


def answer(span: Span, response: Response) -> None:
    """Record a model's answer."""
    if response.vectors is not None:
        if not span.settled_kind:
            span.become("embedding")
        _vectors(span, response.vectors)
    elif not span.settled_kind:
        span.become("llm")
        span.put(span.request or {})
    span.put(response_attributes(response))
    if response.messages and span.capture.content:
        size = messages_size(response.messages)
        span.later(answer_attributes, response.messages, span.capture, span.most, size=size)
    model = response.model
    if span.provider is None and response.provider is not None:
        set_model(span, None, response.provider)
    if model is not None and span.request_model is None and span.kind == "embedding":
        span.put({semconv.EMBEDDING_MODEL_NAME: model})
    span.answered()


def read_response(value: Any) -> Response | None:
    """A model's answer in any known shape, down to a message with ``role`` and ``content``."""
    found = read_anthropic(value) or read_openai(value)
    if found is not None:
        return found
    message = read_message(value) if not isinstance(value, (str, tuple)) else None
    if message is None or message["role"] == "user":
        return None
    usage = read_usage(get(value, "usage") or get(value, "usage_metadata"))
    model = text_of(value, "model")
    return Response(text_of(value, "id"), model, provider_of(model), [message], usage=usage)


def _llm_output(span: Span, value: Any) -> bool:
    if isinstance(value, str):
        message = {"role": "assistant", "parts": [text_part(value)]}
        answer(span, Response(messages=[message]))
        return True
    response = read_response(value)
    if response is None:
        return False
    answer(span, response)
    return True


def _model_answer(span: Span, value: Any) -> bool:
    """An answer that a function without a kind of its own returned, unless a span beneath has it already."""
    if not span.may_be_a_call or not _looks_like_an_answer(value):
        return False
    response = read_anthropic(value) or read_openai(value)
    if response is None:
        return False
    answer(span, response)
    return True


def _looks_like_an_answer(value: Any) -> bool:
    if type(value) is dict:
        return "usage" in value and ("choices" in value or "content" in value or "output" in value or "data" in value)
    return type(value).__module__.partition(".")[0] in _MODEL_LIBRARIES


def _embedding_output(span: Span, value: Any) -> bool:
    response = read_openai(value)
    if response is not None:
        answer(span, response)
        return True
    vectors = [value] if is_vector(value) else value
    if not isinstance(vectors, (list, tuple)) or not vectors or not is_vector(vectors[0]):
        return False
    _vectors(span, list(vectors))
    return True


def _vectors(span: Span, vectors: Sequence[Any]) -> None:
    capture = span.capture
    span.put(embedding_attributes(None, vectors, capture, span.most))
    if capture.content:
        about = {"vectors": len(vectors), "dimensions": len(vectors[0]) if vectors else 0}
        span.put(_value(about, capture, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE))


def _documents_output(span: Span, value: Any) -> bool:
    documents = read_documents(value, span.capture.limits.max_items)
    if documents is None:
        return False
    add_documents(span, documents)
    if span.capture.content:
        span.later(output_attributes, documents, span.capture, size=frozen_size(documents))
    return True


def _tool_output(span: Span, value: Any) -> bool:
    if span.capture.content:
        found = _value(value, span.capture, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE)
        span.put({semconv.GEN_AI_TOOL_RESULT: found[semconv.OUTPUT_VALUE], **found})
    return True


_OUTPUTS: Final[dict[str, Callable[[Span, Any], bool]]] = {
    "llm": _llm_output,
    "embedding": _embedding_output,
    "retriever": _documents_output,
    "reranker": _documents_output,
    "tool": _tool_output,
}


# --- what an application sets by itself ------------------------------------------------------------------------------
def add_documents(span: Span, documents: Any) -> None:
    found = documents if _are_read(documents) else read_documents(documents, span.capture.limits.max_items)
    if not found:
        return
    if span.kind == "reranker":
        point_into(found, span.inputs or [])
        span.put(document_attributes(semconv.RERANKER_OUTPUT_DOCUMENTS, found[: span.most], span.capture))
        return
    span.later(retrieval_attributes, found, span.capture, span.most, size=frozen_size(found))


def _are_read(documents: Any) -> bool:
    return isinstance(documents, list) and bool(documents) and isinstance(documents[0], Document)


def set_embeddings(span: Span, texts: Iterable[str] | None, vectors: Sequence[Any] | None) -> None:
    found = None if texts is None else [texts] if isinstance(texts, str) else [str(text) for text in texts]
    span.put(embedding_attributes(found, None if vectors is None else list(vectors), span.capture, span.most))


def set_model(span: Span, model: Any, provider: str | None = None, response_model: Any = None) -> None:
    attributes = model_attributes(span, model, provider)
    if isinstance(response_model, str) and response_model:
        attributes[semconv.GEN_AI_RESPONSE_MODEL] = attributes[semconv.LLM_MODEL_NAME] = response_model
    if attributes:
        span.put(attributes)


def model_attributes(span: Span, model: Any, provider: str | None = None) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if isinstance(model, str) and model:
        span.request_model = model
        attributes[semconv.GEN_AI_REQUEST_MODEL] = model
        attributes[_MODEL_NAMES.get(span.kind, semconv.LLM_MODEL_NAME)] = model
        provider = provider or span.provider or provider_of(model)
    if provider:
        span.provider = provider
        attributes.update(provider_attributes(provider))
    return attributes


def set_prompt(
    span: Span, template: str | None, version: object, variables: Mapping[str, Any] | None, name: str | None
) -> None:
    if version is not None:
        span.put({semconv.PROMPT_VERSION: str(version)})
    if name is not None:
        span.put({semconv.PROMPT_ID: str(name), semconv.GEN_AI_PROMPT_NAME: str(name)})
    if span.capture.content and template is not None:
        span.put({semconv.PROMPT_TEMPLATE: span.capture.text(str(template))})
    if span.capture.content and variables is not None:
        span.put({semconv.PROMPT_VARIABLES: span.capture.json(variables)})
