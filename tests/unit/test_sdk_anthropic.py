"""Anthropic-shaped answers: objects and dicts. Its input counts leave cached tokens out."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message
from sdk_support import Recorded, parsed, spans

from tracekit import trace

__all__ = ["spans"]

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "tu_1", "name": "get_weather", "input": {"city": "Oslo"}},
    ],
    "usage": {
        "input_tokens": 21,
        "output_tokens": 40,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 250,
    },
}

MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sunny"}]},
            {"type": "tool_result", "tool_use_id": "t2", "content": "warm"},
            {"type": "text", "text": "So?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ],
    },
]


@pytest.mark.parametrize("answer", [ANSWER, Message.model_validate(ANSWER)], ids=["dict", "object"])
def test_messages(spans: Recorded, answer: Any) -> None:
    @trace.llm(name="create")
    def create(**kwargs: Any) -> Any:
        return answer

    create(
        model="claude-sonnet-4-5",
        max_tokens=1024,
        system=[{"type": "text", "text": "Be kind."}],
        messages=MESSAGES,
        stop_sequences=["X", "Y"],
        tools=[{"name": "get_weather", "input_schema": {"type": "object"}}],
    )
    attributes = spans.attributes()
    assert attributes["gen_ai.usage.input_tokens"] == attributes["llm.token_count.prompt"] == 1271
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 1000
    assert attributes["gen_ai.usage.cache_creation.input_tokens"] == 250
    assert attributes["llm.token_count.prompt_details.cache_write"] == 250
    assert attributes["gen_ai.usage.output_tokens"] == 40
    assert attributes["llm.token_count.total"] == 1311
    assert attributes["gen_ai.provider.name"] == attributes["llm.system"] == "anthropic"
    assert attributes["gen_ai.request.model"] == "claude-sonnet-4-5"
    assert attributes["gen_ai.response.model"] == "claude-sonnet-4-5-20250929"
    assert attributes["gen_ai.response.finish_reasons"] == ("tool_use",)
    assert attributes["gen_ai.request.stop_sequences"] == ("X", "Y")
    assert parsed(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "finish_reason": "tool_use",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "I look it up."},
                {"type": "tool_call", "id": "tu_1", "name": "get_weather", "arguments": {"city": "Oslo"}},
            ],
        }
    ]
    assert parsed(attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "t1", "name": "f", "arguments": {"a": 1}}]},
        {
            "role": "user",
            "parts": [
                {"type": "tool_call_response", "id": "t1", "response": "sunny"},
                {"type": "tool_call_response", "id": "t2", "response": "warm"},
                {"type": "text", "content": "So?"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
            ],
        },
    ]


def test_flattened_messages_have_one_tool_result_each(spans: Recorded) -> None:
    trace.llm(name="create")(lambda messages: ANSWER)(MESSAGES)
    attributes = spans.attributes()
    flat = "llm.input_messages.{}.message.{}"
    roles = [attributes[flat.format(n, "role")] for n in range(5)]
    assert roles == ["user", "assistant", "tool", "tool", "user"]
    assert attributes[flat.format(2, "tool_call_id")] == "t1"
    assert attributes[flat.format(2, "content")] == "sunny"
    assert attributes[flat.format(3, "content")] == "warm"
    assert attributes[flat.format(4, "contents.0.message_content.text")] == "So?"
    assert attributes[flat.format(4, "contents.1.message_content.image.image.url")] == "data:image/png;base64,AAAA"
    assert attributes[flat.format(1, "tool_calls.0.tool_call.function.name")] == "f"


def test_without_caching_nothing_is_added(spans: Recorded) -> None:
    answer = {**ANSWER, "usage": {"input_tokens": 21, "output_tokens": 4}}
    trace.llm(name="create")(lambda: answer)()
    attributes = spans.attributes()
    assert attributes["gen_ai.usage.input_tokens"] == 21
    assert "gen_ai.usage.cache_read.input_tokens" not in attributes


def test_proxies_that_repeat_anthropics_names_beside_openais(spans: Recorded) -> None:
    usage = {"prompt_tokens": 1271, "completion_tokens": 4, "cache_read_input_tokens": 1000}
    answer = {"choices": [{"message": {"role": "assistant", "content": "x"}}], "model": "claude-x", "usage": usage}
    trace.llm(name="create")(lambda: answer)()
    attributes = spans.attributes()
    assert attributes["gen_ai.usage.input_tokens"] == 1271
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 1000
