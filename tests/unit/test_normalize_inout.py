"""The user's question and the final answer of a whole trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.model import Content, Span
from collector.processors.inout import trace_input_output
from collector.processors.normalize import content, facts


def span(number: int, attributes: dict[str, Any], parent: int | None = 1, end: int | None = None) -> Span:
    found = Span(
        bytes(16),
        number.to_bytes(8, "big"),
        None if parent is None or number == 1 else parent.to_bytes(8, "big"),
        "name",
        number * 100,
        1000 - number * 10 if end is None else end,
        attributes=attributes,
    )
    facts(found)
    return found


def of(kind: str, given: Any = None, got: Any = None) -> dict[str, Any]:
    attributes: dict[str, Any] = {"openinference.span.kind": kind}
    for side, value in (("input", given), ("output", got)):
        if isinstance(value, str):
            attributes[f"{side}.value"] = value
        elif value is not None:
            attributes |= {f"{side}.value": json.dumps(value), f"{side}.mime_type": "application/json"}
    return attributes


def chat(question: str, answer: str) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": [{"role": "user", "content": "first"}, {"role": "user", "content": question}],
        "gen_ai.output.messages": [
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
            {"role": "assistant", "content": answer},
        ],
    }


CALL = chat("Context: kettles.\nHow long is the warranty?", "Two years.")


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (CALL, ("Context: kettles.\nHow long is the warranty?", "Two years.")),
        (of("AGENT", "How long?", "It is two."), ("How long?", "It is two.")),
        (of("CHAIN", {"question": "How long?", "user": "u"}, "x"), ("How long?", "x")),
        (of("CHAIN", {"kwargs": {"query": "How long?"}, "args": []}, "x"), ("How long?", "x")),
        (of("CHAIN", {"text": "How long is the warranty?", "k": 3}, "x"), ("How long is the warranty?", "x")),
        (of("CHAIN", {"order": 1}, {"status": "done"}), ({"order": 1}, {"status": "done"})),
        (of("CHAIN", {"order": 1}, {"reply": "> Two years.", "n": 1}), ({"order": 1}, "> Two years.")),
        (of("CHAIN", "q", {"gen": "<async_generator object>"}), ("q", "Two years.")),
        ({}, ("Context: kettles.\nHow long is the warranty?", "Two years.")),
        (
            of(
                "CHAIN",
                {"messages": [{"role": "user", "content": "Hi"}]},
                {"messages": [{"type": "ai", "content": "Ho"}]},
            ),
            ("Hi", "Ho"),
        ),
        (
            of("CHAIN", {"messages": [[{"lc": 1, "id": ["x", "HumanMessage"], "kwargs": {"content": "Hi"}}]]}, "x"),
            ("Hi", "x"),
        ),
    ],
)
def test_question_and_answer(root: dict[str, Any], expected: tuple[Any, Any]) -> None:
    spans = [span(3, of("RETRIEVER", "no question", "no answer")), span(2, CALL), span(1, root, parent=None)]
    assert trace_input_output(spans, content) == expected


def test_nothing_known() -> None:
    assert trace_input_output([], content) == (None, None)
    assert trace_input_output([span(1, {})], content) == (None, None)


def test_several_calls_without_a_root() -> None:
    spans = [span(2, chat("one", "1"), parent=99, end=300), span(3, chat("two", "2"), parent=99, end=400)]
    question, answer = trace_input_output(spans, content)
    assert (question, answer) == ("one", "1")  # the earliest whose parent has not come stands for the root


def test_only_the_root_is_read_where_it_says_enough() -> None:
    read: list[bytes] = []

    def reading(of_span: Span) -> Content:
        read.append(of_span.span_id)
        return content(of_span)

    spans = [span(1, of("AGENT", "How long?", "Two."), parent=None), *(span(n, CALL) for n in range(2, 50))]
    assert trace_input_output(spans, reading) == ("How long?", "Two.")
    assert read == [spans[0].span_id]
