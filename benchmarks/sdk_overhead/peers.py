"""The peers: each gives a decorator for the workload, and a function that delivers what was traced.

floor       the undecorated functions
otel        opentelemetry-sdk by hand: one span a call, JSON input and output, batch processor as it comes (queue 2,048)
otel_bigq   the same with a queue of 200,000, so that nothing is dropped: the true cost of every span sent
otel_gzip   otel with its gzip
langsmith   ``@traceable`` of LangSmith's client, where that is installed
tracekit    ``@trace`` as it comes: masked by key names, prices computed where genai-prices is installed
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from benchmarks.sdk_overhead.workload import Wrap

Peer = tuple[Wrap, Callable[[], None]]

#: what an application of the peer imports
IMPORTS = {
    "floor": "pass",
    "otel": (
        "from opentelemetry.sdk.trace import TracerProvider;"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor;"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter"
    ),
    "langsmith": "from langsmith import traceable",
    "tracekit": "import tracekit",
    "tracekit+init": "import tracekit; tracekit.init()",
}


def setup(name: str, endpoint: str) -> Peer:
    return _PEERS[name](endpoint)


def _floor(endpoint: str) -> Peer:
    return (lambda kind, function: function), lambda: None


def _otel(endpoint: str, queue: int | None = None, gzip: bool = False) -> Peer:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    compression = Compression.Gzip if gzip else Compression.NoCompression
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", compression=compression)
    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=queue))
    return _by_hand(provider.get_tracer("bench")), lambda: (provider.force_flush(120_000), None)[1]


def _by_hand(tracer: Any) -> Wrap:
    """What a careful user would write: one span, JSON input and output attributes."""
    kinds = {"root": "CHAIN", "retriever": "RETRIEVER", "llm": "LLM"}

    def wrap(kind: str, function: Any) -> Any:
        signature = inspect.signature(function)

        def begin(span: Any, args: Any, kwargs: Any) -> None:
            span.set_attribute("openinference.span.kind", kinds[kind])
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            span.set_attribute("input.value", json.dumps(bound.arguments))
            span.set_attribute("input.mime_type", "application/json")

        def finish(span: Any, out: Any) -> None:
            span.set_attribute("output.value", out if isinstance(out, str) else json.dumps(out))
            if kind == "llm":
                span.set_attribute("llm.token_count.prompt", out["usage"]["prompt_tokens"])
                span.set_attribute("llm.token_count.completion", out["usage"]["completion_tokens"])

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(function.__name__) as span:
                begin(span, args, kwargs)
                out = await function(*args, **kwargs)
                finish(span, out)
                return out

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(function.__name__) as span:
                begin(span, args, kwargs)
                out = function(*args, **kwargs)
                finish(span, out)
                return out

        return call_async if inspect.iscoroutinefunction(function) else call

    return wrap


def _langsmith(endpoint: str) -> Peer:
    os.environ.update(
        LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=endpoint, LANGSMITH_API_KEY="none", LANGSMITH_PROJECT="bench"
    )
    from langsmith import Client, traceable

    client = Client()
    kinds = {"root": "chain", "retriever": "retriever", "llm": "llm"}

    def wrap(kind: str, function: Any) -> Any:
        return traceable(run_type=kinds[kind], name=function.__name__, client=client)(function)  # type: ignore[call-overload]

    return wrap, client.flush


def _tracekit(endpoint: str) -> Peer:
    import tracekit
    from tracekit import trace

    tracekit.init(project="bench", endpoint=endpoint)
    kinds = {"root": trace, "retriever": trace.retriever, "llm": trace.llm}
    return (lambda kind, function: kinds[kind](function)), lambda: (tracekit.flush(120), None)[1]


_PEERS: dict[str, Callable[[str], Peer]] = {
    "floor": _floor,
    "otel": _otel,
    "otel_bigq": lambda endpoint: _otel(endpoint, queue=200_000),
    "otel_gzip": lambda endpoint: _otel(endpoint, gzip=True),
    "langsmith": _langsmith,
    "tracekit": _tracekit,
}
NAMES = tuple(_PEERS)
#: what is not a part of the development environment everywhere
_NEEDS = {"langsmith": "langsmith"}


def missing(name: str) -> str | None:
    """The package that a peer needs and that is not installed."""
    package = _NEEDS.get(name)
    return package if package is not None and find_spec(package) is None else None
