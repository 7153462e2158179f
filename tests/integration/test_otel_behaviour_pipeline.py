"""Samplers, processors, exporters and propagators that others wrote see tracekit's spans as they see the SDK's."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry import trace as trace_api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from otel_behaviour import SCOPE, Made, remote, under

import tracekit
from tracekit import trace

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from sdk_support import Collector, collector, wait_for

__all__ = ["collector"]

KINDS = ["tracekit", "opentelemetry"]


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


# --- samplers --------------------------------------------------------------------------------------------------------
class Asked(Sampler):
    """Answers as told, and keeps what it was asked."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self.questions: list[Any] = []

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        self.questions.append((trace_id, name, kind, dict(attributes or {}), list(links or ())))
        attributes = {**(attributes or {}), "sampler.said": str(self._decision.name)}
        return SamplingResult(self._decision, attributes, TraceState([("sampled", "by")]))

    def get_description(self) -> str:
        return "Asked"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_is_asked_and_obeyed(kind: str) -> None:
    sampler = Asked(Decision.RECORD_AND_SAMPLE)
    made = Made(kind, sampler)
    link = Link(remote())
    span = made.start("asked", kind=SpanKind.SERVER, attributes={"a": 1}, links=[link])
    trace_id, name, span_kind, attributes, links = sampler.questions[0]
    assert (trace_id, name, span_kind) == (span.get_span_context().trace_id, "asked", SpanKind.SERVER)
    assert attributes == {"a": 1} and [one.context for one in links] == [link.context]
    assert span.attributes == {"a": 1, "sampler.said": "RECORD_AND_SAMPLE"}
    assert span.get_span_context().trace_state.get("sampled") == "by"
    assert span.get_span_context().trace_flags.sampled


@pytest.mark.parametrize("kind", KINDS)
def test_recording_without_sampling(kind: str) -> None:
    made = Made(kind, Asked(Decision.RECORD_ONLY))
    watcher = Watcher("w")
    made.add(watcher)
    span = made.start()
    assert span.is_recording() and not span.get_span_context().trace_flags.sampled
    span.end()
    assert watcher.calls == ["w start work", "w end work"] and made.ended() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF), TraceIdRatioBased(0.0)])
def test_what_is_not_sampled_is_not_recorded(kind: str, sampler: Sampler) -> None:
    made = Made(kind, sampler)
    watcher = Watcher("w")
    made.add(watcher)
    span = made.start()
    assert not span.is_recording() and span.get_span_context().is_valid
    assert not span.get_span_context().trace_flags.sampled
    child = made.start("child", context=under(span))
    assert child.get_span_context().trace_id == span.get_span_context().trace_id and not child.is_recording()
    span.end()
    assert watcher.calls == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", [None, ParentBased(ALWAYS_ON), ParentBased(ALWAYS_OFF)])
def test_a_parent_decides_for_its_children(kind: str, sampler: Sampler | None) -> None:
    made = Made(kind, sampler)
    assert made.start(context=under(remote(1))).is_recording()
    assert not made.start(context=under(remote(0))).is_recording()


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_traces_by_their_ids(kind: str) -> None:
    made = Made(kind, ParentBased(TraceIdRatioBased(0.5)))
    few, many = remote(0, trace_id=1), remote(0, trace_id=(1 << 128) - 1)
    for parent, expected in ((few, True), (many, False)):
        sampler = TraceIdRatioBased(0.5)
        decided = sampler.should_sample(None, parent.trace_id, "x").decision.is_sampled()
        assert decided is expected
    sampled = [made.start().is_recording() for _ in range(200)]
    assert 40 < sum(sampled) < 160


# --- processors ------------------------------------------------------------------------------------------------------
class Watcher(SpanProcessor):
    """Says what it is called with; gives each span an attribute when it starts."""

    def __init__(self, name: str, calls: list[str] | None = None) -> None:
        self.name = name
        self.calls: list[str] = [] if calls is None else calls
        self.parents: list[Any] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.calls.append(f"{self.name} start {span.name}")
        self.parents.append(parent_context)
        span.set_attribute(self.name, baggage.get_baggage("tenant", parent_context) or "none")

    def on_end(self, span: ReadableSpan) -> None:
        self.calls.append(f"{self.name} end {span.name}")
        assert span.end_time is not None and span.attributes is not None and self.name in span.attributes

    def shutdown(self) -> None:
        self.calls.append(f"{self.name} shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.calls.append(f"{self.name} flush")
        return True


def test_processors_are_called_in_their_order(made: Made) -> None:
    calls: list[str] = []
    made.add(Watcher("a", calls))
    made.add(Watcher("b", calls))
    context = baggage.set_baggage("tenant", "acme")
    with trace_api.use_span(made.start("outer", context=context), end_on_exit=True):
        made.start("inner").end()
    assert calls == [
        *("a start outer", "b start outer", "a start inner", "b start inner"),
        *("a end inner", "b end inner", "a end outer", "b end outer"),
    ]
    inner, outer = made.ended()
    assert outer.attributes == {"a": "acme", "b": "acme"} and inner.attributes == {"a": "none", "b": "none"}
    assert made.provider.force_flush()
    made.provider.shutdown()
    assert calls[-4:] == ["a flush", "b flush", "a shutdown", "b shutdown"]


def test_a_processor_that_comes_late(made: Made) -> None:
    span = made.start("early")
    late = Watcher("late")
    late.on_end = lambda span: late.calls.append(f"end {span.name}")  # type: ignore[method-assign, func-returns-value, assignment]
    made.add(late)
    span.end()
    made.start("later").end()
    assert late.calls == ["end early", "late start later", "end later"]


class LastWord(SpanProcessor):
    def _on_ending(self, span: Any) -> None:
        span.update_name("renamed while ending")


def test_a_processor_that_changes_spans_as_they_end() -> None:
    made = Made("tracekit")
    made.add(LastWord())
    made.start().end()
    assert made.one().name == "renamed while ending"


def test_a_processor_that_raises_does_not_reach_the_application() -> None:
    class Broken(SpanProcessor):
        calls = 0

        def on_end(self, span: ReadableSpan) -> None:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("broken")

    provider = tracekit.init(export=False, set_global=False)
    broken = Broken()
    provider.add_span_processor(broken)
    assert (trace(lambda: 5)(), broken.calls) == (5, 1)
    tracekit.shutdown(0)


# --- exporters -------------------------------------------------------------------------------------------------------
def test_the_console_exporter(made: Made) -> None:
    out = io.StringIO()
    made.add(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
    span = made.start("printed", attributes={"a": 1})
    span.add_event("happened", {"b": 2})
    span.end()
    printed = json.loads(out.getvalue())
    assert (printed["name"], printed["attributes"], printed["parent_id"]) == ("printed", {"a": 1}, None)
    assert printed["context"]["span_id"] == "0x" + trace_api.format_span_id(span.get_span_context().span_id)
    assert printed["events"][0]["name"] == "happened" and printed["resource"]["attributes"]["service.name"]


def test_opentelemetrys_own_exporter(made: Made, collector: Collector) -> None:
    made.add(BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    root = made.start("root", context=under(remote(3, vendor="x")), kind=SpanKind.CLIENT)
    child = made.start("child", context=under(root), attributes={"a": [1, 2]}, links=[Link(remote(), {"l": 1})])
    child.add_event("e", {"n": 1})
    child.set_status(trace_api.StatusCode.ERROR, "no")
    child.end()
    root.end()
    assert made.provider.force_flush()
    wait_for(lambda: len(collector.spans()) == 2)
    sent, outer = collector.spans()
    assert (sent.name, sent.parent_span_id, outer.trace_state) == ("child", outer.span_id, "vendor=x")
    assert (sent.status.code, sent.status.message, sent.events[0].name) == (2, "no", "e")
    assert sent.links[0].span_id == remote().span_id.to_bytes(8, "big") and outer.kind == 3
    assert collector.requests[0].resource_spans[0].scope_spans[0].scope.name == SCOPE
    made.provider.shutdown()


def test_what_is_worked_out_later_is_there_for_every_exporter(collector: Collector) -> None:
    out = io.StringIO()
    provider = tracekit.init(export=False, set_global=False, conventions="compact")
    batches = BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces"))
    provider.add_span_processor(batches)
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
    question = {"role": "user", "content": "why?"}
    trace.llm(name="call")(lambda messages: "because")([question])
    question["content"] = "changed since"
    assert provider.force_flush()
    wait_for(lambda: len(collector.spans()) == 1)
    sent = {item.key: item.value.string_value for item in collector.spans()[0].attributes}
    printed = json.loads(out.getvalue())["attributes"]
    for found in (sent, printed):
        assert "why?" in found["gen_ai.input.messages"] and "because" in found["gen_ai.output.messages"]
    batches.shutdown()
    tracekit.shutdown(0)


# --- propagators and others' spans -----------------------------------------------------------------------------------
def test_traceparent_out_and_in(made: Made) -> None:
    propagator = TraceContextTextMapPropagator()
    carrier: dict[str, str] = {}
    sent = made.start(context=under(remote(3, vendor="x")))
    propagator.inject(carrier, under(sent))
    context = sent.get_span_context()
    ids = trace_api.format_trace_id(context.trace_id), trace_api.format_span_id(context.span_id)
    assert carrier == {"traceparent": f"00-{ids[0]}-{ids[1]}-03", "tracestate": "vendor=x"}
    received = made.start(context=propagator.extract(carrier))
    assert received.parent.span_id == context.span_id and received.parent.is_remote
    assert received.get_span_context().trace_state.get("vendor") == "x"


def test_spans_of_tracekit_and_of_the_sdk_are_one_trace() -> None:
    made = Made("tracekit")
    theirs = made.provider.get_tracer("other")
    outer = made.start("ours")
    middle = theirs.start_span("theirs", context=under(outer))
    inner = made.start("ours again", context=under(middle))
    for span in (inner, middle, outer):
        span.end()
    again, other, first = made.ended()
    assert again.parent == other.context and other.parent == first.context
    assert len({span.context.trace_id for span in made.ended()}) == 1
    assert {span.resource for span in made.ended()} == {made.provider.resource}


def test_the_handle_and_the_api_are_one_span() -> None:
    provider = tracekit.init(export=False, set_global=False)
    made = Made("tracekit")
    provider.add_span_processor(SimpleSpanProcessor(made.memory))
    with trace.span("work") as span:
        assert trace_api.get_current_span() is span.otel
        trace_api.get_current_span().set_attribute("by.api", [1, 2])
        trace_api.get_current_span().add_event("by api")
        span.set_attribute("by.handle", {"a": 1})
    found = made.one()
    assert found.attributes is not None
    assert (found.attributes["by.api"], found.attributes["by.handle"]) == ((1, 2), '{"a":1}')
    assert [event.name for event in found.events] == ["by api"]
    tracekit.shutdown(0)
