"""Requests and answers of models as span attributes, in the words of the conventions that are asked for.

What grows with the conversation (flattened messages, tools, vectors) is capped at ``most`` items a list, first and
last kept; ``gen_ai.input.messages`` and ``gen_ai.output.messages`` hold all of it, within the capture's limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from tracekit import semconv
from tracekit.capture import Capture
from tracekit.conventions import Conventions
from tracekit.messages import Message, Part, frozen_size, text_in
from tracekit.reading import as_number, is_a, is_list
from tracekit.response import OPENINFERENCE_PROVIDERS, Response
from tracekit.usage import usage_attributes

Attributes = dict[str, Any]

_SIDES: Final = {
    "input": (semconv.LLM_INPUT_MESSAGES, semconv.GEN_AI_INPUT_MESSAGES),
    "output": (semconv.LLM_OUTPUT_MESSAGES, semconv.GEN_AI_OUTPUT_MESSAGES),
}
#: numbers of all captured vectors of one span together
MAX_VECTOR_NUMBERS: Final = 16_384
_MAX_PARAMETER: Final = 1_000
_MAX_LIST: Final = 16
#: request parameter as applications write it -> name under ``gen_ai.request.``
_PARAMETERS: Final[dict[str, str | None]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "n": "choice.count",
    "stream": "stream",
    "stop": "stop_sequences",
    "stop_sequences": "stop_sequences",
    "reasoning_effort": None,
    "parallel_tool_calls": None,
    "service_tier": None,
    "tool_choice": None,
    "dimensions": None,
    "encoding_format": None,
    "model": None,
}
#: arguments that make up a request in the providers' own words
REQUEST: Final = frozenset((*_PARAMETERS, "messages", "system", "instructions", "tools"))


def provider_attributes(provider: str, conventions: Conventions) -> Attributes:
    found = {semconv.GEN_AI_PROVIDER_NAME: provider} if conventions.genai else {}
    if conventions.openinference:
        found[semconv.LLM_PROVIDER], system = OPENINFERENCE_PROVIDERS.get(provider, (provider, None))
        if system is not None:
            found[semconv.LLM_SYSTEM] = system
    return found


def parameter_attributes(arguments: dict[str, Any], capture: Capture, conventions: Conventions) -> Attributes:
    """``gen_ai.request.*`` and ``llm.invocation_parameters`` from arguments that are called as the APIs call them."""
    kept: Attributes = {}
    attributes: Attributes = {}
    for name, value in arguments.items():
        if name not in _PARAMETERS:
            continue
        kind = type(value)
        if kind is str or (kind is list and all(type(item) is str for item in value)):
            if not capture.content and name != "model":
                continue
            if name != "model":
                value = capture.text(value, _MAX_PARAMETER) if kind is str else _texts(value, capture)
        elif kind is not int and kind is not float and kind is not bool:
            continue
        target = _PARAMETERS[name]
        if target is not None and conventions.genai:
            attributes[semconv.GEN_AI_REQUEST + target] = _parameter(target, value)
        if conventions.openinference or (target is None and name != "model"):
            kept[name] = value
    if kept:
        attributes[semconv.LLM_INVOCATION_PARAMETERS] = capture.json_of_small(kept)
    return attributes


def _texts(values: list[str], capture: Capture) -> list[str]:
    return [capture.text(value, _MAX_PARAMETER) for value in values[:_MAX_LIST]]


def _parameter(target: str, value: Any) -> Any:
    if target == "stop_sequences":
        return tuple(value) if is_a(value, list) else (value,)
    return float(value) if target in ("temperature", "top_p", "frequency_penalty", "presence_penalty") else value


def tool_attributes(tools: Any, capture: Capture, most: int, conventions: Conventions) -> Attributes:
    """The tools offered to the model."""
    if not capture.content or not is_list(tools) or not tools:
        return {}
    attributes: Attributes = {semconv.GEN_AI_TOOL_DEFINITIONS: capture.json(list(tools))} if conventions.genai else {}
    if conventions.openinference:
        for number, tool in enumerate(tools[:most]):
            attributes[f"{semconv.LLM_TOOLS}.{number}.tool.json_schema"] = capture.json(tool)
    return attributes


def response_attributes(response: Response, conventions: Conventions) -> Attributes:
    """What an answer says beside its messages: counts, names and reasons."""
    attributes: Attributes = {}
    if response.id:
        attributes[semconv.GEN_AI_RESPONSE_ID] = response.id
    if response.model and (conventions.genai or response.vectors is not None):
        attributes[semconv.GEN_AI_RESPONSE_MODEL] = response.model
    if response.finish_reasons and (conventions.genai or len(response.finish_reasons) > 1):
        attributes[semconv.GEN_AI_FINISH_REASONS] = tuple(response.finish_reasons)
    if conventions.openinference:
        if response.model:
            attributes[semconv.LLM_MODEL_NAME] = response.model
        if response.finish_reasons:
            attributes[semconv.LLM_FINISH_REASON] = response.finish_reasons[0]
    if response.usage:
        attributes.update(usage_attributes(response.usage, conventions))
    return attributes


def answer_attributes(messages: list[Message], capture: Capture, most: int, conventions: Conventions) -> Attributes:
    """An answer's messages; in OpenInference also as the output: their text, or all of them where there is more."""
    attributes = message_attributes(messages, "output", capture, most, conventions)
    if conventions.openinference:
        text = text_in(messages)
        attributes.update(_as_value(text, messages, capture, semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE))
    return attributes


def input_attributes(messages: list[Message], capture: Capture, most: int, conventions: Conventions) -> Attributes:
    """A request's messages; in OpenInference also as the input: the last one's text if it is the user's, or all."""
    attributes = message_attributes(messages, "input", capture, most, conventions)
    if conventions.openinference:
        text = text_in(messages[-1:]) if messages[-1]["role"] == "user" else None
        attributes.update(_as_value(text, messages, capture, semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE))
    return attributes


def _as_value(text: str | None, messages: list[Message], capture: Capture, key: str, mime_key: str) -> Attributes:
    if text is not None:
        return {key: capture.text(text), mime_key: semconv.MIME_TEXT}
    if capture.mask is not None:
        messages = [_masked(message, capture) for message in messages]
    return {key: Capture(capture.mode, capture.limits).json(messages), mime_key: semconv.MIME_JSON}


def message_attributes(
    messages: list[Message], side: str, capture: Capture, most: int, conventions: Conventions
) -> Attributes:
    """Messages as ``gen_ai.{side}.messages``, as flattened ``llm.{side}_messages``, or both; ``side``: input or
    output."""
    if capture.mask is not None:
        messages = [_masked(message, capture) for message in messages]
        capture = Capture(capture.mode, capture.limits)
    prefix, name = _SIDES[side]
    attributes = _flattened(prefix, messages, capture, most) if conventions.openinference else {}
    if conventions.genai:
        small = len(messages) <= capture.limits.max_items and _fits(frozen_size(messages), capture)
        attributes[name] = capture.json_of_small(messages) if small else capture.json(messages)
    return attributes


def _fits(size: int | None, capture: Capture) -> bool:
    return size is not None and size <= capture.limits.max_chars


def _flattened(prefix: str, messages: list[Message], capture: Capture, most: int) -> Attributes:
    attributes: Attributes = {}
    left = capture.limits.max_chars
    for number, message in _capped(_split(messages), most):
        if left <= 0:
            break
        role, content, key = _message_keys(prefix, number)
        parts = message["parts"]
        if len(parts) == 1 and parts[0]["type"] == "text" and "name" not in message:
            attributes[content] = text = capture.text(parts[0]["content"], left)
            attributes[role] = message["role"]
            left -= len(text)
        else:
            left -= _flatten(key, message, capture, left, attributes)
    return attributes


@lru_cache(maxsize=2048)
def _message_keys(prefix: str, number: int) -> tuple[str, str, str]:
    key = f"{prefix}.{number}.message."
    return key + "role", key + "content", key


def embedding_attributes(
    texts: Sequence[str] | None, vectors: Sequence[Sequence[float]] | None, capture: Capture, most: int
) -> Attributes:
    """``embedding.embeddings.N.embedding.{text,vector}``."""
    attributes: Attributes = {}
    if vectors:
        attributes[semconv.GEN_AI_EMBEDDING_DIMENSIONS] = len(vectors[0])
    if not capture.content:
        return attributes
    left, numbers = capture.limits.max_chars, MAX_VECTOR_NUMBERS
    for number in range(min(most, max(len(texts or ()), len(vectors or ())))):
        key = f"{semconv.EMBEDDINGS}.{number}.embedding."
        if texts is not None and number < len(texts) and left > 0:
            attributes[key + "text"] = text = capture.text(texts[number], left)
            left -= len(text)
        if vectors is not None and number < len(vectors):
            numbers -= len(vectors[number])
            vector = _vector(vectors[number]) if numbers >= 0 else None
            if vector is not None:
                attributes[key + "vector"] = vector
    return attributes


def _vector(values: Any) -> tuple[float, ...] | None:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if set(map(type, values)) == {float} and isfinite(sum(values)):
        return tuple(values)
    found = tuple(as_number(value) for value in values)
    return None if any(number is None for number in found) else found  # type: ignore[return-value]


def _capped(messages: list[Message], most: int) -> list[tuple[int, Message]]:
    """All, or the first (which sets the scene) and the last ``most - 1`` with their numbers."""
    numbered = list(enumerate(messages))
    return numbered if len(numbered) <= most else numbered[:1] + numbered[1 - most :]


def _split(messages: list[Message]) -> list[Message]:
    """OpenInference has one tool result a message."""
    for message in messages:
        parts = message["parts"]
        if len(parts) > 1 and parts[0]["type"] == "tool_call_response":
            break
    else:
        return messages
    found: list[Message] = []
    for message in messages:
        results = [part for part in message["parts"] if part["type"] == "tool_call_response"]
        others = [part for part in message["parts"] if part["type"] != "tool_call_response"]
        found += [{"role": "tool", "parts": [part]} for part in results]
        if others or not results:
            found.append({**message, "parts": others})
    return found


def _flatten(key: str, message: Message, capture: Capture, left: int, attributes: Attributes) -> int:
    """Write one message; returns the characters used."""
    parts: list[Part] = message["parts"]
    role = message["role"]
    used = 0
    if len(parts) == 1 and parts[0]["type"] == "tool_call_response":
        role = "tool"
        response = parts[0]["response"]
        text = capture.text(response, left) if is_a(response, str) else capture.json(response)
        attributes[key + "content"], used = text, len(text)
        if "id" in parts[0]:
            attributes[key + "tool_call_id"] = parts[0]["id"]
    else:
        contents = [part for part in parts if part["type"] != "tool_call"]
        if len(contents) == 1 and contents[0]["type"] == "text":
            attributes[key + "content"] = text = capture.text(contents[0]["content"], left)
            used = len(text)
        else:
            used = _contents(key, contents, capture, left, attributes)
        _calls(key, [part for part in parts if part["type"] == "tool_call"], capture, attributes)
    attributes[key + "role"] = role
    if "name" in message:
        attributes[key + "name"] = message["name"]
    return used


def _contents(key: str, parts: list[Part], capture: Capture, left: int, attributes: Attributes) -> int:
    used = 0
    for number, part in enumerate(parts):
        inner = f"{key}contents.{number}.message_content."
        if part["type"] in ("text", "reasoning"):
            attributes[inner + "type"] = part["type"]
            attributes[inner + "text"] = text = capture.text(part["content"], max(0, left - used))
            used += len(text)
        elif part.get("modality") == "image" and ("uri" in part or "content" in part):
            attributes[inner + "type"] = "image"
            attributes[inner + "image.image.url"] = url = part.get("uri") or _data_url(part)
            used += len(url)
        else:
            attributes[inner + "type"] = part.get("modality", part["type"])
            if part.get("transcript"):
                attributes[inner + "text"] = part["transcript"]
    return used


def _data_url(part: Part) -> str:
    return f"data:{part.get('mime_type', 'image/png')};base64,{part['content']}"


def _calls(key: str, calls: list[Part], capture: Capture, attributes: Attributes) -> None:
    for number, call in enumerate(calls):
        inner = f"{key}tool_calls.{number}.tool_call."
        if "id" in call:
            attributes[inner + "id"] = call["id"]
        attributes[inner + "function.name"] = call["name"]
        arguments = call["arguments"]
        attributes[inner + "function.arguments"] = (
            capture.text(arguments) if is_a(arguments, str) else capture.json(arguments)
        )


def _masked(message: Message, capture: Capture) -> Message:
    masked = {**message, "parts": [_masked_part(part, capture) for part in message["parts"]]}
    if "name" in message:
        masked["name"] = capture.text(message["name"])
    return masked


def _masked_part(part: Part, capture: Capture) -> Part:
    """The part with everything masked that the application or the model wrote."""
    masked = dict(part)
    for name in ("content", "arguments", "response", "uri", "transcript"):
        value = part.get(name)
        if value is not None:
            masked[name] = capture.text(value) if is_a(value, str) else capture.plain(value)
    return masked
