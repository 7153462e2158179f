"""One trace over two processes: real servers, real clients, a real collector; and what it has of streams."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import openai
import pytest
import requests
from collector_process import CollectorProcess, until
from context_service import service
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor

import tracekit
from examples.model_standin import StandIn
from tracekit import trace

Folders = pytest.TempPathFactory
INSTRUMENTORS = (HTTPXClientInstrumentor, RequestsInstrumentor, AioHttpClientInstrumentor)


@pytest.fixture
def provider(collector_process: CollectorProcess) -> Iterator[Any]:
    yield tracekit.init("client", collector_process.http, set_global=False, interval=0.05)
    tracekit.shutdown()


@pytest.fixture
def instrumented(provider: Any) -> Iterator[None]:
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument(tracer_provider=provider)
    yield
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()


class SlowModel(StandIn):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Its client goes away: that is what is tested."""


@pytest.fixture(scope="module")
def slow_model() -> Iterator[str]:
    with SlowModel(tokens_per_second=20) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.base_url
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fastapi_service(collector_process: CollectorProcess, slow_model: str, tmp_path_factory: Folders) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    with service(folder, "fastapi", collector_process.http, slow_model, TRACEKIT_BAGGAGE="true") as (url, errors):
        yield url
    assert errors.read_text() == ""


@pytest.fixture(scope="module")
def starlette_service(collector_process: CollectorProcess, tmp_path_factory: Folders) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    with service(folder, "starlette", collector_process.http, TRACEKIT_BAGGAGE="true") as (url, errors):
        yield url
    assert errors.read_text() == ""


@pytest.fixture(params=["fastapi_service", "starlette_service"])
def instrumented_service(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def by_requests(url: str) -> str:
    return requests.get(url, timeout=20).text


def by_httpx(url: str) -> str:
    return httpx.get(url, timeout=20).text


def by_async_httpx(url: str) -> str:
    async def get() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(url, timeout=20)).text

    return asyncio.run(get())


def by_aiohttp(url: str) -> str:
    async def get() -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text()

    return asyncio.run(get())


def trace_of(collector: CollectorProcess, trace_id: str, *names: str) -> list[dict[str, Any]]:
    """The spans of a trace, as soon as these are there."""
    assert tracekit.flush(20).pending == 0
    until(lambda: set(names) <= set(collector.span_names(trace_id)))
    found: list[dict[str, Any]] = collector.get(f"/api/v1/traces/{trace_id}").json()["spans"]
    return found


def ancestry(spans: list[dict[str, Any]], name: str) -> list[tuple[str, str]]:
    """Name of a span and of those above it, and on which side each was."""
    by_id = {span["span_id"]: span for span in spans}
    [span] = [span for span in spans if span["name"] == name]
    found = []
    while span is not None:
        found.append((span["name"], "service" if span["service"] == "service" else "client"))
        parent = span["parent_span_id"]
        span = by_id[parent] if parent else None
    return found


@pytest.mark.parametrize("get", [by_requests, by_httpx, by_async_httpx, by_aiohttp])
@pytest.mark.usefixtures("instrumented")
def test_one_trace_over_two_processes(
    collector_process: CollectorProcess, instrumented_service: str, get: Callable[[str], str]
) -> None:
    with tracekit.context(user_id="ada"), trace.span("ask") as span:
        assert get(instrumented_service + "/answer").strip('"') == "42"
    spans = trace_of(collector_process, span.trace_id, "GET /answer", "answer")
    assert ancestry(spans, "answer") == [
        ("answer", "service"),
        ("GET /answer", "service"),
        ("GET", "client"),
        ("ask", "client"),
    ]
    users = {span["name"]: span["user_id"] for span in spans}
    assert users["ask"] == users["GET"] == "ada"


@pytest.mark.usefixtures("instrumented")
def test_what_tracekit_sends_is_no_span(collector_process: CollectorProcess) -> None:
    with trace.span("alone") as span:
        pass
    first = tracekit.flush(20)
    assert first.pending == 0
    with tracekit.context(tags=["second"]), trace.span("second"):
        assert tracekit.flush(20).failed == first.failed  # of other tests of this process
    tracekit.flush(20)
    assert collector_process.span_names(span.trace_id) == ["alone"]
    listed = collector_process.get("/api/v1/traces?limit=100").json()["items"]
    assert not [item for item in listed if item["name"].startswith(("POST", "HTTP POST"))]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.usefixtures("instrumented")
def test_user_and_session_go_along_where_both_sides_say_so(
    collector_process: CollectorProcess, instrumented_service: str, shared: bool
) -> None:
    tracekit.init("client", collector_process.http, interval=0.05, baggage=shared)
    with tracekit.context(user_id="Ada Lovelace, ä=1;", session_id="s-1"), trace.span("ask") as span:
        by_httpx(instrumented_service + "/answer")
        assert ("baggage" in tracekit.inject()) is shared
    spans = trace_of(collector_process, span.trace_id, "GET /answer", "answer")
    attributes = {found["name"]: found["attributes"] for found in spans}
    for name in ("answer", "GET /answer"):
        expected = ("Ada Lovelace, ä=1;", "s-1", "s-1") if shared else (None, None, None)
        keys = ("user.id", "session.id", "gen_ai.conversation.id")
        assert tuple(attributes[name].get(key) for key in keys) == expected


def test_without_any_instrumentation(collector_process: CollectorProcess, tmp_path: Path, provider: Any) -> None:
    with service(tmp_path, "plain", collector_process.http) as (url, errors), trace.span("ask") as span:
        headers = tracekit.inject({"accept": "text/plain"})
        assert headers["accept"] == "text/plain"
        assert httpx.get(url + "/answer", headers=headers).text == "42"
    assert errors.read_text() == ""
    spans = trace_of(collector_process, span.trace_id, "answer")
    assert ancestry(spans, "answer") == [("answer", "service"), ("ask", "client")]


@pytest.mark.parametrize("path", ["/chat", "/sync"])
def test_a_client_that_goes_away_in_the_middle_of_a_stream(
    collector_process: CollectorProcess, provider: Any, fastapi_service: str, path: str
) -> None:
    with trace.span("ask") as span:
        headers = tracekit.inject()
        with httpx.stream("GET", fastapi_service + path, headers=headers, timeout=20) as response:
            next(text for text in response.iter_text() if text)

    def ended() -> bool:
        return httpx.get(fastapi_service + "/collect").is_success and "tokens" in collector_process.span_names(
            span.trace_id
        )

    until(ended)
    spans = trace_of(collector_process, span.trace_id, "tokens", "chat", f"GET {path}")
    assert ancestry(spans, "tokens") == [
        ("tokens", "service"),
        ("chat", "service"),
        (f"GET {path}", "service"),
        ("ask", "client"),
    ]
    [tokens] = [found for found in spans if found["name"] == "tokens"]
    assert tokens["attributes"]["tracekit.stream.incomplete"] is True
    assert tokens["time_to_first_token_ms"] > 0
    assert "content" in tokens["attributes"]["gen_ai.output.messages"]


def test_how_fast_it_came_is_told(collector_process: CollectorProcess, slow_model: str) -> None:
    tracekit.init("speed", collector_process.http, set_global=False)
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with trace.span("outer") as outer, openai.OpenAI(base_url=slow_model, api_key="k") as client:
        list(trace.llm(name="call")(client.chat.completions.create)(**asked, stream_options={"include_usage": True}))
        list(trace.llm(name="without usage")(client.chat.completions.create)(**asked))
    assert tracekit.shutdown().pending == 0
    until(lambda: len(collector_process.span_names(outer.trace_id)) == 3)
    found = collector_process.get(f"/api/v1/traces/{outer.trace_id}").json()["spans"]
    by_name = {span["name"]: span for span in found}
    whole = by_name["call"]
    seconds = (whole["duration_ms"] - whole["time_to_first_token_ms"]) / 1000
    assert whole["tokens_per_second"] == pytest.approx(whole["usage"]["output_tokens"] / seconds, rel=0.01)
    assert by_name["without usage"]["time_to_first_token_ms"] > 0
    assert by_name["without usage"]["tokens_per_second"] is by_name["outer"]["tokens_per_second"] is None
    page = collector_process.get(f"/traces/{outer.trace_id}/spans/{whole['span_id']}").body.decode()
    assert "tokens/s" in page


PROGRAM = """
import sys, tracekit
from tracekit import trace

@trace(name="open")
def open_():
    yield "one "
    yield "two "

@trace(name="aopen")
async def aopen():
    yield "one "
    yield "two "

tracekit.init(endpoint=sys.argv[1])
generator, kept = open_(), [open_()]
next(generator), next(kept[0])
asynchronous = aopen()
try:
    asynchronous.asend(None).send(None)
except StopIteration:
    pass
kept.append(kept)
"""


@pytest.mark.skipif(
    sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)),
    reason="these two start no thread at the end (mended in 3.12.2): the next process sends the spans",
)
def test_those_still_open_when_the_process_ends(collector_process: CollectorProcess) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TRACEKIT_PROJECT": "open"}
    command = [sys.executable, "-c", PROGRAM, collector_process.http]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = collector_process.get("/api/v1/traces?project=open").json()["items"]
    assert sorted((item["name"], item["output"], item["status"]) for item in found) == [
        ("aopen", "one ", "unset"),
        ("open", "one ", "unset"),
        ("open", "one ", "unset"),
    ]
