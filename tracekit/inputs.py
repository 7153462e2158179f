"""What a call's arguments say, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final

from tracekit import semconv
from tracekit.documents import document_attributes, read_documents
from tracekit.emit import (
    REQUEST,
    embedding_attributes,
    input_attributes,
    message_attributes,
    parameter_attributes,
    provider_attributes,
    tool_attributes,
)
from tracekit.messages import frozen_size, read_message, read_messages
from tracekit.notes import Notes
from tracekit.reading import as_count, is_a, is_list
from tracekit.response import provider_of

Arguments = dict[str, Any]

_QUERIES: Final = ("query", "question", "q", "search_query", "text", "input", "prompt")
_COUNTS: Final = ("top_k", "k", "top_n", "limit", "n_results", "num_results")
_TEXTS: Final = ("input", "texts", "text", "documents", "inputs", "query", "sentences")
_DOCUMENTS: Final = ("documents", "docs", "nodes", "passages", "candidates", "results")
_MODEL_NAMES: Final = {"embedding": semconv.EMBEDDING_MODEL_NAME, "reranker": semconv.RERANKER_MODEL_NAME}
#: kinds that say themselves what their input is, in every convention
_OWN_INPUT: Final = frozenset(("llm", "tool"))


def read_arguments(notes: Notes, given: Arguments) -> None:
    """Put what a call's arguments say, by parameter name. What no other attribute has becomes ``input.value``."""
    capture = notes.capture
    read = _INPUTS.get(notes.kind)
    shown = read(notes, given) if read is not None else ()
    if given and capture.content and notes.kind not in _OWN_INPUT:
        if notes.conventions.openinference or not shown:
            notes.put(_input_value(notes, given))
        elif len(shown) < len(given) or not given.keys() <= set(shown):
            notes.put(_input_value(notes, {name: value for name, value in given.items() if name not in shown}))
    if read is None and not notes.settled_kind and ("messages" in given or "model" in given):
        # It may turn out to be a model call, and by then the messages may have changed.
        notes.request = _request(notes, given)


def given_input(notes: Notes, value: Any) -> None:
    """Put what ``set_input`` was given."""
    capture = notes.capture
    notes.put(notes.value(value, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE))
    if notes.kind == "llm":
        messages = read_messages(value)
        if messages:
            notes.put(message_attributes(messages, "input", capture, notes.most, notes.conventions))
    elif notes.kind in ("retriever", "reranker") and is_a(value, str):
        _query(notes, value)
    elif notes.kind == "tool":
        notes.put(_tool_arguments(notes, notes.json(value)))


def _input_value(notes: Notes, given: Arguments) -> dict[str, str]:
    """Arguments as the input. A single one that is text stands for itself."""
    value: Any = given
    if len(given) == 1:
        (only,) = given.values()
        value = only if is_a(only, str) else given
    return notes.value(value, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE)


def model_attributes(notes: Notes, model: Any, provider: str | None = None) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if is_a(model, str) and model:
        notes.request_model = model
        if notes.conventions.genai:
            attributes[semconv.GEN_AI_REQUEST_MODEL] = model
        if notes.conventions.openinference:
            attributes[_MODEL_NAMES.get(notes.kind, semconv.LLM_MODEL_NAME)] = model
        provider = provider or notes.provider or provider_of(model)
    if provider:
        notes.provider = provider
        attributes.update(provider_attributes(provider, notes.conventions))
    return attributes


def _llm_input(notes: Notes, given: Arguments) -> Collection[str]:
    """A request in the providers' words is its messages; any other argument is shown with them, as JSON."""
    capture, conventions = notes.capture, notes.conventions
    notes.put(model_attributes(notes, given.get("model")))
    notes.put(parameter_attributes(given, capture, conventions))
    if not capture.content:
        return ()
    notes.put(tool_attributes(given.get("tools"), capture, notes.most, conventions))
    messages, source = _given_messages(given)
    if messages:
        notes.later(frozen_size, input_attributes, messages, capture, notes.most, conventions)
    if not messages:
        others = given
    elif conventions.openinference:
        others = {} if given.keys() <= REQUEST else given
    else:
        others = {name: value for name, value in given.items() if name not in REQUEST and name != source}
    if others:
        notes.put(_input_value(notes, others))
    return ()


def _request(notes: Notes, given: Arguments) -> dict[str, Any]:
    """What holds of a call of unknown kind if it turns out to be a model's."""
    capture, conventions = notes.capture, notes.conventions
    attributes = {
        **model_attributes(notes, given.get("model")),
        **parameter_attributes(given, capture, conventions),
    }
    messages = _given_messages(given)[0] if capture.content else []
    if messages:
        attributes.update(message_attributes(messages, "input", capture, notes.most, conventions))
    return attributes


def _given_messages(given: Arguments) -> tuple[list[dict[str, Any]], str | None]:
    """The request's messages, and which argument most of them came from."""
    messages: list[dict[str, Any]] = []
    for name in ("system", "instructions"):
        system = given.get(name)
        if is_a(system, (str, list)) and system:
            found = read_message({"role": "system", "content": system})
            messages += [found] if found is not None else []
    for name in ("messages", "input", "prompt"):
        value = given.get(name)
        if value is not None:
            return messages + read_messages(value), name
    return messages, None


def _embedding_input(notes: Notes, given: Arguments) -> Collection[str]:
    notes.put(model_attributes(notes, given.get("model")))
    notes.put(parameter_attributes(given, notes.capture, notes.conventions))
    for name in _TEXTS:
        texts = _texts(given.get(name))
        if texts is not None:
            notes.put(embedding_attributes(texts, None, notes.capture, notes.most))
            return (name, *REQUEST)
    return ()


def _texts(value: Any) -> list[str] | None:
    if is_a(value, str):
        return [value]
    if is_list(value) and value and all(is_a(item, str) for item in value):
        return list(value)
    return None


def _retriever_input(notes: Notes, given: Arguments) -> Collection[str]:
    return _asked(notes, given, semconv.GEN_AI_RETRIEVAL_TOP_K)


def _asked(notes: Notes, given: Arguments, count_key: str) -> list[str]:
    """Put the question and the number of documents asked for; returns which arguments they were."""
    shown: list[str] = []
    queries, counts = _asking(tuple(given))
    for name in counts:
        wanted = as_count(given[name])
        if wanted is not None:
            notes.put({count_key: wanted})
            shown.append(name)
            break
    asked = next((name for name in queries if is_a(given[name], str)), None)
    if asked is None:
        asked = next((name for name, value in given.items() if is_a(value, str)), None)
    if asked is not None and notes.capture.content:
        _query(notes, given[asked])
        shown.append(asked)
    return shown


@lru_cache(maxsize=1024)
def _asking(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Which of a function's arguments may be the question, and which the number of documents."""
    return [name for name in _QUERIES if name in names], [name for name in _COUNTS if name in names]


def _reranker_input(notes: Notes, given: Arguments) -> Collection[str]:
    notes.put(model_attributes(notes, given.get("model")))
    shown = [*_asked(notes, given, semconv.RERANKER_TOP_K), "model"]
    for name in _DOCUMENTS:
        notes.inputs = read_documents(given.get(name), notes.capture.limits.max_items)
        if notes.inputs:
            documents = notes.inputs[: notes.most]
            notes.put(document_attributes(semconv.RERANKER_INPUT_DOCUMENTS, documents, notes.capture))
            return (*shown, name)
    return shown


def _tool_input(notes: Notes, given: Arguments) -> Collection[str]:
    if notes.capture.content:
        text = notes.json(given)
        notes.put(_tool_arguments(notes, text))
        if notes.conventions.openinference:
            notes.put({semconv.INPUT_VALUE: text, semconv.INPUT_MIME_TYPE: semconv.MIME_JSON})
    return ()


def _tool_arguments(notes: Notes, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if notes.conventions.genai:
        found[semconv.GEN_AI_TOOL_ARGUMENTS] = text
    if notes.conventions.openinference:
        found[semconv.TOOL_PARAMETERS] = text
    return found


def _query(notes: Notes, query: str) -> None:
    key = semconv.RERANKER_QUERY if notes.kind == "reranker" else semconv.GEN_AI_RETRIEVAL_QUERY
    notes.put({key: notes.capture.text(query)})


#: reads what the kind knows of; returns the arguments that are shown by it
_INPUTS: Final[dict[str, Callable[[Notes, Arguments], Collection[str]]]] = {
    "llm": _llm_input,
    "embedding": _embedding_input,
    "retriever": _retriever_input,
    "reranker": _reranker_input,
    "tool": _tool_input,
}
