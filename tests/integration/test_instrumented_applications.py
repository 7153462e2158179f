"""Applications whose libraries are instrumented, as processes, against the model stand-in and a real collector."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector_process import PROTOBUF, CollectorProcess, Start, until
from otlp_requests import export_request, protobuf, trace_id_of

import examples
from examples.model_standin import StandIn

PATHS = ("/v1/traces", "/api/public/otel/v1/traces", "/otel/v1/traces", "/langsmith/otel/v1/traces")
QUESTION = "How long is the warranty on the Kettle K2?"
APPLICATION = """
import tracekit
from openai import OpenAI

client = OpenAI()

@tracekit.trace.llm
def ask(question):
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages)

@tracekit.trace
def answer(question):
    return ask(question).choices[0].message.content

assert tracekit.init().resource
answer("QUESTION")
assert tracekit.flush().pending == 0
"""


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with StandIn() as standin:
        thread = threading.Thread(target=standin.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield standin.base_url
        standin.shutdown()
        thread.join()


def run(collector: CollectorProcess, model: str, project: str, **settings: str) -> dict[str, Any]:
    """The one trace of the application with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    kept |= {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": "none", "NO_PROXY": "*"}
    kept |= {"TRACEKIT_ENDPOINT": collector.http, "TRACEKIT_PROJECT": project, **settings}
    root = Path(examples.__file__).parents[1]
    code = APPLICATION.replace("QUESTION", QUESTION)
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, check=False, cwd=root, env=kept, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr

    def items() -> list[dict[str, Any]]:
        return list(collector.get(f"/api/v1/traces?project={project}").json()["items"])

    until(lambda: any(not item["stale"] for item in items()))
    [found] = items()
    return dict(collector.get(f"/api/v1/traces/{found['trace_id']}").json())


def test_a_call_that_two_see_is_counted_once(collector_process: CollectorProcess, model: str) -> None:
    trace = run(collector_process, model, "instrumented", TRACEKIT_INSTRUMENT="openai,httpx,httpx2,requests")
    scopes = [span["scope"] for span in trace["spans"]]
    assert scopes[:3] == ["tracekit", "tracekit", "openinference.instrumentation.openai"]
    assert scopes[3:] == ["opentelemetry.instrumentation.httpx"]
    _, ours, theirs, _ = trace["spans"]
    assert ours["usage"]["total_tokens"] == theirs["usage"]["total_tokens"] == trace["usage"]["total_tokens"] > 0
    assert (ours["counted"], theirs["counted"], trace["llm_calls"]) == (False, True, 1)
    assert ours["duplicate_of"] == f"{trace['trace_id']}:{theirs['span_id']}"


def test_without_texts_the_instrumentation_keeps_none_either(collector_process: CollectorProcess, model: str) -> None:
    trace = run(collector_process, model, "quiet", TRACEKIT_INSTRUMENT="openai", TRACEKIT_CAPTURE="metadata")
    assert "openinference.instrumentation.openai" in {span["scope"] for span in trace["spans"]}
    assert trace["usage"]["total_tokens"] and QUESTION not in str(trace)


def test_traces_are_taken_where_other_sdks_send_them(start_collector: Start) -> None:
    collector = start_collector(env={"TRACEKIT_API_KEYS": "sk-1"})

    def post(path: str, body: bytes, credentials: str) -> int:
        basic = base64.b64encode(credentials.encode()).decode()
        return collector.post(path, body, PROTOBUF | {"Authorization": f"Basic {basic}"}).status

    for number, path in enumerate(PATHS):
        body = protobuf(export_request(number, name="sent"))
        assert post(path, body, "pk-1:wrong") == 401
        assert post(path, body, "pk-1:sk-1") == 200
        stored = collector.get(f"/api/v1/traces/{trace_id_of(number).hex()}", {"Authorization": "Bearer sk-1"})
        assert [span["name"] for span in stored.json()["spans"]] == ["sent 0"]
