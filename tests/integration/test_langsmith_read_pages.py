"""Pages of LangSmith's runs, however they are cut: by number, by size, by a filter that finds little."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langsmith_runs import run_uuid, started, submit
from starlette.testclient import TestClient

from collector.api.bodies import Bodies
from collector.keys import Keys
from collector.receivers.body import ByteBudget
from collector.receivers.langsmith import run_reads, run_reads_views
from collector.receivers.langsmith.reading import build_reading
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import open_store

RUNS = 58


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("pages")
    store: Any = MemoryStore() if request.param == "memory" else open_store(f"sqlite:///{folder}/runs.db")
    # Of each three, one is a root, one its child, one the child's child; all of three start at once.
    for number in range(RUNS):
        above = number - 1 if number % 3 else None
        submit(store, started(number, above, number - number % 3, start_time=f"2026-01-02T03:04:{number // 3 % 60:02}"))
    with TestClient(build_reading(store, store, Keys([]), Bodies(ByteBudget(2**24)))) as client:
        yield client
    store.close()


def pages(client: TestClient, **question: Any) -> list[list[str]]:
    found: list[list[str]] = []
    cursor = None
    while True:
        answer = client.post("/runs/query", json=question | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found.append([run["id"] for run in answer.json()["runs"]])
        cursor = answer.json()["cursors"]["next"]
        if cursor is None:
            return found
        assert found[-1], "an empty page ends a client's reading"


def ids(numbers: Any) -> set[str]:
    return {str(run_uuid(number)) for number in numbers}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [7, 26, 100])
def test_every_run_is_on_one_page(client: TestClient, limit: int, order: str) -> None:
    found = pages(client, limit=limit, order=order, select=["id"])
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    every = [run_id for page in found for run_id in page]
    assert len(every) == RUNS and set(every) == ids(range(RUNS))


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"filter": 'in(name, ["run 0", "run 31", "run 57"])'}, (0, 31, 57)),
        ({"trace_filter": 'eq(name, "run 33")'}, (33, 34, 35)),
        ({"tree_filter": 'eq(name, "run 35")', "is_root": True}, (33,)),
        ({"query": "run 5"}, (5, *range(50, 58))),
    ],
)
def test_what_a_filter_finds_is_whole(client: TestClient, filters: dict[str, Any], numbers: tuple[int, ...]) -> None:
    for limit in (2, 100):
        assert {run_id for page in pages(client, limit=limit, **filters) for run_id in page} == ids(numbers)


def test_a_filter_that_finds_too_little_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reads_views, "MAX_SCANNED", 25)
    answer = client.post("/runs/query", json={"filter": 'eq(name, "run 0")'})
    assert answer.status_code == 400 and "narrower" in answer.json()["detail"]
    assert client.post("/runs/query", json={"filter": 'eq(name, "run 57")', "limit": 1}).status_code == 200


def test_an_answer_is_bounded_in_bytes(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reads, "MAX_ANSWER_BYTES", 5_000)
    found = pages(client, limit=100)
    assert len(found) > 3 and {run_id for page in found for run_id in page} == ids(range(RUNS))


def test_a_fault_inside_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reads_views.Views, "of", lambda *_: 1 / 0)
    store = MemoryStore()
    with TestClient(build_reading(store, store, Keys([]), Bodies(ByteBudget(2**24)))) as client:
        answer = client.post("/runs/query", json={})
    assert answer.status_code == 500 and "Traceback" not in answer.text and "log" in answer.json()["detail"]
