"""Messages as OpenTelemetry's conventions for generative AI write them. Pure and total.

Source: open-telemetry/semantic-conventions-genai, ``docs/gen-ai/non-normative/models.py`` and the JSON schemas beside
``gen-ai-spans.md``: ``[{"role", "parts": [{"type", ...}], "name"?, "finish_reason"?}]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from collector.exporters.jsontext import json_of
from collector.model import Message

Part = dict[str, Any]

#: Canonical types that are media, each with its modality's name.
_MEDIA: Final = frozenset({"image", "audio", "file"})


def messages_json(messages: Sequence[Message], finish_reasons: Sequence[str] = ()) -> str:
    """``finish_reasons`` are those of answers, in their order."""
    found = []
    for number, message in enumerate(messages):
        told: Part = {"role": message.role, "parts": parts_of(message)}
        if message.name:
            told["name"] = message.name
        if number < len(finish_reasons) and message.role == "assistant":
            told["finish_reason"] = finish_reasons[number]
        found.append(told)
    return json_of(found)


def parts_of(message: Message) -> list[Part]:
    """A message's parts; what a tool answered in plain text is a response too."""
    parts = [one for part in message.parts for one in _part(part)]
    if message.role == "tool" and all(part.get("type") == "text" for part in parts):
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.text}]
    if not parts and message.text:
        return [{"type": "text", "content": message.text}]
    return parts


def _part(part: Part) -> list[Part]:
    kind = part.get("type")
    if kind in ("text", "reasoning"):
        return [{"type": kind, "content": part.get("text")}]
    if kind == "tool_call":
        return [{"type": kind, **{name: part.get(name) for name in ("id", "name", "arguments")}}]
    if kind == "tool_result":
        return [{"type": "tool_call_response", "id": part.get("tool_call_id"), "response": part.get("result")}]
    return _media(part) if kind in _MEDIA else [part]


def _media(part: Part) -> list[Part]:
    """A blob, a URI or a file; what was heard in audio is a text of its own."""
    told: Part = {"modality": part["type"]}
    if part.get("mime_type"):
        told["mime_type"] = part["mime_type"]
    if part.get("name"):
        told["name"] = part["name"]
    heard = [{"type": "text", "content": part["text"]}] if part.get("text") else []
    for key, kind, name in (("data", "blob", "content"), ("url", "uri", "uri"), ("file_id", "file", "file_id")):
        if part.get(key) is not None:
            return [{"type": kind, **told, name: part[key]}, *heard]
    return heard or [part]
