"""Traces for the tests of the API, stored as the collector stores them: codec, processors, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.applications import Starlette
from starlette.testclient import TestClient

from collector.api import build_api
from collector.codec.otlp import decode_traces
from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Change, Dataset, Example
from collector.destinations import Destination
from collector.model import Call, Cost, ErrorInfo, SummaryUpdate, TraceSummary, Usage
from collector.processors.chain import process
from collector.queue.api import SUMMARISE, Item
from collector.queue.memory import MemoryQueue
from collector.storage.forward_api import Follow, Settled, Tally
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import SqlStore, open_store

NOW = 1_795_305_600_000_000_000  # 2026-11-22T00:00:00Z
SECOND = 10**9
Store = MemoryStore | SqlStore
ITEM = Item(1, "summarise", 1, 1, "token")


def client_of(store: Any) -> TestClient:
    return TestClient(Starlette(routes=build_api(store, now_ns=lambda: NOW)), raise_server_exceptions=False)


ENGINES = ("memory", "sqlite")


@contextmanager
def filled_client(engine: str, folder: Path, more: Callable[[Any], Any] = lambda _: None) -> Iterator[TestClient]:
    """``more`` is stored, too."""
    store = MemoryStore(MemoryQueue()) if engine == "memory" else open_store(f"sqlite:///{folder / 'api.db'}")
    fill(store)
    add_destination(store)
    add_dataset(store)
    more(store)
    with client_of(store) as client:
        yield client
    store.close()


def trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def add_span(
    request: TracesData, trace: int, number: int, parent: int | None, attributes: dict[str, Any], **fields: Any
) -> WireSpan:
    """A span that begins ``number`` ms after NOW; all spans of a request share a resource and a scope."""
    if not request.resource_spans:
        resource_spans = request.resource_spans.add()
        set_attributes(resource_spans.resource, {"service.name": "shop-backend", "openinference.project.name": "shop"})
        resource_spans.scope_spans.add().scope.name = "tests"
    span = request.resource_spans[0].scope_spans[0].spans.add()
    span.trace_id, span.span_id = trace_id(trace), span_id(number)
    if parent is not None:
        span.parent_span_id = span_id(parent)
    span.name = fields.get("name", f"span {number}")
    span.start_time_unix_nano = NOW + number * 10**6
    span.end_time_unix_nano = span.start_time_unix_nano + fields.get("duration_ns", 1_500_000)
    set_attributes(span, attributes)
    return span


def set_attributes(target: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        pair = target.attributes.add(key=key)
        for kind, name in ((bool, "bool"), (int, "int"), (float, "double"), (bytes, "bytes"), (str, "string")):
            if isinstance(value, kind):
                setattr(pair.value, f"{name}_value", value)
                break


def store_request(store: Store, request: TracesData) -> None:
    store.submit(process(decode_traces(request.SerializeToString()))).result()


def store_summary(store: Store, number: int, *calls: Call, **fields: Any) -> None:
    """As the summariser would: one stored span, this summary and these calls."""
    request = TracesData()
    add_span(request, number, 1, None, {})
    store_request(store, request)
    start = NOW + number * SECOND
    known = {"project": "shop", "name": "ask", "start_ns": start, "end_ns": start + SECOND, "status": "ok"}
    summary = TraceSummary(trace_id(number), span_count=1, **(known | fields))
    store.complete_summaries(_items(store), [SummaryUpdate(summary, list(calls))])


def _items(store: Store) -> list[Item]:
    if store.queue is None:
        return [ITEM]
    return store.queue.claim(SUMMARISE, "tests", limit=100, lease_ns=60 * SECOND, now_ns=time.time_ns())


def call(number: int, **fields: Any) -> Call:
    known = {"project": "shop", "kind": "llm", "start_ns": NOW + number * SECOND, "duration_ns": 10**8, "status": "ok"}
    return Call(trace_id(number), span_id(2), **(known | fields))


def fill(store: Store) -> None:
    """One trace with something in every corner, and summaries of two more."""
    store_request(store, rag_request(1))
    store_summary(
        store,
        2,
        call(
            2, model="gpt-4o-mini", provider="openai", user_id="ada", usage=Usage(10, 5, 15), cost=Cost("computed", 7)
        ),
        user_id="ada",
        session_id="s1",
        tags=["prod", "tier:gold"],
        usage=Usage(10, 5, 15),
        cost=Cost("computed", 7, 3, 4, "openai/gpt-4o-mini"),
        llm_calls=1,
        input="How long is the warranty?",
        output={"years": 2},
    )
    failed = ErrorInfo("RateLimitError", "slow down")
    store_summary(store, 3, call(3, status="error"), status="error", error=failed, error_count=1, unpriced_calls=1)


def add_dataset(store: Store) -> None:
    """ "qa", with an example that was changed and one that was not, and an experiment with two runs."""
    store.add_dataset(Dataset(b"d" * 16, "qa"), now_ns=NOW).result(30)
    examples = (Example("q", "a", {"k": 1}, "test", f"{'a' * 32}:{'b' * 16}"), Example({"q": 2}))
    ids = store.change_examples("qa", Change(add=examples), now_ns=NOW).result(30).ids
    update = Change(update={ids[0]: {"expected": "b"}}, note="mended")
    store.change_examples("qa", update, now_ns=NOW).result(30)
    store.tag_version("qa", "prod", 1, now_ns=NOW).result(30)
    store.add_experiment(Experiment("first", "qa", 2, baseline="main", id=b"e" * 16), now_ns=NOW).result(30)
    scores = ({"name": "exact", "score": 1.0},)
    runs = [
        ExperimentRun(ids[0], 0, "b", None, b"t" * 16, 1.5, 1, 2, 3, 4, scores, NOW),
        ExperimentRun(ids[1], error="x"),
    ]
    store.put_experiment_runs(b"e" * 16, runs, now_ns=NOW).result(30)


def add_destination(store: Store) -> None:
    """``backend``, that everything stored is for: of the first batch one span was refused, the rest was sent."""
    now = time.time_ns()
    given = Destination("backend", "otlp", "http://backend:4318", api_key="env:BACKEND_KEY", filter="kind == 'llm'")
    made = store.add_destination(given, from_ns=0, now_ns=now).result()
    (item,) = store.queue.claim(made.consumer, "tests", limit=1, lease_ns=60 * SECOND, now_ns=now)  # type: ignore[union-attr]
    refused = {"n": 1, "spans": [f"{trace_id(1).hex()}:{span_id(4).hex()}"]}
    follow = Follow(made.consumer, refused, now, "answered 400: no tools here")
    store.settle(made.id, [Settled(item, (follow,))], Tally(sent=4), now_ns=now, error=follow.reason)


def rag_request(trace: int) -> TracesData:
    request = TracesData()
    add_span(
        request,
        trace,
        1,
        None,
        {
            "openinference.span.kind": "CHAIN",
            "input.value": '{"question": "How long is the warranty?"}',
            "input.mime_type": "application/json",
            "output.value": "Two years <script>alert(1)</script>",
            "session.id": "s1",
            "user.id": "ada",
            "metadata": '{"tier": "gold"}',
        },
        name="ask",
    )
    add_span(
        request,
        trace,
        2,
        1,
        {
            "openinference.span.kind": "RETRIEVER",
            "retrieval.documents.0.document.id": "k2",
            "retrieval.documents.0.document.content": "The Kettle K2 carries a two-year warranty.",
            "retrieval.documents.0.document.score": 0.75,
            "retrieval.documents.1.document.content": "Descale monthly.",
            "raw": b"\x00\xff",
            "odd": float("nan"),
            "big": 2**60,
        },
    )
    llm = add_span(
        request,
        trace,
        3,
        1,
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o-mini",
            "llm.provider": "openai",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "How long is the warranty?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "lookup",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"product": "K2"}',
            "llm.token_count.prompt": 12,
            "llm.token_count.completion": 7,
            "llm.invocation_parameters": '{"temperature": 0.2}',
        },
    )
    llm.links.add(trace_id=trace_id(9), span_id=span_id(9))
    tool = add_span(
        request,
        trace,
        4,
        1,
        {"openinference.span.kind": "TOOL", "tool.name": "lookup", "input.value": '{"product": "K2"}'},
    )
    tool.status.code, tool.status.message = 2, "TimeoutError: too slow"
    event = tool.events.add(name="exception", time_unix_nano=NOW + 5)
    set_attributes(
        event,
        {
            "exception.type": "builtins.TimeoutError",
            "exception.message": "too slow",
            "exception.stacktrace": "Traceback (most recent call last): ...",
        },
    )
    add_span(
        request,
        trace,
        5,
        1,
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "text-embedding-3-small",
            "embedding.embeddings.0.embedding.text": "warranty",
        },
    )
    return request
