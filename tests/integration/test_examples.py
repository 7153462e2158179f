"""Every example runs as a user would run it, and what it did is found in the collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from collector_process import CollectorProcess, until

import examples
from examples.model_standin import StandIn

ROOT = Path(examples.__file__).parents[1]
#: example -> (how it is started, its project, how many traces it makes)
RUNS = {
    "rag": ("module", "shop-search", 10),
    "agent": ("script", "shop-service", 4),
    "streaming": ("module", "shop-catalogue", 3),
    "async_threads": ("script", "shop-reviews", 1),
    "chat_session": ("module", "shop-chat", 9),
}


@dataclass
class Stored:
    """The traces of all examples; ``traces`` by project, in the order in which they began."""

    collector: CollectorProcess
    output: dict[str, str]
    traces: dict[str, list[dict[str, Any]]]

    def trace(self, project: str, question: str) -> dict[str, Any]:
        """With its spans."""
        [found] = [t for t in self.traces[project] if question in str(t["input"])]
        return dict(self.collector.get(f"/api/v1/traces/{found['trace_id']}").json())

    def usage(self, **query: str) -> list[dict[str, Any]]:
        return list(self.collector.get("/api/v1/usage?" + urlencode(query)).json()["items"])


@pytest.fixture(scope="module")
def stored(collector_process: CollectorProcess) -> Iterator[Stored]:
    with StandIn() as standin:
        thread = threading.Thread(target=standin.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        output = run_all(standin.base_url, collector_process.http)
        standin.shutdown()
        thread.join()
    traces: dict[str, list[dict[str, Any]]] = {}

    def settled() -> bool:
        for _, project, _ in RUNS.values():
            items = collector_process.get(f"/api/v1/traces?project={project}&sort=start_time&limit=100").json()["items"]
            traces[project] = items
        found = [len(traces[project]) == count for _, project, count in RUNS.values()]
        return all(found) and not any(t["stale"] for items in traces.values() for t in items)

    until(settled, 30)
    yield Stored(collector_process, output, traces)


#: Runs each as ``python -m`` or as ``python FILE`` does, all in one process, so that what is heavy is loaded once.
DRIVER = """
import json, runpy, sys
for name, how in json.loads(sys.argv[1]):
    print("==", name, flush=True)
    if how == "module":
        runpy.run_module("examples." + name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(f"examples/{name}.py", run_name="__main__")
"""


def run_all(model_url: str, endpoint: str) -> dict[str, str]:
    """What each example printed."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_", "OPENAI_"))}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([(name, how) for name, (how, _, _) in RUNS.items()])],
        check=False,
        cwd=ROOT,
        env=kept
        | {"OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "none", "TRACEKIT_ENDPOINT": endpoint, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {name: text for name, _, text in (part.partition("\n") for part in done.stdout.split("== ")[1:])}


def named(trace: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [span for span in trace["spans"] if span["name"] == name]


def tree(trace: dict[str, Any]) -> Counter[tuple[str, str | None, str]]:
    """(name, its parent's name, kind) -> how often."""
    names = {span["span_id"]: span["name"] for span in trace["spans"]}
    return Counter((s["name"], names.get(s["parent_span_id"]), s["kind"]) for s in trace["spans"])


def test_every_question_is_a_trace_of_retrieval_reranking_and_answer(stored: Stored) -> None:
    trace = stored.trace("shop-search", "descale the kettle")
    assert tree(trace) == Counter(
        {
            ("answer", None, "chain"): 1,
            ("retrieve", "answer", "retriever"): 1,
            ("embed", "retrieve", "embedding"): 1,
            ("rerank", "answer", "reranker"): 1,
            ("chat", "rerank", "llm"): 1,
            ("chat", "answer", "llm"): 1,
        }
    )
    assert (trace["user_id"], trace["tags"], trace["metadata"]) == ("ada", ["rag"], {"corpus": "manuals"})
    assert trace["output"] in stored.output["rag"]
    assert trace["output"].startswith("Descale the Kettle K2 once a month")
    assert trace["status"] != "error"


def test_documents_come_with_ids_texts_and_scores_in_order(stored: Stored) -> None:
    trace = stored.trace("shop-search", "descale the kettle")
    [retrieved], [reranked] = named(trace, "retrieve"), named(trace, "rerank")
    assert len(retrieved["documents"]) == 6 and len(reranked["documents"]) == 3
    assert "kettle-k2-descaling" in [document["id"] for document in retrieved["documents"]]
    best = reranked["documents"][0]
    assert best["id"] == "kettle-k2-descaling" and "hard" in best["text"] and best["metadata"]["shelf"] == "kitchen"
    assert all(document["text"] for document in retrieved["documents"])
    scores = [document["score"] for document in retrieved["documents"]]
    assert scores == sorted(scores, reverse=True)


def test_models_tokens_and_cost_of_every_call_are_known(stored: Stored) -> None:
    trace = stored.trace("shop-search", "descale the kettle")
    small, large = sorted(named(trace, "chat"), key=lambda span: span["request_model"], reverse=True)
    assert (small["request_model"], small["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (large["request_model"], large["provider"]) == ("gpt-4o", "openai")
    assert [message["role"] for message in large["input_messages"]] == ["system", "user"]
    assert large["output_messages"][0]["text"] == trace["output"]
    assert large["finish_reasons"] == ["stop"]
    [embedding] = named(trace, "embed")
    assert embedding["request_model"] == "text-embedding-3-small" and embedding["usage"]["input_tokens"] > 0
    calls = [small, large, embedding]
    assert all(Decimal(span["cost"]["total"]) > 0 for span in calls)
    assert Decimal(trace["cost"]["total"]) == sum(Decimal(span["cost"]["total"]) for span in calls)
    assert trace["usage"]["total_tokens"] == sum(span["usage"]["total_tokens"] for span in calls)
    assert trace["llm_calls"] == 2


def test_a_wrong_retrieval_can_be_told_from_a_wrong_answer(stored: Stored) -> None:
    trace = stored.trace("shop-search", "return a tent")
    [retrieved] = named(trace, "retrieve")
    assert {document["metadata"]["shelf"] for document in retrieved["documents"]} == {"lighting"}
    assert trace["output"].startswith("I do not know")


def test_a_rate_limit_is_an_error_with_its_type(stored: Stored) -> None:
    trace = stored.trace("shop-search", "rate-limit-me")
    assert trace["status"] == "error" and trace["user_id"] == "dora"
    failed = [span for span in trace["spans"] if span["status"] == "error"]
    assert {span["name"] for span in failed} == {"answer", "rerank", "chat"}
    assert {span["error"]["type"] for span in failed} == {"RateLimitError"}
    assert "Rate limit reached" in failed[0]["error"]["message"]


def test_an_agent_calls_tools_and_tries_again_what_failed(stored: Stored) -> None:
    trace = stored.trace("shop-service", "F-10423")
    assert tree(trace) == Counter(
        {
            ("serve", None, "agent"): 1,
            ("think", "serve", "llm"): 4,
            ("look_up_order", "serve", "tool"): 1,
            ("search_rules", "serve", "tool"): 1,
            ("track_parcel", "serve", "tool"): 2,
        }
    )
    first, second = named(trace, "track_parcel")
    assert (first["status"], first["error"]["type"]) == ("error", "TimeoutError")
    assert second["status"] != "error"
    assert second["tool"]["arguments"] == {"tracking_number": "TR-5591"}
    assert second["tool"]["result"] == {"parcel": "TR-5591", "place": "Lyon", "expected": "Thursday"}
    assert "Lyon" in trace["output"] and trace["output"] in stored.output["agent"]
    calls = [call for span in named(trace, "think") for m in span["output_messages"] for call in m["tool_calls"]]
    assert [call["name"] for call in calls] == ["look_up_order", "search_rules", "track_parcel", "track_parcel"]
    assert calls[0]["arguments"] == {"order_id": "F-10423"}
    assert {span["provider"] for span in named(trace, "think")} == {"anthropic"}


def test_an_agents_tokens_are_those_of_its_calls(stored: Stored) -> None:
    trace = stored.trace("shop-service", "F-10423")
    calls = named(trace, "think")
    assert trace["usage"]["total_tokens"] == sum(span["usage"]["total_tokens"] for span in calls)
    assert {span["counted"] for span in calls} == {True}


def test_a_stream_has_its_first_token_its_usage_and_its_whole_text(stored: Stored) -> None:
    trace = stored.trace("shop-catalogue", "Describe the Kettle K2.")
    assert tree(trace) == Counter({("describe", None, "chain"): 1, ("write", "describe", "llm"): 1})
    [written] = named(trace, "write")
    assert 0 < written["time_to_first_token_ms"] <= written["duration_ms"]
    assert written["usage"]["output_tokens"] > 20
    assert written["output_messages"][0]["text"] in stored.output["streaming"]
    assert written["response_model"] == "gpt-4o-2024-08-06"


def test_threads_and_tasks_belong_to_one_trace(stored: Stored) -> None:
    trace = stored.trace("shop-reviews", "kettle boils fast")
    assert tree(trace) == Counter(
        {
            ("digest", None, "chain"): 1,
            ("without_addresses", "digest", "guardrail"): 8,
            ("judge", "digest", "chain"): 8,
            ("chat", "judge", "llm"): 8,
        }
    )
    assert trace["output"] == {"positive": 4, "negative": 3, "mixed": 1}
    assert {span["user_id"] for span in trace["spans"]} == {"nightly"}
    assert not any("joe@example.com" in str(span["input_messages"]) for span in named(trace, "chat"))


def test_conversations_are_sessions_with_users_and_a_prompt_version(stored: Stored) -> None:
    turns = stored.traces["shop-chat"]
    assert Counter((t["session_id"], t["user_id"]) for t in turns) == Counter(
        {("chat-201", "ada"): 4, ("chat-202", "ben"): 2, ("chat-203", "chen"): 3}
    )
    assert [t["input"] for t in turns[:2]] == ["Hello!", "How long does standard delivery take?"]
    trace = stored.trace("shop-chat", "express")
    assert tree(trace) == Counter(
        {
            ("turn", None, "chain"): 1,
            ("customer-service", "turn", "prompt"): 1,
            ("chat", "turn", "llm"): 1,
        }
    )
    [prompt] = named(trace, "customer-service")
    assert prompt["prompt"]["version"] == "3" and "{rules}" in prompt["prompt"]["template"]
    [chat] = named(trace, "chat")
    assert [m["role"] for m in chat["input_messages"]] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert chat["parameters"]["max_tokens"] == 200


def test_usage_adds_up_by_user_and_by_tier(stored: Stored) -> None:
    by_user = {row["user_id"]: row for row in stored.usage(project="shop-chat", group_by="user_id")}
    assert {user: row["calls"] for user, row in by_user.items()} == {"ada": 4, "ben": 2, "chen": 3}
    by_tier = {row["tag:tier"]: row for row in stored.usage(project="shop-chat", group_by="tag:tier")}
    assert {tier: row["calls"] for tier, row in by_tier.items()} == {"plus": 7, "free": 2}
    [whole] = stored.usage(project="shop-chat")
    assert Decimal(whole["cost"]["total"]) == sum(Decimal(row["cost"]["total"]) for row in by_user.values()) > 0
    assert whole["unpriced_calls"] == 0
