"""Unmodified applications of LangSmith, each in a process of its own, seen through the API."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beside import needed
from collector_process import CollectorProcess, collectors, until

from examples.model_standin import StandIn

HERE = Path(__file__).parent
QUESTION = "How long do refunds take?"
#: The environment that ``make setup`` gives the older client.
OLD_CLIENT = HERE.parents[1] / ".venv" / "langsmith-0.4.60" / "bin" / "python"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collectors(tmp_path_factory.mktemp("langsmith")) as start:
        yield start()


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def run(
    collector: CollectorProcess,
    project: str,
    model: str,
    *scenes: str,
    base: str = "",
    python: str | Path = sys.executable,
) -> None:
    """The application with nothing but LangSmith's own variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH_", "LANGCHAIN_"))}
    variables = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"{collector.http}/langsmith{base}",
        "LANGSMITH_API_KEY": "any",
        "LANGSMITH_PROJECT": project,
        "NO_PROXY": "*",
    }
    command = [python, HERE / "langsmith_app.py", model, *scenes]
    done = subprocess.run(command, env=kept | variables, capture_output=True, timeout=90, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def traces(collector: CollectorProcess, project: str, count: int) -> list[dict[str, Any]]:
    """Whole traces of the project, oldest first, once ``count`` are summarised."""
    found: list[dict[str, Any]] = []

    def all_there() -> bool:
        found[:] = collector.get(f"/api/v1/traces?project={project}").json()["items"]
        return len(found) == count and not any(item["stale"] for item in found)

    until(all_there)
    return [collector.get(f"/api/v1/traces/{item['trace_id']}").json() for item in reversed(found)]


def named(trace: dict[str, Any], name: str) -> dict[str, Any]:
    return next(span for span in trace["spans"] if span["name"] == name)


def tree_of(trace: dict[str, Any], parent: str | None = None) -> list[Any]:
    """(name, kind, children) in start order."""
    mine = [span for span in trace["spans"] if span["parent_span_id"] == parent]
    return [(span["name"], span["kind"], tree_of(trace, span["span_id"])) for span in mine]


def check_tree(trace: dict[str, Any]) -> None:
    children = [("search", "retriever", []), ("lookup", "tool", []), ("model", "llm", [])]
    assert tree_of(trace) == [("ask", "chain", children)]
    assert (trace["status"], trace["user_id"], trace["session_id"], trace["tags"]) == ("ok", "ada", "s1", ["gold"])
    assert (trace["input"], trace["output"]) == (QUESTION, "Five days.")
    assert trace["metadata"]["plan"] == "pro"
    assert not [name for name in trace["metadata"] if "ENDPOINT" in name]
    assert (trace["usage"]["total_tokens"], trace["llm_calls"], trace["cost"]["status"]) == (15, 1, "computed")
    lookup, search, call = (named(trace, name) for name in ("lookup", "search", "model"))
    assert (lookup["status"], lookup["error"]["type"], lookup["error"]["message"]) == ("error", "KeyError", "K-7")
    assert lookup["tool"]["arguments"] == {"order": "K-7"}
    assert [document["text"] for document in search["documents"]] == ["Refunds take five days."]
    assert (call["request_model"], call["provider"]) == ("gpt-4o-mini", "openai")
    assert (call["usage"]["input_tokens"], call["usage"]["cache_read_tokens"]) == (10, 3)
    assert [message["text"] for message in call["output_messages"]] == ["Five days."]


@pytest.fixture(scope="module")
def sent(collector: CollectorProcess, model: str) -> dict[str, dict[str, Any]]:
    """The traces of every scene, by their names."""
    run(collector, "all", model, "tree", "wrapped", "chain", "agent")
    return {trace["name"]: trace for trace in traces(collector, "all", 4)}


def test_traceable_functions(sent: dict[str, dict[str, Any]]) -> None:
    check_tree(sent["ask"])


def test_an_endpoint_that_ends_in_the_version(collector: CollectorProcess, model: str) -> None:
    run(collector, "version", model, "tree", base="/api/v1")
    check_tree(*traces(collector, "version", 1))


def test_the_client_of_2025(collector: CollectorProcess, model: str) -> None:
    needed(OLD_CLIENT)
    run(collector, "old", model, "tree", python=OLD_CLIENT)
    (trace,) = traces(collector, "old", 1)
    assert '"sdk_version":"0.4.60"' in named(trace, "ask")["attributes"]["langsmith.extra"]
    check_tree(trace)


def test_a_wrapped_client(sent: dict[str, dict[str, Any]]) -> None:
    trace = sent["wrapped"]
    assert tree_of(trace) == [("wrapped", "chain", [("ChatOpenAI", "llm", []), ("ChatOpenAI", "llm", [])])]
    _, whole, streamed = trace["spans"]
    for call in (whole, streamed):
        assert (call["request_model"], call["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
        assert (call["provider"], call["finish_reasons"], call["counted"]) == ("openai", ["stop"], True)
        assert call["response_id"].startswith("chatcmpl-")
        assert [message["role"] for message in call["input_messages"]] == ["system", "user"]
        assert call["output_messages"][0]["text"]
        assert call["cost"]["status"] == "computed"
    assert whole["parameters"] == {"temperature": 0.2}
    assert whole["time_to_first_token_ms"] is None
    assert streamed["time_to_first_token_ms"] > 0
    tokens = [call["usage"]["total_tokens"] for call in (whole, streamed)]
    assert trace["usage"]["total_tokens"] == sum(tokens)


def test_a_chain(sent: dict[str, dict[str, Any]]) -> None:
    trace = sent["rag"]
    kinds = {span["name"]: span["kind"] for span in trace["spans"]}
    assert (kinds["rag"], kinds["Shelf"], kinds["ChatPromptTemplate"]) == ("chain", "retriever", "prompt")
    assert (kinds["ChatOpenAI"], kinds["StrOutputParser"]) == ("llm", "task")
    assert (trace["input"], trace["session_id"], trace["tags"]) == (QUESTION, "t1", [])
    (document,) = named(trace, "Shelf")["documents"]
    assert (document["id"], document["text"], document["score"]) == ("refunds", "Refunds take five days.", 0.9)
    call = named(trace, "ChatOpenAI")
    assert [message["role"] for message in call["input_messages"]] == ["system", "user"]
    assert call["output_messages"][0]["text"] == trace["output"]
    assert call["usage"]["total_tokens"] == trace["usage"]["total_tokens"]


def test_an_agent(sent: dict[str, dict[str, Any]]) -> None:
    trace = sent["desk"]
    assert named(trace, "desk")["kind"] == "agent"
    tool = named(trace, "order_status")
    assert (tool["kind"], tool["tool"]["arguments"]) == ("tool", {"order": "K-1001"})
    assert tool["tool"]["result"] == "K-1001 was sent on Monday"
    first, second = (span for span in trace["spans"] if span["kind"] == "llm")
    (wanted,) = first["output_messages"][0]["tool_calls"]
    assert (wanted["name"], wanted["id"]) == ("order_status", tool["tool"]["call_id"])
    assert (trace["input"], trace["output"]) == (
        "What is the status of order K-1001?",
        second["output_messages"][0]["text"],
    )
    assert (trace["llm_calls"], trace["usage"]["total_tokens"]) == (2, 15 + 35)
    assert {span["counted"] for span in trace["spans"]} == {True}
