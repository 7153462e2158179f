"""Reading traces and spans over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_traces import (
    ENGINES,
    NOW,
    SECOND,
    add_span,
    client_of,
    filled_client,
    rag_request,
    span_id,
    store_request,
    store_summary,
    trace_id,
)  # fmt: skip
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.testclient import TestClient

from collector.api.handlers import SPANS_PER_PIECE
from collector.storage.memory import MemoryStore

PAYLOAD = {
    "parameters", "input_messages", "output_messages", "input", "output", "documents", "embeddings", "tool", "prompt",
    "attributes", "events", "links", "resource",
}  # fmt: skip


@pytest.fixture(scope="module", params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with filled_client(request.param, tmp_path_factory.mktemp("api")) as client:
        yield client


@pytest.fixture(scope="module")
def trace(client: TestClient) -> dict[str, Any]:
    answer = client.get(f"/api/v1/traces/{trace_id(1).hex()}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def by_kind(trace: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(span for span in trace["spans"] if span["kind"] == kind)


def test_a_trace_has_its_spans_in_start_order(trace: dict[str, Any]) -> None:
    assert [span["name"] for span in trace["spans"]] == ["ask", "span 2", "span 3", "span 4", "span 5"]
    assert trace["span_count"] == 5 and trace["project"] == "shop" and trace["stale"] is True
    assert trace["start_time"] == "2026-11-22T00:00:00.001000000Z"


def test_spans_show_whom_they_belong_to(trace: dict[str, Any]) -> None:
    assert {(span["session_id"], span["user_id"]) for span in trace["spans"]} == {("s1", "ada")}
    assert all(span["metadata"] == {"tier": "gold"} for span in trace["spans"])


def test_what_spans_carried(trace: dict[str, Any]) -> None:
    llm = by_kind(trace, "llm")
    assert llm["input_messages"][0]["text"] == "How long is the warranty?"
    assert llm["output_messages"][0]["tool_calls"] == [
        {"id": "call_1", "name": "lookup", "arguments": {"product": "K2"}}
    ]
    assert llm["usage"]["total_tokens"] == 19 and llm["usage"]["reasoning_tokens"] is None
    assert llm["parameters"] == {"temperature": 0.2}
    assert llm["links"] == [{"trace_id": trace_id(9).hex(), "span_id": span_id(9).hex(), "attributes": {}}]
    documents = by_kind(trace, "retriever")["documents"]
    assert [(d["id"], d["score"], d["rank"]) for d in documents] == [("k2", 0.75, 0), (None, None, 1)]
    assert by_kind(trace, "tool")["tool"]["name"] == "lookup"
    assert by_kind(trace, "chain")["output"] == "Two years <script>alert(1)</script>"


def test_originals_are_untouched(trace: dict[str, Any]) -> None:
    attributes = by_kind(trace, "retriever")["attributes"]
    assert base64.b64decode(attributes["raw"]) == b"\x00\xff"
    assert attributes["odd"] == "NaN" and attributes["big"] == 2**60
    assert by_kind(trace, "llm")["resource"]["service.name"] == "shop-backend"


def test_an_error_has_its_stack_trace(trace: dict[str, Any]) -> None:
    failed = by_kind(trace, "tool")
    assert failed["status"] == "error"
    assert failed["error"] == {
        "type": "TimeoutError", "message": "too slow", "stacktrace": "Traceback (most recent call last): ...",
    }  # fmt: skip


def test_the_whole_has_a_question_and_an_answer(trace: dict[str, Any]) -> None:
    assert "How long is the warranty?" in json.dumps(trace["input"])
    assert "Two years" in json.dumps(trace["output"])


def test_without_payload_only_facts_remain(client: TestClient, trace: dict[str, Any]) -> None:
    light = client.get(f"/api/v1/traces/{trace_id(1).hex()}?payload=false").json()
    assert trace.keys() - light.keys() == {"input", "output"}
    for whole, facts in zip(trace["spans"], light["spans"], strict=True):
        assert whole.keys() - facts.keys() == PAYLOAD
        facts["error"] = whole["error"]  # its stack trace is in the original
        assert {name: whole[name] for name in facts} == facts


def test_one_span_is_as_in_its_trace(client: TestClient, trace: dict[str, Any]) -> None:
    for span in trace["spans"]:
        assert client.get(f"/api/v1/traces/{span['trace_id']}/spans/{span['span_id']}").json() == span


def test_ids_are_found_in_capitals_too(client: TestClient) -> None:
    number = 0xABCDEF
    store = MemoryStore()
    store_request(store, rag_request(number))
    assert client_of(store).get(f"/api/v1/traces/{trace_id(number).hex().upper()}").status_code == 200


@pytest.mark.parametrize("count", [1, SPANS_PER_PIECE, SPANS_PER_PIECE + 1, 3 * SPANS_PER_PIECE])
def test_long_traces_arrive_whole(count: int) -> None:
    request = TracesData()
    for number in range(1, count + 1):
        add_span(request, 1, number, number - 1 or None, {"input.value": "x"})
    store = MemoryStore()
    store_request(store, request)
    spans = client_of(store).get(f"/api/v1/traces/{trace_id(1).hex()}").json()["spans"]
    assert [span["span_id"] for span in spans] == [span_id(number).hex() for number in range(1, count + 1)]


def test_a_summary_that_lags_behind_says_so() -> None:
    store = MemoryStore()
    store_summary(store, 1)
    client = client_of(store)
    url = f"/api/v1/traces/{trace_id(1).hex()}"
    assert client.get(url).json()["stale"] is False
    late = TracesData()
    add_span(late, 1, 2, 1, {})
    store_request(store, late)
    assert client.get(url).json()["stale"] is True
    assert client.get("/api/v1/traces").json()["items"][0]["stale"] is True


# lists


def names_of(client: TestClient, query: str) -> list[int]:
    answer = client.get(f"/api/v1/traces?{query}")
    assert answer.status_code == 200, answer.text
    return [int(item["trace_id"], 16) for item in answer.json()["items"]]


def test_a_list_has_summaries_newest_first(client: TestClient) -> None:
    items = client.get("/api/v1/traces").json()["items"]
    assert [int(item["trace_id"], 16) for item in items] == [3, 2]
    assert "spans" not in items[0] and items[0]["error"]["type"] == "RateLimitError"
    assert items[1]["cost"]["total"] == "0.000000000007" and items[1]["output"] == {"years": 2}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("project=shop", [3, 2]),
        ("project=none", []),
        ("user_id=ada", [2]),
        ("session_id=s1", [2]),
        ("status=error", [3]),
        ("from=2026-11-22T00:00:03Z", [3]),
        ("to=2026-11-22T00:00:03Z", [2]),
        ("from=24h&to=now", []),
        ("sort=start_time", [2, 3]),
        ("sort=-cost", [2, 3]),
        ("sort=-tokens&limit=1", [2]),
        ("project=&user_id=&cursor=&filter=&q=", [3, 2]),
    ],
)
def test_lists_are_narrowed_and_sorted(client: TestClient, query: str, expected: list[int]) -> None:
    assert names_of(client, query) == expected


def test_pages_follow_each_other_without_gaps() -> None:
    store = MemoryStore()
    for number in range(1, 8):
        store_summary(store, number, start_ns=NOW + number // 2 * SECOND, end_ns=NOW + 9 * SECOND)
    client, cursor, seen = client_of(store), "", []
    while cursor is not None:
        page = client.get("/api/v1/traces", params={"limit": "2", "cursor": cursor}).json()
        seen += [int(item["trace_id"], 16) for item in page["items"]]
        cursor = page["next_cursor"]
        store_summary(store, 100 + len(seen), start_ns=NOW + 50 * SECOND, end_ns=NOW + 51 * SECOND)
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_head_is_answered_too(client: TestClient) -> None:
    assert client.head("/api/v1/traces").status_code == 200
