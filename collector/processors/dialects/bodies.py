"""Answers in the bodies that providers send, as canonical messages. Pure and total."""

from __future__ import annotations

from typing import Any

from collector.model import Message
from collector.processors.dialects.messages import message_of, messages_of
from collector.processors.values import json_or_text


def answer_in(body: Any) -> list[Message]:
    """The answer's messages: OpenAI's chat (``choices``) and Responses (``output``), Anthropic's (``content``)."""
    body = json_or_text(body)
    if not isinstance(body, dict):
        return []
    choices = body.get("choices")
    if isinstance(choices, list):
        found = [choice.get("message") for choice in choices if isinstance(choice, dict)]
        return [message for item in found if (message := message_of(item)) is not None]
    if isinstance(body.get("output"), list):
        return [_of_assistant(message) for message in messages_of(body["output"])]
    if body.get("role") == "assistant":
        return messages_of(body)
    return []


def _of_assistant(message: Message) -> Message:
    message.role = "assistant"
    return message
