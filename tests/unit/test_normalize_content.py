"""Messages, documents, tools, prompts and parameters of spans in either convention."""

from __future__ import annotations

import json
from typing import Any

from collector.model import Content, Event, Span
from collector.processors.normalize import content, contents

START = 1_795_305_600_000_000_000


def span_of(attributes: dict[str, Any], **fields: Any) -> Span:
    return Span(bytes(16), bytes(8), None, "name", START, START + 10**9, attributes=attributes, **fields)


def content_of(attributes: dict[str, Any], **fields: Any) -> Content:
    return content(span_of(attributes, **fields))


def test_messages_of_genai_as_json_and_as_values() -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": '{"a": 1}'}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "21 C"}]},
    ]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.system_instructions": '[{"type": "text", "content": "Be"}]'}
    as_text = content_of({**attributes, "gen_ai.input.messages": json.dumps(messages)})
    assert as_text == content_of({**attributes, "gen_ai.input.messages": messages})
    event = Event("gen_ai.client.inference.operation.details", START, {"gen_ai.input.messages": messages})
    assert as_text == content_of(attributes, events=[event])
    system, user, assistant, tool = as_text.input_messages
    assert (system.role, system.text) == ("system", "Be")
    assert (user.role, user.text) == ("user", "Hi")
    assert [(call.id, call.name, call.arguments) for call in assistant.tool_calls] == [("c1", "f", {"a": 1})]
    assert (tool.role, tool.text, tool.tool_call_id) == ("tool", "21 C", "c1")


def test_a_system_prompt_told_twice_is_there_once() -> None:
    messages = [{"role": "system", "parts": [{"type": "text", "content": "Be brief"}]}]
    found = content_of(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief"}],
            "gen_ai.input.messages": messages,
        }
    )
    assert [message.text for message in found.input_messages] == ["Be brief"]


def test_flattened_messages_are_ordered_by_number_and_may_have_gaps() -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM"}
    for index in (10, 2, 33):
        attributes[f"llm.input_messages.{index}.message.role"] = "user"
        attributes[f"llm.input_messages.{index}.message.content"] = str(index)
    prefix = "llm.output_messages.0.message."
    attributes |= {
        prefix + "role": "model",
        prefix + "contents.1.message_content.type": "image",
        prefix + "contents.1.message_content.image.image.url": "data:image/png;base64,AA",
        prefix + "contents.0.message_content.type": "text",
        prefix + "contents.0.message_content.text": "Look",
        prefix + "tool_calls.0.tool_call.function.name": "f",
        prefix + "tool_calls.0.tool_call.function.arguments": "not json",
    }
    found = content_of(attributes)
    assert [message.text for message in found.input_messages] == ["2", "10", "33"]
    (answer,) = found.output_messages
    assert (answer.role, answer.text) == ("assistant", "Look")
    assert [part["type"] for part in answer.parts] == ["text", "image", "tool_call"]
    assert answer.tool_calls[0].arguments == "not json"


def test_the_answer_is_taken_from_the_body_where_messages_lack_it() -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": None, "audio": {"transcript": "Oslo."}}}]}
    found = content_of(
        {
            "openinference.span.kind": "LLM",
            "llm.output_messages.0.message.role": "assistant",
            "output.value": json.dumps(body),
            "output.mime_type": "application/json",
        }
    )
    assert found.output_messages[0].text == "Oslo."
    assert found.output == body


def test_documents() -> None:
    found = content_of(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "warranty?",
            "retrieval.documents.0.document.content": "two years",
            "retrieval.documents.0.document.metadata": '{"relevance_score": 0.5}',
            "retrieval.documents.1.document.content": "five days",
            "retrieval.documents.1.document.score": 0.25,
            "output.value": '{"documents": [{"page_content": "two years", "id": "d1"}, {"id": 2}]}',
        }
    )
    assert found.input == "warranty?"
    assert [(d.id, d.text, d.score, d.rank) for d in found.documents] == [
        ("d1", "two years", 0.5, 0),
        (None, "five days", 0.25, 1),
    ]
    (document,) = content_of(
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": '[{"id": 7, "score": "0.5"}]'}
    ).documents
    assert (document.id, document.text, document.score) == ("7", None, 0.5)


def test_a_reranker_gives_what_it_kept() -> None:
    found = content_of(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.input_documents.0.document.id": "a",
            "reranker.input_documents.1.document.id": "b",
            "reranker.output_documents.0.document.id": "b",
        }
    )
    assert [document.id for document in found.documents] == ["b"]


def test_embeddings() -> None:
    found = content_of(
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.embeddings.0.embedding.text": "a",
            "embedding.embeddings.0.embedding.vector": [0.5, 1.0],
        }
    )
    assert [(e.text, e.vector, e.dimensions) for e in found.embeddings] == [("a", [0.5, 1.0], 2)]
    found = content_of({"gen_ai.operation.name": "embeddings", "gen_ai.embeddings.dimension.count": 24})
    assert [(e.text, e.vector, e.dimensions) for e in found.embeddings] == [(None, None, 24)]


def test_tools_in_both_conventions() -> None:
    genai = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": '{"city": "Oslo"}',
        "gen_ai.tool.call.result": "4 C",
    }
    openinference = {
        "openinference.span.kind": "TOOL",
        "tool.name": "weather",
        "tool.description": "of a city",
        "input.value": '{"args": [], "kwargs": {"city": "Oslo"}}',
        "output.value": '{"type": "tool", "data": {"content": "4 C"}}',
    }
    for attributes in (genai, openinference, {**genai, **openinference}):
        tool = content_of(attributes).tool
        assert tool is not None
        assert (tool.name, tool.arguments, tool.result) == ("weather", {"city": "Oslo"}, "4 C")
    assert (tool.call_id, tool.description) == ("c1", "of a city")


def test_a_tool_run_gets_the_arguments_the_model_called_it_with() -> None:
    call = "llm.output_messages.0.message.tool_calls.0.tool_call."
    llm = {
        "openinference.span.kind": "LLM",
        call + "id": "c1",
        call + "function.name": "lookup",
        call + "function.arguments": '{"order_id": "Z-1"}',
    }
    run = {"openinference.span.kind": "TOOL", "tool.name": "lookup"}
    one, other = (contents([span_of(llm), span_of({**run, "input.value": text})])[1].tool for text in ("Z-1", "Z-2"))
    assert one is not None and (one.arguments, one.call_id) == ({"order_id": "Z-1"}, "c1")
    assert other is not None and (other.arguments, other.call_id) == ("Z-2", None)


def test_prompt_and_parameters() -> None:
    found = content_of(
        {
            "openinference.span.kind": "LLM",
            "llm.prompt_template.template": "Answer {q}",
            "llm.prompt_template.variables": '{"q": "it"}',
            "llm.prompt_template.version": "3",
            "llm.invocation_parameters": '{"model": "m", "temperature": 0.5, "top_p": 1}',
            "llm.tools.0.tool.json_schema": '{"name": "f"}',
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.request.temperature": 0.2,
        }
    )
    assert found.prompt is not None
    assert (found.prompt.template, found.prompt.version, found.prompt.variables) == ("Answer {q}", "3", {"q": "it"})
    assert found.parameters == {"temperature": 0.2, "top_p": 1, "tools": [{"name": "f"}]}


def test_text_that_looks_like_json_stays_text_unless_it_is_said_to_be_json() -> None:
    assert content_of({"input.value": "42"}).input == "42"
    assert content_of({"input.value": "42", "input.mime_type": "application/json"}).input == 42
    assert content_of({"input.value": '{"a": 1}'}).input == {"a": 1}
    assert content_of({"input.value": "{broken"}).input == "{broken"
    deep = "[" * 500 + "]" * 500
    assert content_of({"input.value": deep}).input == deep
