"""Anthropic-shaped answers: messages, whole and streamed; dicts and objects."""

from __future__ import annotations

from typing import Any, Final

from tracekit.messages import Message, Part, call_part, parts_of, text_part
from tracekit.reading import as_count, get, is_list, text_of
from tracekit.response import Response, provider_of
from tracekit.usage import read_usage

_EVENTS: Final = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
    )
)
_USAGE: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def read_anthropic(value: Any) -> Response | None:
    """The answer in an Anthropic message; None for any other value."""
    if text_of(value, "type") != "message":
        return None
    content = get(value, "content")
    if not is_list(content):
        return None
    model = text_of(value, "model")
    message: Message = {"role": text_of(value, "role") or "assistant", "parts": parts_of(content)}
    response = Response(
        id=text_of(value, "id"),
        model=model,
        provider=provider_of(model) or "anthropic",
        messages=[message],
        usage=read_usage(get(value, "usage")),
    )
    reason = text_of(value, "stop_reason")
    if reason is not None:
        message["finish_reason"] = reason
        response.finish_reasons.append(reason)
    return response


class AnthropicStream:
    """Adds up the raw events of a streamed message (and ignores the helper events between them)."""

    def __init__(self) -> None:
        self._start: Any = None
        self._usage: dict[str, int] = {}
        self._details: Any = None
        self._reason: str | None = None
        self._blocks: dict[int, dict[str, Any]] = {}

    @staticmethod
    def accepts(chunk: Any) -> bool:
        return text_of(chunk, "type") in _EVENTS

    def add(self, event: Any) -> bool:
        """Take one event; True where it brought content."""
        kind = text_of(event, "type")
        if kind == "message_start":
            self._start = get(event, "message")
            self._count(get(self._start, "usage"))
        elif kind == "content_block_start":
            self._blocks[as_count(get(event, "index")) or 0] = {"block": get(event, "content_block"), "texts": []}
        elif kind == "content_block_delta":
            return self._delta(as_count(get(event, "index")) or 0, get(event, "delta"))
        elif kind == "message_delta":
            self._reason = text_of(get(event, "delta"), "stop_reason") or self._reason
            self._count(get(event, "usage"))
        return False

    def result(self) -> Response:
        parts = [part for _, block in sorted(self._blocks.items()) if (part := _finished(block)) is not None]
        model = text_of(self._start, "model")
        message: Message = {"role": "assistant", "parts": parts}
        response = Response(
            id=text_of(self._start, "id"), model=model, provider=provider_of(model) or "anthropic", messages=[message]
        )
        if self._reason is not None:
            message["finish_reason"] = self._reason
            response.finish_reasons.append(self._reason)
        if self._usage:
            response.usage = read_usage({**self._usage, "output_tokens_details": self._details})
        return response

    def _count(self, usage: Any) -> None:
        """Later counts replace earlier ones: they are cumulative."""
        for name in _USAGE:
            count = as_count(get(usage, name))
            if count is not None:
                self._usage[name] = count
        self._details = get(usage, "output_tokens_details") or self._details

    def _delta(self, index: int, delta: Any) -> bool:
        for name in ("text", "partial_json", "thinking"):
            text = text_of(delta, name)
            if text is not None:
                self._blocks.setdefault(index, {"block": None, "texts": []})["texts"].append(text)
                return bool(text)
        return False


def _finished(state: dict[str, Any]) -> Part | None:
    """A block as it began, with what its deltas added."""
    block, joined = state["block"], "".join(state["texts"])
    kind = text_of(block, "type") or "text"
    if kind in ("tool_use", "server_tool_use"):
        return call_part(get(block, "id"), get(block, "name"), joined or get(block, "input"))
    if kind == "text":
        return text_part((text_of(block, "text") or "") + joined)
    if kind == "thinking":
        return {"type": "reasoning", "content": (text_of(block, "thinking") or "") + joined}
    parts = parts_of([block])
    return parts[0] if parts else None
