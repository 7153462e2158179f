"""One application, written in the words of each convention: the same trace to the collector, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracekit
from collector.codec.otlp import decode_traces
from collector.model import Content, Span
from collector.processors import normalize
from collector.processors.inout import trace_input_output
from tracekit import trace, wire
from tracekit.encode import Encoder

CONVENTIONS = ("compact", "openinference", "all")

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look at the weather.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 10},
    },
}
DOCUMENTS = [
    {"id": "a", "text": "The kettle holds 1.7 litres.", "score": 0.75},
    {"id": "b", "text": "The toaster has two slots.", "score": 0.25, "metadata": {"page": 3}},
]
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How much does the kettle hold?"},
    {"role": "assistant", "content": None, "tool_calls": ANSWER["choices"][0]["message"]["tool_calls"]},  # type: ignore[index]
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "user", "content": [{"type": "text", "text": "And this one, as in the picture?"}]},
]


@trace.llm
def complete(messages: list[Any], model: str, temperature: float = 0.25, tools: Any = None) -> Any:
    return ANSWER


@trace.llm
def say(prompt: str, style: str = "plain") -> str:
    return "It holds 1.7 litres."


@trace.retriever
def search(query: str, k: int = 2) -> Any:
    return DOCUMENTS


@trace.reranker
def rerank(query: str, documents: Any, top_n: int, model: str) -> Any:
    return {"results": [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.5}]}


@trace.embedding
def embed(texts: list[str], model: str) -> Any:
    return {
        "object": "list",
        "model": model,
        "data": [{"embedding": [0.5, 0.25, 1.0]}, {"embedding": [1.0, 2.0, 3.0]}],
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    }


@trace.tool(name="weather")
def look(city: str) -> Any:
    """The weather of now."""
    return {"city": city, "sky": "clear"}


@trace.agent(name="helper")
def help_out(question: str, user: str = "ada") -> Any:
    tracekit.current_span().set_prompt("Answer {question}", version=3, variables={"question": question}, name="qa")
    return {"answer": say(question)}


@trace
def bare(question: str) -> Any:
    return ANSWER


@trace
def fails(question: str) -> Any:
    raise ValueError("no kettle")


CALLS: dict[str, Callable[[], Any]] = {
    "complete": lambda: complete(
        MESSAGES, "gpt-4o-mini", tools=[{"type": "function", "function": {"name": "weather"}}]
    ),
    "say": lambda: say("How much does the kettle hold?"),
    "search": lambda: search("How much does the kettle hold?"),
    "rerank": lambda: rerank("kettle?", [one["text"] for one in DOCUMENTS], top_n=2, model="rerank-v3.5"),
    "embed": lambda: embed(["one", "two"], model="text-embedding-3-small"),
    "tool": lambda: look("Oslo"),
    "agent": lambda: help_out("How much does the kettle hold?"),
    "bare": lambda: bare("How much does the kettle hold?"),
}


@pytest.fixture
def stopped() -> Iterator[None]:
    yield
    tracekit.shutdown(0)


def spans_of(call: Callable[[], Any], provider: Any = None, **settings: Any) -> list[Any]:
    """The ended spans of a call, as they are given to exporters."""
    memory = InMemorySpanExporter()
    made = tracekit.init(export=False, set_global=False, tracer_provider=provider, **settings)
    made.add_span_processor(SimpleSpanProcessor(memory))
    with tracekit.context(user_id="ada", session_id="s-1", tags=["beta"], metadata={"tier": "plus"}):
        call()
    found = list(memory.get_finished_spans())
    memory.shutdown()
    return found


def received(ended: list[Any]) -> tuple[list[Span], list[Content]]:
    """What the collector makes of spans."""
    encoder = Encoder("shop")
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for span in ended:
        resource, scope, body = encoder.encode(span)
        groups.setdefault(resource, {}).setdefault(scope, []).append(body)
    spans = list(decode_traces(wire.request(groups)).spans)
    for span in spans:
        normalize.facts(span)
    return spans, normalize.contents(spans)


def said(messages: list[Any]) -> list[Any]:
    """Messages but for their parts: OpenInference says a tool's result as a text."""
    return [{name: value for name, value in asdict(message).items() if name != "parts"} for message in messages]


def seen(ended: list[Any]) -> dict[str, Any]:
    """All that a page shows of a trace."""
    spans, contents = received(ended)
    by_id = {span.span_id: content for span, content in zip(spans, contents, strict=True)}
    shown: dict[str, Any] = {"trace": trace_input_output(spans, lambda span: by_id[span.span_id])}
    for span, content in zip(spans, contents, strict=True):
        call = (span.request_model, span.response_model, span.provider, span.finish_reasons, span.response_id)
        shown[span.name] = {
            "kind": span.kind,
            "call": call,
            "usage": span.usage and asdict(span.usage),
            "cost": span.cost and asdict(span.cost),
            "place": (span.project, span.session_id, span.user_id, span.tags, span.metadata),
            "messages": (said(content.input_messages), said(content.output_messages)),
            "documents": [asdict(document) for document in content.documents],
            "embeddings": [asdict(embedding) for embedding in content.embeddings],
            "tool": content.tool and asdict(content.tool),
            "prompt": content.prompt and asdict(content.prompt),
            "temperature": content.parameters.get("temperature"),
            "tools": content.parameters.get("tools"),
        }
    return shown


@pytest.mark.parametrize("conventions", ["compact", "openinference"])
@pytest.mark.parametrize("name", CALLS)
def test_the_collector_sees_the_same_trace(stopped: None, name: str, conventions: str) -> None:
    found, expected = (seen(spans_of(CALLS[name], conventions=words)) for words in (conventions, "all"))
    if name == "embed":
        # The texts alone, or all arguments.
        assert found.pop("trace")[1] == expected.pop("trace")[1]
    assert found == expected


@pytest.mark.parametrize("conventions", ["compact", "openinference"])
@pytest.mark.parametrize("name", ["complete", "say", "search", "tool", "bare"])
def test_no_text_is_written_twice(stopped: None, name: str, conventions: str) -> None:
    # OpenInference itself has the answer's and the question's text as the output and the input beside the messages.
    marks = ["The kettle holds", "Let me look", "How much does", "The weather of", "sunny", "clear", '"litres"']
    for span in spans_of(CALLS[name], conventions=conventions):
        values = json.dumps(dict(span.attributes), ensure_ascii=False, default=str)
        assert all(values.count(mark) <= (1 if conventions == "compact" else 2) for mark in marks), span.attributes


def test_compact_writes_each_thing_in_one_convention(stopped: None) -> None:
    [span] = spans_of(CALLS["complete"])
    names = set(span.attributes)
    assert {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.request.model"} <= names
    assert {name for name in names if not name.startswith("gen_ai.")} == {
        "openinference.span.kind",
        "session.id",
        "user.id",
        "tag.tags",
        "metadata",
    }


def test_openinference_alone_has_no_messages_of_genai(stopped: None) -> None:
    [span] = spans_of(CALLS["complete"], conventions="openinference")
    assert "llm.input_messages.0.message.content" in span.attributes
    assert not {name for name in span.attributes if name.startswith(("gen_ai.input", "gen_ai.output", "gen_ai.usage"))}


@pytest.mark.parametrize("conventions", CONVENTIONS)
def test_reported_costs_and_errors_are_the_same(stopped: None, conventions: str) -> None:
    def call() -> None:
        with trace.span("paid", kind="llm") as span:
            span.set_model("gpt-4o-mini", response_model="gpt-4o-mini-2024-07-18")
            span.set_usage(input_tokens=5, output_tokens=7, total_tokens=20)
            span.set_cost(0.5)
        with pytest.raises(ValueError):
            fails("why?")

    spans, _ = received(spans_of(call, conventions=conventions))
    paid, failed = spans
    assert paid.usage is not None and (paid.usage.input_tokens, paid.usage.total_tokens) == (5, 20)
    assert paid.cost is not None and paid.cost.status == "reported"
    assert (paid.request_model, paid.response_model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert failed.error is not None and failed.error.type == "ValueError"


def test_an_applications_own_provider_gets_both(stopped: None) -> None:
    [span] = spans_of(CALLS["say"], TracerProvider())
    assert {"gen_ai.output.messages", "llm.output_messages.0.message.content"} <= set(span.attributes)


def test_by_environment(stopped: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEKIT_CONVENTIONS", "openinference")
    [span] = spans_of(CALLS["say"])
    assert "gen_ai.output.messages" not in span.attributes


def test_an_unknown_choice_is_logged(stopped: None, caplog: pytest.LogCaptureFixture) -> None:
    [span] = spans_of(CALLS["say"], conventions="klingon")
    assert "conventions" in caplog.text and "gen_ai.output.messages" in span.attributes
