"""Usage by group, and projects."""

from __future__ import annotations

from typing import Any

import pytest
from api_traces import call, client_of, store_summary
from starlette.testclient import TestClient

from collector.model import Cost, Usage
from collector.storage.memory import MemoryStore


@pytest.fixture(scope="module")
def client() -> TestClient:
    store = MemoryStore()
    for number, user in enumerate(["ada", "ada", "bob"], start=1):
        paid = call(
            number,
            model="gpt-4o-mini",
            provider="openai",
            user_id=user,
            duration_ns=number * 10**8,
            usage=Usage(10, 5, 15),
            cost=Cost("computed", 10**9, 6 * 10**8, 4 * 10**8),
            time_to_first_token_ns=number * 10**7,
        )
        store_summary(store, number, paid, user_id=user, tags=["tier:gold"])
    store_summary(store, 4, call(4, project="other", user_id="bob", status="error"), user_id="bob", project="other")
    return client_of(store)


def rows_of(client: TestClient, query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/usage?{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_usage_of_everything_is_one_row(client: TestClient) -> None:
    (row,) = rows_of(client, "")
    assert (row["traces"], row["calls"], row["errors"], row["unpriced_calls"]) == (4, 4, 1, 1)
    assert row["cost"]["total"] == "0.003" and row["usage"]["total_tokens"] == 45
    assert row["usage"]["cache_read_tokens"] is None


def test_usage_by_user(client: TestClient) -> None:
    ada, bob = rows_of(client, "group_by=user_id&project=shop")
    assert (ada["user_id"], ada["calls"], ada["cost"]["total"]) == ("ada", 2, "0.002")
    assert ada["latency_ms"] == {"p50": 100.0, "p90": 200.0, "p99": 200.0}
    assert ada["time_to_first_token_ms"]["p50"] == 10.0
    assert (bob["user_id"], bob["calls"]) == ("bob", 1)


def test_usage_by_several_fields(client: TestClient) -> None:
    rows = rows_of(client, "group_by=project,%20model,day,tag:tier")
    assert {(row["project"], row["model"], row["tag:tier"]) for row in rows} == {
        ("shop", "gpt-4o-mini", "gold"),
        ("other", None, None),
    }
    assert all(row["day"].startswith("2026-11-22") for row in rows)


def test_usage_in_a_time_range(client: TestClient) -> None:
    (row,) = rows_of(client, "from=2026-11-22T00:00:02Z&to=2026-11-22T00:00:04Z")
    assert row["calls"] == 2


def test_projects(client: TestClient) -> None:
    items = {item["name"]: item for item in client.get("/api/v1/projects").json()["items"]}
    assert items["shop"]["traces"] == 3 and items["other"]["traces"] == 1
    assert items["shop"]["first_start_time"] == "2026-11-22T00:00:01.000000000Z"
    assert items["shop"]["last_start_time"] == "2026-11-22T00:00:03.000000000Z"
