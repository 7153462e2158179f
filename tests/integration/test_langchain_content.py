"""What spans of LangChain's runs say: requests, answers, usage, errors, and what must not be kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import ToolException, tool
from langchain_parts import USAGE, Scripted, asked, rag_chain
from langchain_support import Spans, agent

import tracekit
from tracekit.integrations.langchain import TracekitCallbackHandler

HANDLER = TracekitCallbackHandler()
CONFIG: Any = {"callbacks": [HANDLER]}


@pytest.fixture
def record() -> Iterator[Callable[..., Spans]]:
    """Starts recording with settings."""
    made: list[Spans] = []

    def start(**settings: Any) -> Spans:
        made.append(Spans(conventions="all", **settings))
        return made[-1]

    yield start
    for spans in made:
        spans.close()
    tracekit.shutdown(0)


def call(messages: list[Any], result: LLMResult | None = None, **given: Any) -> UUID:
    """One model call as LangChain reports it."""
    run_id = uuid4()
    HANDLER.on_chat_model_start({"name": "Model"}, [messages], run_id=run_id, **given)
    if result is not None:
        HANDLER.on_llm_end(result, run_id=run_id)
    return run_id


def answer(message: AIMessage, **output: Any) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)]], llm_output=output or None)


def test_a_streamed_answer_has_its_usage_and_its_first_token(record: Callable[..., Spans]) -> None:
    spans = record()
    assert "fine" in "".join(rag_chain().stream("What holds water?", CONFIG))
    [said] = spans.named("Scripted")
    assert said["gen_ai.usage.input_tokens"] == USAGE["input_tokens"]
    assert said["gen_ai.usage.cache_read.input_tokens"] == 4 and said["gen_ai.usage.reasoning.output_tokens"] == 2
    assert said["gen_ai.response.time_to_first_chunk"] > 0 and said["gen_ai.request.stream"] is True
    assert (said["gen_ai.response.model"], said["gen_ai.response.id"][:9]) == ("gpt-4o-mini-2024-07-18", "chatcmpl-")
    assert said["gen_ai.response.finish_reasons"] == ("stop",)
    [span] = [span for span in spans.all() if span.name == "Scripted"]
    assert [event.name for event in span.events] == ["First Token Stream Event"]
    assert spans.named("StrOutputParser")[0]["input.value"]


def test_a_stream_that_is_dropped_keeps_what_had_come(record: Callable[..., Spans]) -> None:
    spans = record()
    stream = Scripted().stream("Hello", CONFIG)
    next(stream)
    next(stream)
    stream.close()
    [said] = spans.named("Scripted")
    assert (said["output.value"], said["tracekit.stream.incomplete"]) == ("It is ", True)
    assert "error.type" not in said


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"cache_read": 30, "cache_creation": 10}, (30, 10)),
        (
            {"cache_read": 0, "cache_creation": 0, "ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 2},
            (0, 9),
        ),
        ({}, (None, None)),
    ],
)
def test_cached_tokens_are_part_of_the_input(
    record: Callable[..., Spans], details: dict[str, int], expected: tuple[int | None, int | None]
) -> None:
    spans = record()
    usage: Any = {"input_tokens": 50, "output_tokens": 5, "total_tokens": 55, "input_token_details": details}
    call([HumanMessage("Hello")], answer(AIMessage("Hi", usage_metadata=usage)))
    [said] = spans.named("Model")
    assert said["gen_ai.usage.input_tokens"] == 50 and said["llm.token_count.total"] == 55
    cached = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens")
    assert tuple(said.get(name) for name in cached) == expected


def test_usage_model_and_id_of_older_integrations_come_from_llm_output(record: Callable[..., Spans]) -> None:
    spans = record()
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    call([HumanMessage("Hello")], answer(AIMessage("Hi"), token_usage=usage, model_name="gpt-4o", id="chatcmpl-1"))
    run_id = uuid4()
    HANDLER.on_llm_start({"name": "Text"}, ["Once upon"], run_id=run_id, invocation_params={"model_name": "davinci"})
    result = LLMResult(generations=[[Generation(text=" a time")]], llm_output={"token_usage": usage})
    HANDLER.on_llm_end(result, run_id=run_id)
    [chat], [text] = spans.named("Model"), spans.named("Text")
    assert (chat["gen_ai.response.model"], chat["gen_ai.response.id"]) == ("gpt-4o", "chatcmpl-1")
    assert chat["gen_ai.usage.output_tokens"] == text["gen_ai.usage.output_tokens"] == 3
    assert (text["input.value"], text["output.value"]) == ("Once upon", " a time")
    assert text["gen_ai.request.model"] == "davinci"


@pytest.mark.parametrize(
    ("metadata", "parameters", "model", "provider"),
    [
        ({"ls_provider": "anthropic", "ls_model_name": "claude-sonnet-4-5"}, {}, "claude-sonnet-4-5", "anthropic"),
        ({"ls_provider": "azure", "ls_model_name": "gpt-4o"}, {}, "gpt-4o", "azure.ai.openai"),
        ({"ls_provider": "google_genai"}, {"model": "models/gemini-2.5-pro"}, "gemini-2.5-pro", "gcp.gemini"),
        ({"ls_provider": "amazon_bedrock"}, {"model_id": "amazon.nova"}, "amazon.nova", "aws.bedrock"),
        ({"ls_provider": "mymodel"}, {"model_name": "gpt-4o"}, "gpt-4o", "openai"),
        ({"ls_provider": "acme"}, {"model": "roadrunner"}, "roadrunner", "acme"),
        ({}, {}, None, None),
    ],
)
def test_models_and_providers(
    record: Callable[..., Spans], metadata: dict[str, Any], parameters: dict[str, Any], model: str, provider: str
) -> None:
    spans = record()
    call([HumanMessage("Hello")], answer(AIMessage("Hi")), metadata=metadata, invocation_params=parameters)
    [said] = spans.named("Model")
    assert (said.get("gen_ai.request.model"), said.get("gen_ai.provider.name")) == (model, provider)


def test_messages_of_every_kind(record: Callable[..., Spans]) -> None:
    spans = record()
    image = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    calls: Any = [{"id": "c1", "name": "look", "args": {"at": "sky"}, "type": "tool_call"}]
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "sky"}}
    messages = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "What is this?"}, image], name="ada"),
        AIMessage(
            [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "I look."}, use], tool_calls=calls
        ),
        ToolMessage([{"type": "text", "text": "blue"}], tool_call_id="c1"),
        ChatMessage(role="critic", content="Wrong."),
    ]
    call(messages, answer(AIMessage("Sky", additional_kwargs={"reasoning_content": "Blue."})))
    [said] = spans.named("Model")
    asked_with = json.loads(said["gen_ai.input.messages"])
    assert [message["role"] for message in asked_with] == ["system", "user", "assistant", "tool", "critic"]
    assert [part["type"] for part in asked_with[1]["parts"]] == ["text", "blob"] and asked_with[1]["name"] == "ada"
    assert [part["type"] for part in asked_with[2]["parts"]] == ["reasoning", "text", "tool_call"]
    assert asked_with[2]["parts"][2]["arguments"] == {"at": "sky"}
    assert asked_with[3]["parts"] == [{"type": "tool_call_response", "response": "blue", "id": "c1"}]
    [answered] = json.loads(said["gen_ai.output.messages"])
    assert [part["content"] for part in answered["parts"]] == ["Blue.", "Sky"]


def test_several_answers_are_counted_once(record: Callable[..., Spans]) -> None:
    spans = record()
    choices = [ChatGeneration(message=AIMessage(text, usage_metadata=USAGE)) for text in ("one", "two")]
    call([HumanMessage("Hello")], LLMResult(generations=[choices]))
    [said] = spans.named("Model")
    assert len(json.loads(said["gen_ai.output.messages"])) == 2
    assert said["gen_ai.usage.output_tokens"] == USAGE["output_tokens"]


def test_prompts_of_one_batch_are_siblings(record: Callable[..., Spans]) -> None:
    spans = record()
    Scripted().generate([[HumanMessage("one")], [HumanMessage("two")]], callbacks=[HANDLER])
    assert spans.take() == ["Scripted", "Scripted"]


def test_a_graphs_state_is_told_in_few_words(record: Callable[..., Spans]) -> None:
    spans = record()
    agent().invoke({"messages": [("user", "How is the weather in Lyon?")]}, CONFIG)
    [said] = spans.named("weather-agent")
    assert json.loads(said["input.value"]) == {"messages": [{"role": "user", "content": "How is the weather in Lyon?"}]}
    *_, result, last = json.loads(said["output.value"])["messages"]
    assert result == {"role": "tool", "content": "fine in Lyon", "tool_call_id": "call_1", "name": "weather"}
    assert last["content"] == "It is fine. (fine in Lyon)"
    assert said["agent.name"] == said["gen_ai.agent.name"] == "weather-agent"
    nodes = [json.loads(attributes["metadata"])["langgraph_node"] for attributes in spans.named("model")]
    assert nodes == ["model", "model"] and "langgraph_path" not in said.get("metadata", "")


def test_failures_of_tools_are_errors_also_where_the_model_is_told_of_them(record: Callable[..., Spans]) -> None:
    spans = record()

    @tool
    def fails(how: str) -> str:
        """Fails."""
        raise (ToolException if how == "handled" else LookupError)("no such city")

    fails.handle_tool_error = True
    request = {"name": "fails", "id": "c1", "type": "tool_call"}
    assert fails.invoke(request | {"args": {"how": "handled"}}, CONFIG).status == "error"
    with pytest.raises(LookupError):
        fails.invoke(request | {"args": {"how": "not"}}, CONFIG)
    handled, raised = spans.named("fails")
    assert handled["gen_ai.tool.call.result"] == "no such city"
    assert handled["gen_ai.tool.call.id"] == raised["tool_call.id"] == "c1"
    assert raised["error.type"] == "LookupError" and json.loads(raised["tool.parameters"]) == {"how": "not"}
    assert {span.status.description for span in spans.all()} == {"no such city"}


def test_a_tool_is_called_with_its_own_arguments_whatever_was_recorded(record: Callable[..., Spans]) -> None:
    spans = record()
    basket = ["pear"]
    inputs = {"basket": basket, "note": {"for": "Ada"}}
    run_id = uuid4()
    HANDLER.on_tool_start({"name": "fill"}, "", run_id=run_id, inputs=inputs)
    assert inputs["basket"] is basket
    basket.append("apple")
    inputs["note"] = {"for": "nobody"}
    HANDLER.on_tool_end("full", run_id=run_id)
    [said] = spans.named("fill")
    assert json.loads(said["gen_ai.tool.call.arguments"]) == {"basket": ["pear"], "note": {"for": "Ada"}}


def test_sessions_users_tags_and_metadata(record: Callable[..., Spans]) -> None:
    spans = record()
    config = {**CONFIG, "tags": ["beta"], "metadata": {"conversation_id": "c-1", "user_id": 7, "tier": "plus"}}
    with tracekit.context(tags=["app"], metadata={"release": "2"}):
        rag_chain().invoke("What holds water?", config)
    [said] = spans.named("Shelf")
    assert (said["session.id"], said["user.id"], said["tag.tags"]) == ("c-1", "7", ("app", "beta"))
    assert json.loads(said["metadata"]) == {"release": "2", "conversation_id": "c-1", "user_id": 7, "tier": "plus"}


@pytest.mark.parametrize("capture", ["metadata", "none"])
def test_no_texts_where_they_are_not_to_be_kept(record: Callable[..., Spans], capture: str) -> None:
    spans = record(capture=capture)
    agent().invoke(asked("Lyon"), CONFIG)
    rag_chain().invoke("What holds water?", CONFIG)
    with pytest.raises(ConnectionError):
        Scripted(fails=(1,)).invoke("Lyon", CONFIG)
    everything = str([(span.attributes, span.events, span.status.description) for span in spans.all()])
    for text in ("Lyon", "water", "Kettle", "fine", "away"):
        assert text not in everything, text
    said = spans.named("Scripted")[0]
    assert ("gen_ai.usage.input_tokens" in said) is (capture == "metadata")
    assert ("kettle" in str(spans.named("Shelf"))) is (capture == "metadata")


def test_what_is_masked_is_nowhere(record: Callable[..., Spans]) -> None:
    spans = record(mask=lambda text: text.replace("Lyon", "<city>"))
    agent().invoke(asked("Lyon"), CONFIG)
    rag_chain().invoke("Is Lyon wet?", CONFIG)
    list(Scripted().stream([HumanMessage([{"type": "text", "text": "Lyon"}])], CONFIG))
    ChatPromptTemplate.from_template("{city}").invoke({"city": "Lyon"}, CONFIG)
    everything = str([(span.attributes, span.events, span.status.description) for span in spans.all()])
    assert "Lyon" not in everything and "<city>" in everything
