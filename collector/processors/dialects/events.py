"""Messages in span events, as OTel's convention wrote them up to 1.36: one event for each message. Pure and total."""

from __future__ import annotations

from typing import Any, Final

from collector.model import Attributes, Event, Message, Span
from collector.processors.dialects.messages import build, call_part, messages_of, parts_of, role_of
from collector.processors.values import json_list, json_or_text, text

_PREFIX: Final = "gen_ai."
_SUFFIX: Final = ".message"
_CHOICE: Final = "gen_ai.choice"


def messages_in_events(span: Span) -> tuple[list[Message], list[Message]]:
    """What was asked and what was answered, in the order of the events."""
    asked: list[Message] = []
    answered: list[Message] = []
    for event in span.events:
        if event.name == _CHOICE:
            answered += _choice(event.attributes)
        elif event.name.startswith(_PREFIX) and event.name.endswith(_SUFFIX):
            asked.append(_message(event, event.name[len(_PREFIX) : -len(_SUFFIX)]))
    return asked, answered


def tool_in_events(span: Span) -> tuple[Any, Any]:
    """Arguments and result of a tool run: its message and its choice."""
    arguments = result = None
    for event in span.events:
        if event.name == "gen_ai.tool.message":
            arguments = json_or_text(event.attributes.get("content"))
        elif event.name == _CHOICE:
            result = build("tool", parts_of(json_or_text(event.attributes.get("message")))).text
    return arguments, result


def _message(event: Event, role: str) -> Message:
    found = event.attributes
    parts = parts_of(json_or_text(found.get("content")))
    for call in json_list(found.get("tool_calls")):
        if isinstance(call, dict):
            named = call.get("function")
            function = named if isinstance(named, dict) else call
            parts.append(call_part(call.get("id"), function.get("name"), function.get("arguments")))
    return build(role_of(found.get("role") or role), parts, text(found.get("id")))


def _choice(found: Attributes) -> list[Message]:
    message = json_or_text(found.get("message"))
    if isinstance(message, dict):
        return messages_of({"role": "assistant", **message})
    parts = parts_of(message)
    return [build("assistant", parts)] if parts else []
