"""The span handle: blocks, what an application sets by hand, and handles for other spans and for none."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode
from sdk_support import Recorded, parsed, spans

import tracekit
from tracekit import trace

__all__ = ["spans"]


def test_blocks_nest_and_end(spans: Recorded) -> None:
    with trace.span("outer", kind="agent", attributes={"a": 1}) as outer:
        assert tracekit.current_span() is outer
        with trace.span("inner") as inner:
            assert tracekit.current_span() is inner
            assert inner.trace_id == outer.trace_id and inner.span_id != outer.span_id
    assert spans.parent("inner") == "outer"
    assert spans.attributes("outer")["a"] == 1
    assert spans.attributes("outer")["openinference.span.kind"] == "AGENT"
    assert format(spans.one("outer").context.span_id, "016x") == outer.span_id
    assert not outer.is_recording()


def test_asynchronous_blocks(spans: Recorded) -> None:
    async def run() -> None:
        async with trace.span("block") as span:
            await asyncio.sleep(0)
            span.set_output("done")

    asyncio.run(run())
    assert spans.attributes("block")["output.value"] == "done"


def test_a_failing_block(spans: Recorded) -> None:
    with pytest.raises(ZeroDivisionError), trace.span("block"):
        1 / 0
    assert spans.one().status.status_code is StatusCode.ERROR


def test_the_application_s_output_wins(spans: Recorded) -> None:
    @trace
    def work(x: int) -> str:
        span = tracekit.current_span()
        span.set_input({"question": "?"})
        span.set_output({"answer": 42})
        return "returned"

    work(1)
    attributes = spans.one().attributes
    assert parsed(attributes["input.value"]) == {"question": "?"}
    assert parsed(attributes["output.value"]) == {"answer": 42}


def test_what_comes_after_the_end_is_not_recorded(spans: Recorded) -> None:
    @trace(name="early")
    def early(question: str) -> str:
        handle = tracekit.current_span()
        handle.end()
        handle.set_output("set after the end")
        return "returned after the end"

    early("why?")
    attributes = spans.attributes("early")
    assert attributes["input.value"] == "why?" and "output.value" not in attributes


def test_a_model_call_by_hand(spans: Recorded) -> None:
    with trace.span("call", kind="llm") as span:
        span.set_model("claude-sonnet-4-5", response_model="claude-sonnet-4-5-20250929")
        span.set_input([{"role": "user", "content": "hi"}])
        span.set_output("hello")
        span.set_usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, reasoning_tokens=5)
        span.set_cost(Decimal("0.5"), input=0.2, output=0.3)
        span.set_prompt("Say {x}", version=3, variables={"x": "hi"}, name="greeting")
    attributes = spans.attributes()
    assert attributes["gen_ai.request.model"] == "claude-sonnet-4-5"
    assert attributes["gen_ai.response.model"] == attributes["llm.model_name"] == "claude-sonnet-4-5-20250929"
    assert attributes["gen_ai.provider.name"] == attributes["llm.provider"] == "anthropic"
    assert attributes["llm.input_messages.0.message.content"] == "hi"
    assert attributes["llm.output_messages.0.message.content"] == "hello"
    assert attributes["gen_ai.usage.input_tokens"] == attributes["llm.token_count.prompt"] == 100
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 60
    assert attributes["llm.token_count.completion_details.reasoning"] == 5
    assert attributes["llm.token_count.total"] == 120
    assert (attributes["llm.cost.total"], attributes["llm.cost.prompt"]) == (0.5, 0.2)
    assert attributes["llm.prompt_template.template"] == "Say {x}"
    assert attributes["llm.prompt_template.version"] == "3"
    assert parsed(attributes["llm.prompt_template.variables"]) == {"x": "hi"}
    assert attributes["prompt.id"] == attributes["gen_ai.prompt.name"] == "greeting"


def test_usage_from_a_providers_object(spans: Recorded) -> None:
    with trace.span("call", kind="llm") as span:
        span.set_usage({"prompt_tokens": 7, "completion_tokens": 2}, cache_read_tokens=3)
    attributes = spans.attributes()
    assert (attributes["gen_ai.usage.input_tokens"], attributes["llm.token_count.total"]) == (7, 9)
    assert attributes["llm.token_count.prompt_details.cache_read"] == 3


def test_total_cost_is_the_sum_of_its_parts(spans: Recorded) -> None:
    with trace.span("call", kind="llm") as span:
        span.set_cost(input="0.1", output="0.2")  # type: ignore[arg-type]
    assert spans.attributes()["llm.cost.total"] == 0.3


def test_documents_and_embeddings_by_hand(spans: Recorded) -> None:
    with trace.span("search", kind="retriever") as span:
        span.set_input("query")
        span.add_documents([("text one", 0.9), {"id": 2, "text": "text two", "metadata": {"p": 1}}])
    with trace.span("embed", kind="embedding") as span:
        span.set_model("text-embedding-3-small")
        span.set_embeddings(["a", "b"], [[0.1, 0.2], [0.3, 0.4]])
    search, embed = spans.attributes("search"), spans.attributes("embed")
    assert search["gen_ai.retrieval.query.text"] == "query"
    assert search["retrieval.documents.0.document.content"] == "text one"
    assert search["retrieval.documents.0.document.score"] == 0.9
    assert search["retrieval.documents.1.document.id"] == "2"
    assert parsed(search["retrieval.documents.1.document.metadata"]) == {"p": 1}
    assert embed["embedding.embeddings.1.embedding.text"] == "b"
    assert embed["embedding.embeddings.1.embedding.vector"] == (0.3, 0.4)
    assert embed["gen_ai.embeddings.dimension.count"] == 2
    assert embed["embedding.model_name"] == "text-embedding-3-small"


def test_attributes_of_every_type(spans: Recorded) -> None:
    with trace.span("block") as span:
        span.set_attributes({"s": "x", "i": 1, "f": 0.5, "b": True, "l": ["a", "b"], "n": [1, 2], "d": {"k": [1]}})
        span.set_attribute("mixed", [1, "a"])
        span.set_attribute("huge", 2**80)
        span.set_attribute("none", None)
        span.add_event("happened", {"what": "it", "more": {"a": 1}})
    attributes = spans.attributes()
    assert (attributes["s"], attributes["i"], attributes["f"], attributes["b"]) == ("x", 1, 0.5, True)
    assert (attributes["l"], attributes["n"]) == (("a", "b"), (1, 2))
    assert (attributes["d"], attributes["mixed"]) == ('{"k":[1]}', '[1,"a"]')
    assert attributes["huge"] == f'"{2**80}"'
    [event] = spans.one().events
    assert dict(event.attributes) == {"what": "it", "more": '{"a":1}'}


def test_errors_by_hand(spans: Recorded) -> None:
    with trace.span("message") as span:
        span.record_error("it went wrong")
    with trace.span("exception") as span:
        span.record_error(LookupError("gone"))
    assert spans.one("message").status.description == "it went wrong"
    assert spans.attributes("message")["error.type"] == "_OTHER"
    assert spans.attributes("exception")["error.type"] == "LookupError"
    assert spans.one("exception").events[0].name == "exception"


def test_a_handle_for_a_span_of_somebody_else(spans: Recorded) -> None:
    foreign = TracerProvider().get_tracer("other")
    with foreign.start_as_current_span("theirs") as theirs:
        handle = tracekit.current_span()
        handle.set_attribute("a", 1)
        handle.set_usage(input_tokens=1)
        assert handle.otel is theirs
    assert theirs.attributes["a"] == 1  # type: ignore[attr-defined]
    assert theirs.attributes["gen_ai.usage.input_tokens"] == 1  # type: ignore[attr-defined]


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")

    def __str__(self) -> str:
        raise RuntimeError("hostile")

    __repr__ = __str__


def test_no_method_raises_whatever_it_is_given(spans: Recorded) -> None:
    def all_methods(span: tracekit.Span, value: Any) -> None:
        span.set_attribute(value, value)
        span.set_attributes(value)
        span.set_input(value)
        span.set_output(value)
        span.set_usage(value, input_tokens=value)
        span.set_model(value, value, value)
        span.set_cost(value, input=value, output=value)
        span.add_documents(value)
        span.add_documents([value, (value, value)])
        span.set_embeddings(value, value)
        span.set_prompt(value, value, value, value)
        span.add_event(value, value)
        span.record_error(value)

    values = [Hostile(), None, 5, "x", b"x", [], {}, [[]], object(), float("nan"), ValueError("v"), "\ud800"]
    for kind in ("llm", "embedding", "retriever", "reranker", "tool", "chain"):
        with trace.span("block", kind=kind) as span:
            for value in values:
                all_methods(span, value)
    all_methods(span, "after its end")
    with tracekit.context():
        all_methods(tracekit.current_span(), "without a span")
    assert len(spans.all()) == 6


def test_without_a_span_the_handle_does_nothing(spans: Recorded) -> None:
    span = tracekit.current_span()
    span.set_output("x")
    assert not span.is_recording()
    assert (span.trace_id, span.span_id) == ("0" * 32, "0" * 16)


def test_without_tracing_blocks_do_nothing() -> None:
    tracekit.shutdown(0)
    with trace.span("block") as span:
        span.set_output("x")
        assert not span.is_recording()


def test_spans_that_are_not_sampled_pass_their_context_on() -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracekit.init(tracer_provider=provider, export=False)

    @trace
    def inner() -> str:
        return tracekit.current_span().trace_id

    with trace.span("outer"):
        assert inner() == format(otel.get_current_span().get_span_context().trace_id, "032x") == inner()
    assert memory.get_finished_spans() == ()
    tracekit.shutdown(0)
