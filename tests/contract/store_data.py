"""Spans as senders send them: real OTLP bytes through the real codec and processors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from collector.codec.otlp import decode_traces, spans_of
from collector.model import SpanBatch
from collector.processors.chain import process
from collector.processors.normalize import content
from collector.queue.api import INDEX, SUMMARISE
from collector.summarise.summary import summarise

#: 2026-01-02T03:04:05Z
T0 = 1_767_323_045_000_000_000
SECOND = 10**9
STATUS = {"unset": 0, "ok": 1, "error": 2}


@dataclass(frozen=True)
class Sent:
    """One span. ``trace`` and ``span`` are small numbers that ids are made of; times are seconds after ``T0``."""

    trace: int
    span: int
    parent: int | None = None
    name: str = "op"
    at: float = 0.0
    lasts: float = 1.0
    status: str = "unset"
    message: str = ""
    project: str = "p"
    attributes: dict[str, Any] = field(default_factory=dict)


def trace_id(number: int) -> bytes:
    return (number + 1).to_bytes(16, "big")


def span_id(number: int) -> bytes:
    return (number + 1).to_bytes(8, "big")


def llm(trace: int, span: int, parent: int | None = None, **more: Any) -> Sent:
    """A model call: ``user``, ``session``, ``model``, ``tokens`` (in, out), ``cost`` (USD), ``text`` beside the
    fields of ``Sent``."""
    tokens = more.pop("tokens", (10, 5))
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": more.pop("model", "gpt-4o"),
        "llm.token_count.prompt": tokens[0],
        "llm.token_count.completion": tokens[1],
        "llm.token_count.total": tokens[0] + tokens[1],
        "user.id": more.pop("user", None),
        "session.id": more.pop("session", None),
        "llm.cost.total": more.pop("cost", None),
        "input.value": more.pop("text", "hello"),
    } | more.pop("attributes", {})
    return Sent(trace, span, parent, attributes={k: v for k, v in attributes.items() if v is not None}, **more)


def body(spans: Iterable[Sent]) -> bytes:
    """An export request, one resource per project in order of appearance."""
    resources: dict[str, ResourceSpans] = {}
    for span in spans:
        resource = resources.setdefault(span.project, ResourceSpans(scope_spans=[ScopeSpans()]))
        if not resource.resource.attributes:
            resource.resource.attributes.append(_pair("openinference.project.name", span.project))
        resource.scope_spans[0].spans.append(_wired(span))
    return TracesData(resource_spans=resources.values()).SerializeToString()


def batch(*spans: Sent) -> SpanBatch:
    """As the pipeline hands it to the store."""
    decoded = process(decode_traces(body(spans)))
    assert not decoded.rejected
    return decoded


def send(store: Any, *spans: Sent) -> Any:
    """Store in one batch, wait for the commit."""
    return store.submit(batch(*spans)).result(30)


def catch_up(store: Any, now_ns: int = 2**62) -> None:
    """Do what the queue's consumers do, until nothing is left: summaries, and every text attribute findable."""
    while items := store.queue.claim(SUMMARISE, "test", limit=100, lease_ns=SECOND, now_ns=now_ns):
        traces = store.traces_of_batches([item.batch_id for item in items])
        updates = [summarise(store.get_spans(found), content) for found in traces]
        assert store.complete_summaries(items, updates) == len(items)
    while items := store.queue.claim(INDEX, "test", limit=100, lease_ns=SECOND, now_ns=now_ns):
        texts = [
            (item, [(number, _text(data)) for number, data in store.originals_of_batch(item.batch_id)])
            for item in items
        ]
        assert store.complete_index(texts) == len(items)


def stored(store: Any, *spans: Sent) -> None:
    """Send, and have everything derived."""
    send(store, *spans)
    catch_up(store)


def _text(data: bytes) -> str:
    spans = spans_of(data)
    return " ".join([*(s.name for s in spans), *(str(v) for s in spans for v in s.attributes.values())])


def _wired(span: Sent) -> Span:
    start = T0 + round(span.at * SECOND)
    wired = Span(
        trace_id=trace_id(span.trace),
        span_id=span_id(span.span),
        parent_span_id=b"" if span.parent is None else span_id(span.parent),
        name=span.name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + round(span.lasts * SECOND),
        attributes=[_pair(key, value) for key, value in span.attributes.items()],
    )
    wired.status.code = STATUS[span.status]
    wired.status.message = span.message
    return wired


def _pair(key: str, value: Any) -> KeyValue:
    return KeyValue(key=key, value=_any(value))


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return AnyValue(array_value=ArrayValue(values=[_any(item) for item in value]))
    return AnyValue(string_value=value)
