"""Canonical messages as OpenAI's, which LangSmith's chat view shows and ``wrap_openai`` of its client sends. Pure.

What OpenAI has no block for is written as LangChain's standard blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from collector.model import Message, ToolCall
from collector.processors.values import json_text

Part = dict[str, Any]


def chat_of(messages: Iterable[Message]) -> list[Part]:
    """In their order; a message with several tools' results becomes one message for each."""
    return [told for message in messages for told in _told(message)]


def answer_of(message: Message) -> Part:
    """As one message, whatever is in it."""
    return _message(message, message.role, _others(message))


def _told(message: Message) -> Iterator[Part]:
    results = [part for part in message.parts if part.get("type") == "tool_result"]
    others = _others(message)
    for result in results:
        call_id = result.get("tool_call_id") or message.tool_call_id
        name = result.get("name") or message.name
        said = result.get("result")
        yield _known({"role": "tool", "tool_call_id": call_id, "name": name, "content": _text(said)})
    if others or message.tool_calls or not results:
        yield _message(message, message.role, others)


def _others(message: Message) -> list[Part]:
    """Without what a message tells beside its content."""
    return [part for part in message.parts if part.get("type") not in ("tool_call", "tool_result")]


def _message(message: Message, role: str, parts: list[Part]) -> Part:
    told: Part = {"role": role, "content": _content(parts, message.text if not message.parts else None)}
    if message.tool_calls:
        told["tool_calls"] = [_call(call) for call in message.tool_calls]
    elif told["content"] is None:
        told["content"] = ""
    if message.tool_call_id is not None and role == "tool":
        told["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        told["name"] = message.name
    return told


def _content(parts: list[Part], text: str | None) -> Any:
    if not parts:
        return text
    if len(parts) == 1 and parts[0].get("type") == "text":
        return _text(parts[0].get("text"))
    return [_block(part) for part in parts]


def _block(part: Part) -> Part:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": _text(part.get("text"))}
    if kind == "reasoning":
        return {"type": "reasoning", "reasoning": _text(part.get("text"))}
    if kind == "image" and (url := _url(part)):
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "audio":
        names = {"data": "data", "format": "mime_type", "url": "url", "transcript": "text"}
        return {"type": "input_audio", "input_audio": _known({to: part.get(name) for to, name in names.items()})}
    if kind in ("file", "image"):
        names = {"file_data": "data", "uri": "url", "file_id": "file_id", "filename": "name", "mime_type": "mime_type"}
        return {"type": "file", "file": _known({to: part.get(name) for to, name in names.items()})}
    return dict(part)


def _url(part: Part) -> str | None:
    url, data = part.get("url"), part.get("data")
    if isinstance(url, str) and url:
        return url
    if isinstance(data, str) and data:
        return f"data:{part.get('mime_type') or 'image/png'};base64,{data}"
    return None


def _call(call: ToolCall) -> Part:
    arguments = call.arguments if isinstance(call.arguments, str) else json_text(call.arguments or {})
    return {"id": call.id, "type": "function", "function": {"name": call.name or "", "arguments": arguments}}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(value)


def _known(values: Part) -> Part:
    return {name: value for name, value in values.items() if value is not None}
