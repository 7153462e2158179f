"""The examples with LangChain and LangGraph run as a user would run them, and what they did is in the collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from collector_process import CollectorProcess, until

import examples
from examples.model_standin import StandIn

ROOT = Path(examples.__file__).parents[1]
#: both in one process, which saves loading LangChain twice
DRIVER = """
import runpy
for name in ("langchain_agent", "langchain_rag"):
    runpy.run_module("examples." + name, run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def traces(collector_process: CollectorProcess) -> list[dict[str, Any]]:
    with StandIn() as standin:
        thread = threading.Thread(target=standin.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT", "LANG"))}
        variables = {"OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "none", "NO_PROXY": "*"}
        done = subprocess.run(
            [sys.executable, "-m", "collector", "run", "--endpoint", collector_process.http, "-c", DRIVER],
            cwd=ROOT,
            env=inherited | variables,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        standin.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    assert "Parcel TR-5591: place Lyon" in done.stdout and "once a month" in done.stdout
    found: list[dict[str, Any]] = []

    def stored() -> bool:
        found[:] = collector_process.get("/api/v1/traces?limit=100&sort=start_time").json()["items"]
        return len(found) == 4 and not any(trace["stale"] for trace in found)

    until(stored, 30)
    return [collector_process.get(f"/api/v1/traces/{trace['trace_id']}").json() for trace in found]


def test_the_agents_tool_fails_once_and_the_model_tries_again(traces: list[dict[str, Any]]) -> None:
    trace = next(trace for trace in traces if trace["input"] == "Where is my order F-10423?")
    assert (trace["name"], trace["user_id"], trace["session_id"]) == ("service-agent", "ada", "chat-ada")
    assert trace["output"].startswith("Order F-10423: item Kettle K2")
    parents = {span["span_id"]: span["name"] for span in trace["spans"]}
    tried = [span for span in trace["spans"] if span["name"] == "track_parcel"]
    assert [span["status"] for span in tried] == ["error", "unset"]
    assert {parents[span["parent_span_id"]] for span in trace["spans"] if span["name"] == "ask_carrier"} == {
        "track_parcel"
    }
    calls = [span for span in trace["spans"] if span["kind"] == "llm"]
    assert all(
        span["time_to_first_token_ms"] > 0 and span["response_model"] == "gpt-4o-mini-2024-07-18" for span in calls
    )
    assert trace["usage"]["total_tokens"] == sum(span["usage"]["total_tokens"] for span in calls) > 0
    assert trace["llm_calls"] == 4 and trace["cost"]["status"] == "computed"


def test_the_chain_with_a_retriever_needs_no_line_of_tracing(traces: list[dict[str, Any]]) -> None:
    assert "tracekit" not in (ROOT / "examples/langchain_rag.py").read_text("utf-8").partition('"""\n\nfrom')[2]
    [trace] = [trace for trace in traces if trace["user_id"] == "ben" and trace["name"] == "answer"]
    assert trace["tags"] == ["manuals"] and trace["input"].startswith("What does error E03")
    [retriever] = [span for span in trace["spans"] if span["kind"] == "retriever"]
    assert len(retriever["documents"]) == 4 and retriever["documents"][0]["id"] == "bike-e7-errors"
    assert all(0 < document["score"] < 1 for document in retriever["documents"])
    [call] = [span for span in trace["spans"] if span["kind"] == "llm"]
    assert "speed sensor" in json.dumps(call["output_messages"]) and call["finish_reasons"] == ["stop"]
    assert call["attributes"]["gen_ai.response.id"].startswith("chatcmpl-")
