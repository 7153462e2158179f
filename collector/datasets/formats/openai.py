"""OpenAI's two files of chats: samples for its evals, and what fine-tuning takes. Pure.

Shapes: github.com/openai/evals, docs/build-eval.md (``input`` messages, ``ideal`` text or a list of texts), and
platform.openai.com/docs/guides/supervised-fine-tuning (``messages`` that end with the assistant's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collector.datasets.model import Example, canonical


def evals(examples: Iterable[Example]) -> tuple[bytes, int]:
    """JSONL, and how many examples are left out because nobody said what would be right."""
    lines, skipped = [], 0
    for example in examples:
        if example.expected is None:
            skipped += 1
            continue
        expected = example.expected
        several = isinstance(expected, list) and expected and all(isinstance(one, str) for one in expected)
        lines.append({"input": messages_of(example.input), "ideal": expected if several else text_of(expected)})
    return _jsonl(lines), skipped


def fine_tuning(examples: Iterable[Example]) -> tuple[bytes, int]:
    """The same for fine-tuning."""
    lines, skipped = [], 0
    for example in examples:
        if example.expected is None:
            skipped += 1
            continue
        answer = _answer(example.expected)
        lines.append({"messages": [*messages_of(example.input), answer]})
    return _jsonl(lines), skipped


def messages_of(value: Any) -> list[dict[str, Any]]:
    """The chat that an input is; anything else is what one user said."""
    chat = value.get("messages") if isinstance(value, Mapping) else value
    if isinstance(chat, list) and chat and all(_is_message(one) for one in chat):
        return [dict(one) for one in chat]
    return [{"role": "user", "content": text_of(value)}]


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def _answer(expected: Any) -> dict[str, Any]:
    if _is_message(expected) and expected["role"] == "assistant":
        return dict(expected)
    return {"role": "assistant", "content": text_of(expected)}


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("role"), str)
        and ("content" in value or "tool_calls" in value)
    )


def _jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(canonical(line) + b"\n" for line in lines)
