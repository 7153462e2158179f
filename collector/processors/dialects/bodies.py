"""Chats in the bodies that providers take and send and frameworks wrap, as canonical messages. Pure and total."""

from __future__ import annotations

from typing import Any, Final

from collector.model import Message
from collector.processors.dialects.messages import Part, build, message_of, messages_of, parts_of
from collector.processors.values import json_or_text, object_or_text, text

#: Names under which a request keeps its messages (or the one text that was asked).
_ASKED: Final = ("messages", "input", "prompt")
#: Names under which it keeps its system prompt.
_SYSTEM: Final = ("instructions", "system", "system_instruction")


def asked_in(body: Any) -> list[Message]:
    """A request's messages: OpenAI's (chat and Responses), Anthropic's, LangChain's, a list of them, or a text."""
    body = object_or_text(body)
    if isinstance(body, str):
        return messages_of([body]) if body else []
    if isinstance(body, list):
        while body and isinstance(body[0], list) and not _is_pair(body[0]):
            body = body[0]
        return [message for item in body if not _is_tool(item) and (message := message_of(item)) is not None]
    if not isinstance(body, dict):
        return []
    if "role" in body:
        return messages_of(body)
    found = next((asked_in(body[name]) for name in _ASKED if body.get(name)), [])
    system = next((body[name] for name in _SYSTEM if body.get(name)), None)
    parts = parts_of(system)
    return [build("system", parts), *found] if parts else found


def answer_in(body: Any) -> list[Message]:
    """The answer's messages: OpenAI's chat (``choices``) and Responses (``output``), Anthropic's (``content``),
    LangChain's (``generations``)."""
    body = json_or_text(body)
    if not isinstance(body, dict):
        return []
    choices = body.get("choices")
    if isinstance(choices, list):
        found = [choice.get("message") for choice in choices if isinstance(choice, dict)]
        return [message for item in found if (message := message_of(item)) is not None]
    if isinstance(body.get("output"), list):
        return [_of_assistant(message) for message in messages_of(body["output"])]
    generations = body.get("generations")
    if isinstance(generations, list):
        return _generated(generations)
    if body.get("role") == "assistant":
        return messages_of(body)
    return []


def answered_in(value: Any) -> list[Message]:
    """As ``answer_in``, and also a text alone, a message without a role, and a list of messages."""
    value = object_or_text(value)
    if isinstance(value, str):
        return [build("assistant", parts_of(value))] if value else []
    if isinstance(value, list):
        return [message for item in value for message in answered_in(item)]
    found = answer_in(value)
    if found or not isinstance(value, dict):
        return found
    if "content" in value or "kwargs" in value:
        return [_of_assistant(message) for message in messages_of(value)]
    return []


def arguments_in(value: Any) -> Any:
    """A tool's arguments: Python's ``{"args": [], "kwargs": {...}}`` is the keyword arguments."""
    if isinstance(value, dict) and value.keys() <= {"args", "kwargs"} and not value.get("args"):
        return value.get("kwargs", value)
    return value


def result_in(value: Any) -> Any:
    """A tool's result: LangChain's tool message, serialised either way, is its content."""
    if isinstance(value, dict) and value.get("type") in ("tool", "constructor"):
        message = value.get("data") or value.get("kwargs") or value
        if isinstance(message, dict) and "content" in message:
            return object_or_text(message["content"])
    return value


def _generated(generations: list[Any]) -> list[Message]:
    found: list[Message] = []
    for item in generations:
        for generation in item if isinstance(item, list) else [item]:
            if isinstance(generation, dict):
                message = message_of(generation.get("message"))
                found.append(message or build("assistant", parts_of(text(generation.get("text")))))
    return [_of_assistant(message) for message in found]


def _is_pair(value: list[Any]) -> bool:
    """``["user", "Hello"]``, which LangChain takes for a message."""
    return len(value) == 2 and isinstance(value[0], str)


def _is_tool(item: Any) -> bool:
    """A tool's definition, which Langfuse writes among LangChain's messages."""
    content: Part | None = item.get("content") if isinstance(item, dict) else None
    return isinstance(content, dict) and content.get("type") == "function" and "function" in content


def _of_assistant(message: Message) -> Message:
    message.role = "assistant"
    return message
