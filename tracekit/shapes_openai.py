"""OpenAI-shaped answers: chat completions, legacy completions, responses, embeddings; whole and streamed.

Dicts and objects alike, from OpenAI's client or anything that speaks its protocol.
"""

from __future__ import annotations

from typing import Any, Final

from tracekit.messages import Message, Part, call_part, part_of, parts_of, read_message, text_part
from tracekit.reading import as_count, get, is_list, list_of, text_of
from tracekit.response import Response, is_vector, provider_of
from tracekit.usage import read_usage

_KEYS: Final = frozenset(("choices", "object"))
_FINAL_EVENTS: Final = frozenset(("response.completed", "response.incomplete", "response.failed"))


def read_openai(value: Any) -> Response | None:
    """The answer in an OpenAI-shaped object or dict; None for any other value."""
    if type(value) is dict and _KEYS.isdisjoint(value):
        return None
    choices = get(value, "choices")
    if is_list(choices):
        return _completion(value, list(choices))
    kind = text_of(value, "object")
    if kind == "response" and is_list(get(value, "output")):
        return _response(value)
    data = get(value, "data")
    if kind == "list" and is_list(data) and data and get(data[0], "embedding") is not None:
        return _embeddings(value, list(data))
    return None


def _base(value: Any) -> Response:
    model = text_of(value, "model")
    return Response(
        id=text_of(value, "id"), model=model, provider=provider_of(model), usage=read_usage(get(value, "usage"))
    )


def _completion(value: Any, choices: list[Any]) -> Response:
    response = _base(value)
    if get(value, "prompt_filter_results") is not None:
        response.provider = "azure.ai.openai"
    for choice in choices:
        message = _choice(choice)
        if message is not None:
            response.messages.append(message)
            if "finish_reason" in message:
                response.finish_reasons.append(message["finish_reason"])
    return response


def _choice(choice: Any) -> Message | None:
    inner = get(choice, "message")
    message = read_message(inner)
    if message is None:
        text = text_of(choice, "text")
        if text is None:
            return None
        message = {"role": "assistant", "parts": [text_part(text)]}
    reason = text_of(choice, "finish_reason")
    if reason is not None:
        message["finish_reason"] = reason
    return message


def _response(value: Any) -> Response:
    response = _base(value)
    parts: list[Part] = []
    for item in list_of(value, "output"):
        if text_of(item, "type") == "message":
            parts += parts_of(get(item, "content"))
        else:
            part = part_of(item)
            if part is not None:
                parts.append(part)
    reason = _reason(value, parts)
    message: Message = {"role": "assistant", "parts": parts}
    if reason is not None:
        message["finish_reason"] = reason
        response.finish_reasons.append(reason)
    if parts:
        response.messages.append(message)
    return response


def _reason(value: Any, parts: list[Part]) -> str | None:
    status = text_of(value, "status")
    if status == "completed":
        return "tool_calls" if any(part["type"] == "tool_call" for part in parts) else "stop"
    return text_of(get(value, "incomplete_details"), "reason") or status


def _embeddings(value: Any, data: list[Any]) -> Response:
    response = _base(value)
    vectors = [get(item, "embedding") for item in data]
    response.vectors = vectors if all(is_vector(vector) for vector in vectors) else None
    return response


class OpenAIStream:
    """Adds up the chunks of a streamed chat completion or the events of a streamed response."""

    def __init__(self) -> None:
        self._response = Response()
        self._choices: dict[int, _Choice] = {}
        self._final: Response | None = None

    @staticmethod
    def accepts(chunk: Any) -> bool:
        if is_list(get(chunk, "choices")):
            return True
        kind = text_of(chunk, "type") or ""
        return kind == "chunk" or kind.startswith("response.")

    def add(self, chunk: Any) -> bool:
        """Take one chunk; True where it brought content."""
        kind = text_of(chunk, "type")
        if kind is not None and kind.startswith("response."):
            return self._event(kind, chunk)
        if kind == "chunk":
            chunk = get(chunk, "chunk")
        return self._chunk(chunk)

    def result(self) -> Response:
        if self._final is not None:
            return self._final
        response = self._response
        response.provider = response.provider or provider_of(response.model)
        response.messages, response.finish_reasons = [], []
        for _, choice in sorted(self._choices.items()):
            response.messages.append(choice.message())
            if choice.reason is not None:
                response.finish_reasons.append(choice.reason)
        return response

    def _event(self, kind: str, event: Any) -> bool:
        if kind in _FINAL_EVENTS:
            self._final = read_openai(get(event, "response"))
        elif kind in ("response.created", "response.in_progress"):
            started = get(event, "response")
            self._response.id, self._response.model = text_of(started, "id"), text_of(started, "model")
        elif kind == "response.output_text.delta":
            self._choice(0).text.append(text_of(event, "delta") or "")
        elif kind == "response.output_item.done":
            item = get(event, "item")
            part = part_of(item) if text_of(item, "type") != "message" else None
            if part is not None:
                self._choice(0).parts.append(part)
        return kind.endswith(".delta")

    def _chunk(self, chunk: Any) -> bool:
        response = self._response
        response.id = response.id or text_of(chunk, "id")
        response.model = response.model or text_of(chunk, "model") or None
        usage = get(chunk, "usage")
        if usage is not None:
            response.usage = read_usage(usage) or response.usage
        brought = False
        for part in list_of(chunk, "choices"):
            index = get(part, "index")
            brought = self._choice(index if type(index) is int else 0).add(part) or brought
        return brought

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice


class _Choice:
    __slots__ = ("calls", "parts", "reason", "reasoning", "role", "text")

    def __init__(self) -> None:
        self.role = "assistant"
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.parts: list[Part] = []
        self.reason: str | None = None

    def add(self, choice: Any) -> bool:
        delta = get(choice, "delta")
        self.reason = text_of(choice, "finish_reason") or self.reason
        self.role = text_of(delta, "role") or self.role
        text = text_of(delta, "content") or text_of(delta, "refusal") or text_of(choice, "text")
        if text:
            self.text.append(text)
        thought = text_of(delta, "reasoning_content") or text_of(delta, "reasoning")
        if thought:
            self.reasoning.append(thought)
        calls = list_of(delta, "tool_calls")
        for call in calls:
            self._add_call(call)
        return bool(text or thought or calls)

    def _add_call(self, call: Any) -> None:
        index = as_count(get(call, "index"))
        known = self.calls.setdefault(len(self.calls) if index is None else index, {"arguments": []})
        function = get(call, "function")
        known["id"] = text_of(call, "id") or known.get("id")
        known["name"] = text_of(function, "name") or known.get("name")
        known["arguments"].append(text_of(function, "arguments") or "")

    def message(self) -> Message:
        parts: list[Part] = []
        if self.reasoning:
            parts.append({"type": "reasoning", "content": "".join(self.reasoning)})
        if self.text:
            parts.append(text_part("".join(self.text)))
        for _, call in sorted(self.calls.items()):
            parts.append(call_part(call["id"], call["name"], "".join(call["arguments"])))
        message: Message = {"role": self.role, "parts": parts + self.parts}
        if self.reason is not None:
            message["finish_reason"] = self.reason
        return message
