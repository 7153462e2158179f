"""What a chunk can be found by: somebody's words, once each, and nothing of how the call was made."""

from __future__ import annotations

import json
from typing import Any

import pytest
import zstandard
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from collector.codec.otlp import compress
from collector.summarise.search_text import MAX_CHARS, is_wanted, search_text


def text_of(*spans: dict[str, Any], name: str = "op", events: Any = (), message: str = "") -> str:
    wired = [Span(name=name, attributes=_pairs(attributes)) for attributes in spans]
    for event in events:
        wired[0].events.add(name="exception", attributes=_pairs(event))
    wired[0].status.message = message
    data = TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=wired)])])
    return search_text(compress(data.SerializeToString()))


def _pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]


def _any(value: Any) -> AnyValue:
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=_pairs(value)))
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any(item) for item in value]))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(string_value=value)


def test_names_inputs_outputs_messages_documents_and_errors() -> None:
    found = text_of(
        {
            "input.value": "why is the sky blue",
            "llm.output_messages.0.message.content": "Rayleigh",
            "retrieval.documents.0.document.content": "light scatters",
            "gen_ai.tool.call.arguments": '{"city": "Berlin", "days": 3}',
            "app.note": "anything else",
        },
        name="answer question",
        events=[{"exception.message": "timed out", "exception.stacktrace": "File x, line 1"}],
        message="deadline",
    )
    assert found.splitlines() == [
        "answer question", "why is the sky blue", "Rayleigh", "light scatters", "Berlin", "3", "anything else",
        "timed out", "deadline",
    ]  # fmt: skip


def test_a_text_is_taken_once_wherever_it_is_repeated() -> None:
    documents = [f"document {number}: " + "many words about it " * 5 for number in range(3)]
    prompt = "\n\n".join(["Use this:", *documents, "Question: why?"])
    found = text_of(
        {f"retrieval.documents.{n}.document.content": text for n, text in enumerate(documents)},
        {f"reranker.output_documents.{n}.document.content": text for n, text in enumerate(reversed(documents))},
        {
            "llm.input_messages.0.message.content": prompt,
            "input.value": json.dumps({"messages": [{"role": "user", "content": prompt}]}),
        },
    )
    assert [found.count(text.strip()) for text in documents] == [1, 1, 1]
    assert found.count("Question: why?") == 1


def test_json_gives_its_strings_and_numbers() -> None:
    inner = json.dumps({"nested": "inside", "list": [1, 2.5, True, None]})
    value = {"role": "user", "a": ["one", {"b": "two", "type": "refund"}], "n": 42, "text": inner, "odd": "{not json"}
    assert text_of({"x": json.dumps(value)}).splitlines()[1:] == [
        "one", "two", "refund", "42", "inside", "1", "2.5", "{not json",
    ]  # fmt: skip
    assert text_of({"x": "[broken"}).splitlines()[1:] == ["[broken"]
    assert text_of({"x": '"quoted words"'}).splitlines()[1:] == ["quoted words"]


def test_lists_and_maps_of_attributes() -> None:
    assert text_of({"tag.tags": ["prod", "support"], "deep": {"map": "value", "id": "7"}}).splitlines()[1:] == [
        "prod", "support", "value",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [
        "openinference.span.kind",
        "session.id",
        "input.mime_type",
        "llm.model_name",
        "gen_ai.response.model",
        "gen_ai.operation.name",
        "llm.invocation_parameters",
        "gen_ai.tool.definitions",
        "llm.tools.0.tool.json_schema",
        "llm.input_messages.0.message.role",
        "exception.stacktrace",
        "embedding.embeddings.0.embedding.vector",
    ],
)
def test_how_a_call_was_made_is_not_searched(key: str) -> None:
    assert not is_wanted(key)
    assert text_of({key: "secretword"}) == "op"


def test_vectors_and_blobs_are_left_out() -> None:
    assert text_of({"v": [0.5] * 100, "w": json.dumps([0.5] * 100), "b": "QUJD" * 1000}) == "op"
    assert text_of({"b": json.dumps({"image": "QUJD" * 1000, "few": [1, 2]})}).splitlines() == ["op", "1", "2"]
    assert "東" * 3000 in text_of({"cjk": "東" * 3000})


def test_it_is_bounded() -> None:
    many = {f"k{number}": f"{number} " + "x " * 400 for number in range(500)}
    assert len(text_of(many)) == MAX_CHARS
    assert len(text_of({"one": json.dumps([f"word{n}" for n in range(100_000)])})) <= MAX_CHARS
    deep = "[" * 5_000 + "]" * 5_000
    assert len(text_of({"deep": deep})) <= MAX_CHARS


def test_a_damaged_chunk_says_so() -> None:
    with pytest.raises(zstandard.ZstdError):
        search_text(b"not a frame")
