"""OpenAI-shaped answers: the client's own objects, and the same as dicts."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.responses import Response
from sdk_support import Recorded, parsed, spans

from tracekit import trace

__all__ = ["spans"]

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "refusal": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 0},
    },
}

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-mini",
    "status": "completed",
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Think."}]},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Blue.", "annotations": []}],
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 32,
    },
}

EMBEDDINGS: dict[str, Any] = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]},
        {"object": "embedding", "index": 1, "embedding": [0.4, 0.5, 0.6]},
    ],
    "usage": {"prompt_tokens": 6, "total_tokens": 6},
}

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c0", "content": "a cat"},
    ChatCompletionMessage(role="assistant", content="A cat."),
]


@pytest.mark.parametrize("answer", [CHAT, ChatCompletion.model_validate(CHAT)], ids=["dict", "object"])
def test_chat_completions(spans: Recorded, answer: Any) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}

    @trace.llm(name="chat")
    def chat(**kwargs: Any) -> Any:
        return answer

    returned = chat(model="gpt-4o-mini", messages=MESSAGES, temperature=0, max_tokens=50, stop="END", tools=[tool])
    assert returned is answer
    attributes = spans.attributes()
    assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert attributes["gen_ai.response.model"] == attributes["llm.model_name"] == "gpt-4o-mini-2024-07-18"
    assert attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert attributes["gen_ai.provider.name"] == attributes["llm.provider"] == attributes["llm.system"] == "openai"
    assert attributes["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert attributes["gen_ai.request.temperature"] == 0.0
    assert attributes["gen_ai.request.max_tokens"] == 50
    assert attributes["gen_ai.request.stop_sequences"] == ("END",)
    assert parsed(attributes["llm.invocation_parameters"]) == {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "max_tokens": 50,
        "stop": "END",
    }
    assert parsed(attributes["gen_ai.tool.definitions"]) == [tool]
    assert parsed(attributes["llm.tools.0.tool.json_schema"]) == tool
    usage = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 30,
        "llm.token_count.total": 130,
        "llm.token_count.prompt_details.cache_read": 64,
        "llm.token_count.completion_details.reasoning": 10,
    }
    assert {name: attributes[name] for name in usage} == usage
    assert parsed(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "finish_reason": "tool_calls",
            "parts": [
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Oslo"}},
            ],
        }
    ]
    assert attributes["llm.output_messages.0.message.content"] == "Let me look."
    call = "llm.output_messages.0.message.tool_calls.0.tool_call."
    assert attributes[call + "id"] == "call_1"
    assert attributes[call + "function.name"] == "get_weather"
    assert parsed(attributes[call + "function.arguments"]) == {"city": "Oslo"}


def test_every_sort_of_input_message(spans: Recorded) -> None:
    trace.llm(name="chat")(lambda model, messages: "ok")("gpt-4o", MESSAGES)
    attributes = spans.attributes()
    assert parsed(attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is this?"},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
                {"type": "blob", "modality": "audio", "mime_type": "audio/mp3", "content": "BBBB"},
            ],
        },
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c0", "name": "look", "arguments": {}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": "a cat"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "A cat."}]},
    ]
    flat = "llm.input_messages."
    assert attributes[flat + "1.message.contents.0.message_content.text"] == "What is this?"
    assert attributes[flat + "1.message.contents.1.message_content.image.image.url"] == "https://example.com/a.png"
    assert attributes[flat + "1.message.contents.2.message_content.image.image.url"] == "data:image/png;base64,AAAA"
    assert attributes[flat + "3.message.role"] == "tool"
    assert attributes[flat + "3.message.tool_call_id"] == "c0"
    assert attributes[flat + "3.message.content"] == "a cat"
    assert attributes[flat + "4.message.content"] == "A cat."


@pytest.mark.parametrize("answer", [RESPONSE, Response.model_validate(RESPONSE)], ids=["dict", "object"])
def test_responses(spans: Recorded, answer: Any) -> None:
    @trace.llm(name="respond")
    def respond(**kwargs: Any) -> Any:
        return answer

    history = [
        {"role": "user", "content": "Which colour?"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "sky"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "blue"},
    ]
    respond(model="gpt-5-mini", instructions="Be brief.", input=history)
    attributes = spans.attributes()
    assert parsed(attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Which colour?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": "sky"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "blue"}]},
    ]
    assert parsed(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "finish_reason": "stop",
            "parts": [{"type": "reasoning", "content": "Think."}, {"type": "text", "content": "Blue."}],
        }
    ]
    assert attributes["output.value"] == "Blue."
    assert attributes["gen_ai.usage.input_tokens"] == 20
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 8
    assert attributes["gen_ai.response.id"] == "resp_1"


def test_a_text_as_input_of_the_responses_api(spans: Recorded) -> None:
    trace.llm(name="respond")(lambda input, model: RESPONSE)("Hello", "gpt-5-mini")
    assert spans.attributes()["llm.input_messages.0.message.content"] == "Hello"


@pytest.mark.parametrize(
    "answer", [EMBEDDINGS, CreateEmbeddingResponse.model_validate(EMBEDDINGS)], ids=["dict", "object"]
)
def test_embeddings(spans: Recorded, answer: Any) -> None:
    @trace.embedding(name="embed")
    def embed(**kwargs: Any) -> Any:
        return answer

    embed(model="text-embedding-3-small", input=["one", "two"])
    attributes = spans.attributes()
    assert attributes["embedding.model_name"] == "text-embedding-3-small"
    assert attributes["embedding.embeddings.0.embedding.text"] == "one"
    assert attributes["embedding.embeddings.1.embedding.vector"] == (0.4, 0.5, 0.6)
    assert attributes["gen_ai.embeddings.dimension.count"] == 3
    assert attributes["gen_ai.usage.input_tokens"] == 6
    assert attributes["gen_ai.operation.name"] == "embeddings"
    assert parsed(attributes["output.value"]) == {"vectors": 2, "dimensions": 3}


def test_raw_vectors_of_an_embedding_function(spans: Recorded) -> None:
    trace.embedding(name="one")(lambda text: [0.1, 0.2])("a")
    trace.embedding(name="many")(lambda texts: [[0.1, 0.2], [0.3, 0.4]])(["a", "b"])
    assert spans.attributes("one")["embedding.embeddings.0.embedding.vector"] == (0.1, 0.2)
    assert spans.attributes("many")["embedding.embeddings.1.embedding.text"] == "b"


def test_legacy_completions_and_several_choices(spans: Recorded) -> None:
    answer = {
        "object": "text_completion",
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": "a", "finish_reason": "stop"}, {"text": "b", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    trace.llm(name="complete")(lambda prompt: answer)("Once")
    attributes = spans.attributes()
    assert attributes["llm.output_messages.1.message.content"] == "b"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert attributes["llm.input_messages.0.message.content"] == "Once"


def test_audio_answers_and_audio_tokens(spans: Recorded) -> None:
    answer = {
        "object": "chat.completion",
        "model": "gpt-4o-audio-preview",
        "choices": [
            {"message": {"role": "assistant", "content": None, "audio": {"data": "A" * 100_000, "transcript": "Hi."}}}
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "prompt_tokens_details": {"audio_tokens": 4},
            "completion_tokens_details": {"audio_tokens": 15},
        },
    }
    trace.llm(name="speak")(lambda: answer)()
    attributes = spans.attributes()
    assert attributes["gen_ai.usage.audio.input_tokens"] == 4
    assert attributes["llm.token_count.completion_details.audio"] == 15
    [message] = parsed(attributes["gen_ai.output.messages"])
    assert message["parts"][0]["transcript"] == "Hi."
    assert "100000 base64 characters left out" in message["parts"][0]["content"]


def test_compatible_servers_are_not_called_openai(spans: Recorded) -> None:
    answer = {"choices": [{"message": {"role": "assistant", "content": "hi"}}], "model": "my-finetune-7b"}
    azure = {**answer, "model": "gpt-4o", "prompt_filter_results": []}
    trace.llm(name="unknown")(lambda: answer)()
    trace.llm(name="azure")(lambda: azure)()
    trace.llm(name="said", provider="groq")(lambda: answer)()
    assert "gen_ai.provider.name" not in spans.attributes("unknown")
    assert spans.attributes("azure")["gen_ai.provider.name"] == "azure.ai.openai"
    assert spans.attributes("azure")["llm.provider"] == "azure"
    assert spans.attributes("said")["gen_ai.provider.name"] == "groq"


def test_reasoning_content_of_compatible_servers(spans: Recorded) -> None:
    answer = {
        "choices": [{"message": {"role": "assistant", "content": "4", "reasoning_content": "2+2"}}],
        "model": "deepseek-reasoner",
    }
    trace.llm(name="r")(lambda: answer)()
    parts = parsed(spans.attributes()["gen_ai.output.messages"])[0]["parts"]
    assert parts == [{"type": "reasoning", "content": "2+2"}, {"type": "text", "content": "4"}]
    assert spans.attributes()["gen_ai.provider.name"] == "deepseek"


def test_a_message_or_a_text_as_answer(spans: Recorded) -> None:
    message = {"role": "assistant", "content": "hi", "model": "gpt-4o", "usage": {"prompt_tokens": 1}}
    trace.llm(name="message")(lambda: message)()
    trace.llm(name="object")(lambda: ChatCompletionMessage(role="assistant", content="hi"))()
    trace.llm(name="text", model="gpt-4o")(lambda: "hi")()
    for name in ("message", "object", "text"):
        assert spans.attributes(name)["llm.output_messages.0.message.content"] == "hi"
    assert spans.attributes("message")["gen_ai.usage.input_tokens"] == 1
    assert spans.attributes("text")["gen_ai.request.model"] == "gpt-4o"


def test_a_bare_decorator_recognises_a_call(spans: Recorded) -> None:
    @trace(name="ask")
    def ask(messages: list[Any], model: str) -> Any:
        messages.append({"role": "assistant", "content": "changed meanwhile"})
        return CHAT

    ask([{"role": "user", "content": "hi"}], "gpt-4o-mini")
    attributes = spans.attributes()
    assert attributes["openinference.span.kind"] == "LLM"
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.usage.input_tokens"] == 100
    assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert [m["role"] for m in parsed(attributes["gen_ai.input.messages"])] == ["user"]


def test_an_answer_handed_up_is_one_call(spans: Recorded) -> None:
    @trace.llm(name="inner")
    def inner() -> Any:
        return ChatCompletion.model_validate(CHAT)

    @trace(name="outer")
    def outer() -> Any:
        return inner()

    @trace(name="outermost")
    def outermost() -> Any:
        return outer()

    outermost()
    kinds = {span.name: span.attributes["openinference.span.kind"] for span in spans.all()}
    assert kinds == {"inner": "LLM", "outer": "CHAIN", "outermost": "CHAIN"}
    assert "gen_ai.usage.input_tokens" not in spans.attributes("outer")


def test_long_conversations_keep_their_ends_and_all_in_json(spans: Recorded) -> None:
    messages = [{"role": "user", "content": f"message {n}"} for n in range(900)]
    trace.llm(name="chat")(lambda messages: "ok")(messages)
    attributes = spans.attributes()
    assert len(parsed(attributes["gen_ai.input.messages"])) == 900
    assert attributes["llm.input_messages.0.message.content"] == "message 0"
    assert attributes["llm.input_messages.899.message.content"] == "message 899"
    assert "llm.input_messages.400.message.content" not in attributes
    assert attributes["openinference.span.kind"] == "LLM"
    assert attributes["llm.output_messages.0.message.content"] == "ok"


def test_mocks_read_as_nothing(spans: Recorded) -> None:
    from unittest.mock import MagicMock

    mock = MagicMock()
    assert trace.llm(name="mocked")(lambda messages: mock)(mock) is mock
    attributes = spans.attributes()
    assert not [name for name in attributes if "token" in name or "model" in name]
