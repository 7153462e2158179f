"""The same application traced by tracekit's handler, without a line of code, and by LangSmith's own client: what the
collector then shows is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import langchain_app
import pytest
from collector_process import CollectorProcess, until
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import tracekit
from tracekit.integrations.langchain import TracekitCallbackHandler

HERE = Path(__file__).parent
APP = HERE / "langchain_app.py"
#: trace -> the number of its runs
RUNS = {"simple": 4, "rag": 9, "weather-agent": 7, "renamed": 7}


def run_app(collector: CollectorProcess, project: str, *command: str, **variables: str) -> str:
    """What the application prints, whatever traces it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TRACEKIT", "LANG", "OTEL"))}
    env = {**inherited, "PYTHONPATH": str(HERE), "NO_PROXY": "*", **variables}
    env |= {"TRACEKIT_ENDPOINT": collector.http, "TRACEKIT_PROJECT": project}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def explicit(collector: CollectorProcess) -> str:
    """In this process, to save one."""
    provider = TracerProvider(resource=Resource({"openinference.project.name": "explicit"}))
    tracekit.init(endpoint=collector.http, tracer_provider=provider)
    failed = tracekit.flush().failed  # of other tests of this process
    said = langchain_app.main(callbacks=[TracekitCallbackHandler()])
    assert tracekit.shutdown().failed == failed
    return said


def by_variable(collector: CollectorProcess) -> str:
    """tracekit is imported before LangChain, and not used."""
    code = "import tracekit, runpy; runpy.run_path({!r}, run_name='__main__')"
    return run_app(collector, "by_variable", sys.executable, "-c", code.format(str(APP)), TRACEKIT_TRACING="true")


def by_run(collector: CollectorProcess) -> str:
    return run_app(collector, "by_run", sys.executable, "-m", "collector", "run", str(APP))


def langsmith(collector: CollectorProcess) -> str:
    """LangSmith's client, which LangChain starts by itself; the application does not know tracekit."""
    variables = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": f"{collector.http}/langsmith"}
    variables |= {"LANGSMITH_API_KEY": "any", "LANGSMITH_PROJECT": "langsmith"}
    return run_app(collector, "", sys.executable, str(APP), **variables)


WAYS: dict[str, Callable[[CollectorProcess], str]] = {
    way.__name__: way for way in (explicit, by_variable, by_run, langsmith)
}


def traces_of(collector: CollectorProcess, project: str, runs: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Name -> the trace with its spans, once all are stored and summarised."""
    found: dict[str, dict[str, Any]] = {}

    def stored() -> bool:
        query = urlencode({"project": project, "limit": 100})
        items = collector.get(f"/api/v1/traces?{query}").json()["items"]
        found.clear()
        found.update({item["name"]: item for item in items if not item["stale"]})
        return {name: item["span_count"] for name, item in found.items()} == runs

    until(stored, 30)
    return {name: collector.get(f"/api/v1/traces/{item['trace_id']}").json() for name, item in found.items()}


def shape(trace: dict[str, Any]) -> Any:
    """What must not depend on who traced: names, kinds, parents, order, and of model calls what they used."""

    def below(parent: str | None) -> list[Any]:
        return [
            (span["name"], span["kind"], span["status"] == "error", counted(span), below(span["span_id"]))
            for span in trace["spans"]
            if span["parent_span_id"] == parent
        ]

    def counted(span: dict[str, Any]) -> Any:
        return (span["usage"], span["response_model"], span["counted"]) if span["kind"] == "llm" else None

    return below(None), trace["usage"], trace["cost"]["total"], trace["user_id"], trace["session_id"]


@pytest.fixture(scope="module")
def ways(collector_process: CollectorProcess) -> dict[str, dict[str, dict[str, Any]]]:
    said = {name: way(collector_process) for name, way in WAYS.items()}
    assert len(set(said.values())) == 1
    return {name: traces_of(collector_process, name, RUNS) for name in WAYS}


@pytest.mark.parametrize("trace", RUNS)
def test_every_way_gives_the_same_trees_and_usage(ways: dict[str, Any], trace: str) -> None:
    expected = shape(ways["explicit"][trace])
    for name, traces in ways.items():
        assert shape(traces[trace]) == expected, name


def test_what_a_trace_of_an_agent_says(ways: dict[str, Any]) -> None:
    trace = ways["by_run"]["weather-agent"]
    assert (trace["input"], trace["output"]) == ("How is the weather in Lyon?", "It is fine. (fine in Lyon)")
    assert (trace["user_id"], trace["session_id"], trace["tags"]) == ("ada", "s-1", ["beta"])
    assert trace["metadata"]["user_id"] == "ada" and trace["llm_calls"] == 2
    usage = trace["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cache_read_tokens"]) == (40, 14, 8)
    assert trace["cost"]["status"] == "computed"
    assert [one["spans"][0]["kind"] for one in (trace, ways["by_run"]["renamed"])] == ["agent", "agent"]


def test_what_a_model_call_and_a_tool_of_an_agent_say(ways: dict[str, Any]) -> None:
    spans = ways["by_run"]["weather-agent"]["spans"]
    first, second = [span for span in spans if span["kind"] == "llm"]
    assert (first["provider"], first["request_model"]) == ("openai", "gpt-4o-mini")
    assert first["response_model"] == "gpt-4o-mini-2024-07-18"
    assert (first["finish_reasons"], second["finish_reasons"]) == (["tool_calls"], ["stop"])
    assert first["parameters"]["temperature"] == 0.2
    [call] = first["output_messages"][0]["tool_calls"]
    assert (call["id"], call["name"], call["arguments"]) == ("call_1", "weather", {"city": "Lyon"})
    assert [message["role"] for message in second["input_messages"]] == ["system", "user", "assistant", "tool"]
    assert second["input_messages"][-1]["tool_call_id"] == "call_1"
    [tool] = [span["tool"] for span in spans if span["kind"] == "tool"]
    assert (tool["name"], tool["arguments"], tool["result"]) == ("weather", {"city": "Lyon"}, "fine in Lyon")
    assert (tool["call_id"], tool["description"]) == ("call_1", "The weather of a city.")
    assert {span["metadata"].get("langgraph_node") for span in spans[1:]} == {"model", "tools"}


def test_what_a_chain_with_a_retriever_says(ways: dict[str, Any]) -> None:
    trace = ways["by_variable"]["rag"]
    assert (trace["input"], trace["output"]) == ("What holds water?", "It is fine. (What holds water?)")
    [retriever] = [span for span in trace["spans"] if span["kind"] == "retriever"]
    assert retriever["input"] == "What holds water?"
    assert [(one["id"], one["score"]) for one in retriever["documents"]] == [("kettle", 0.9), ("tent", 0.4)]
    assert retriever["documents"][1]["metadata"]["shelf"] == "outdoor"
    assert [span["kind"] for span in trace["spans"] if span["name"] == "ChatPromptTemplate"] == ["prompt"]
