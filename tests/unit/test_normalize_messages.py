"""Messages in the shapes of OpenTelemetry, OpenAI, Anthropic and LangChain."""

from __future__ import annotations

from typing import Any

import pytest

from collector.processors.dialects.bodies import answer_in
from collector.processors.dialects.messages import message_of, messages_of, part_of


@pytest.mark.parametrize(
    ("value", "role", "text"),
    [
        ("Hi", "user", "Hi"),
        (["human", "Hi"], "user", "Hi"),
        ({"role": "developer", "content": "Be"}, "system", "Be"),
        ({"role": "model", "parts": [{"text": "Oslo"}]}, "assistant", "Oslo"),
        ({"role": "someone", "content": "x"}, "user", "x"),
        ({"role": 7, "content": 42}, "user", "42"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            "user",
            "a\nb",
        ),
        ({"role": "user", "parts": [{"type": "text", "content": [{"type": "text", "text": "in"}]}]}, "user", "in"),
        ({"type": "human", "data": {"content": "Hi", "type": "human"}}, "user", "Hi"),
        ({"lc": 1, "id": ["langchain", "schema", "AIMessage"], "kwargs": {"content": "Yes"}}, "assistant", "Yes"),
        ({"type": "function_call_output", "call_id": "c", "output": "4 C"}, "tool", "4 C"),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}]},
            "assistant",
            "x",
        ),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, "assistant", "no"),
        ({"role": "assistant", "content": None}, "assistant", None),
    ],
)
def test_role_and_text(value: Any, role: str, text: str | None) -> None:
    message = message_of(value)
    assert message is not None
    assert (message.role, message.text) == (role, text)


@pytest.mark.parametrize("value", [None, 7, [], {}, "{", '"text"', [None, 3, True], b"x", float("nan")])
def test_what_is_no_list_of_messages_has_none_or_is_text(value: Any) -> None:
    assert all(message.role == "user" for message in messages_of(value))


@pytest.mark.parametrize(
    "value",
    [
        {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"tool_calls": [{"id": "c", "name": "f", "args": {"a": 1}, "type": "tool_call"}]},
        {"parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}}]},
        {"content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
        {"type": "function_call", "call_id": "c", "id": "fc", "name": "f", "arguments": '{"a": 1}'},
        {
            "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
            "tool_calls": [{"id": "c", "name": "f", "args": {"a": 1}}],
        },
    ],
)
def test_tool_calls(value: dict[str, Any]) -> None:
    message = message_of({"role": "assistant", **value})
    assert message is not None
    assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [("c", "f", {"a": 1})]
    assert message.role == "assistant"


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image_url", "image_url": {"url": "u"}}, {"type": "image", "url": "u"}),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            {"type": "image", "mime_type": "image/png", "data": "AA"},
        ),
        (
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AA"},
            {"type": "image", "data": "AA", "mime_type": "image/png"},
        ),
        ({"type": "uri", "modality": "video", "uri": "u"}, {"type": "file", "url": "u"}),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "AA"}},
            {"type": "file", "data": "AA", "name": "a.pdf"},
        ),
        (
            {"type": "input_audio", "input_audio": {"format": "wav", "data": "AA"}},
            {"type": "audio", "mime_type": "wav", "data": "AA"},
        ),
        ({"type": "reasoning", "content": "hm"}, {"type": "reasoning", "text": "hm"}),
        (
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "4 C"}]},
            {"type": "tool_result", "tool_call_id": "c", "result": "4 C"},
        ),
        (
            {"type": "tool_call_response", "id": "c", "response": '{"t": 4}'},
            {"type": "tool_result", "tool_call_id": "c", "result": {"t": 4}},
        ),
        ({"type": "compaction", "x": 1}, {"type": "compaction", "x": 1}),
        ({"type": ["odd"], "x": 1}, {"type": "unknown", "x": 1}),
    ],
)
def test_parts(block: dict[str, Any], part: dict[str, Any]) -> None:
    assert part_of(block) == part


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"choices": [{"message": {"role": "assistant", "content": "a"}}]}, ["a"]),
        ({"output": [{"type": "reasoning", "summary": []}, {"role": "assistant", "content": "b"}]}, [None, "b"]),
        ({"role": "assistant", "type": "message", "content": [{"type": "text", "text": "c"}]}, ["c"]),
        ('{"choices": [{}, 3]}', []),
        ({"answer": 1}, []),
        (None, []),
    ],
)
def test_answers_in_bodies(body: Any, texts: list[str | None]) -> None:
    found = answer_in(body)
    assert [message.text for message in found] == texts
    assert all(message.role == "assistant" for message in found)
