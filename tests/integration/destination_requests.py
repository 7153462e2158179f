"""Destinations over the API, on every engine: requests, and what is true of every answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from api_schema import faults
from api_traces import Store, client_of, fill, span_id, trace_id
from starlette.testclient import TestClient

from collector.destinations import Destination
from collector.queue.memory import MemoryQueue
from collector.storage.forward_api import Follow, Settled, Tally
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import open_store

PATH = "/api/v1/destinations"
JSON = {"content-type": "application/json"}
SECRET = "lsv2-not-to-be-told-to-anybody"
PLACE = "env:TRACEKIT_SECRET_TESTS"
ENGINES = ["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
OTLP = {"name": "backend", "kind": "otlp", "endpoint": "http://127.0.0.1:9"}
#: what fill() stores
STORED = 7


@pytest.fixture(scope="module", params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(MemoryQueue())
    elif request.param == "postgresql":
        opened = open_store(request.getfixturevalue("new_postgres")())
    else:
        opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('api')}/api.db")
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Without destinations. None of its answers holds the secret."""
    monkeypatch.setenv("TRACEKIT_SECRET_TESTS", SECRET)
    monkeypatch.setenv("OPERATORS_KEY", "the operator's")

    def look(answer: Any) -> None:
        answer.read()
        assert SECRET not in answer.text and "the operator's" not in answer.text

    with client_of(store) as client:
        client.event_hooks = {"response": [look]}
        yield client
    for one in store.destinations():
        store.remove_destination(one.name).result()


def add(client: TestClient, **given: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={**OTLP, **given})
    assert answer.status_code == 201, answer.text
    return as_described(client, answer.json(), "Destination")


def read(client: TestClient, name: str = "backend") -> dict[str, Any]:
    answer = client.get(f"{PATH}/{name}")
    assert answer.status_code == 200, answer.text
    return as_described(client, answer.json(), "DestinationStatus")


def as_described(client: TestClient, found: dict[str, Any], schema: str) -> dict[str, Any]:
    document = client.get("/api/v1/openapi.json").json()
    assert list(faults(found, {"$ref": f"#/components/schemas/{schema}"}, document)) == []
    return found


def pointers(answer: Any, status: int = 400) -> list[str]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return [fault["pointer"] for fault in answer.json()["errors"]]


def by_operator(store: Store, name: str = "theirs", **given: Any) -> Destination:
    """As the command adds it, which may name any secret and any file."""
    told = Destination(name, given.pop("kind", "otlp"), given.pop("endpoint", "http://127.0.0.1:9"), **given)
    return store.add_destination(told, from_ns=None, now_ns=time.time_ns()).result()


def bury(store: Store, name: str, *reasons: str) -> list[int]:
    """An item for each reason, as a destination that refuses spans makes them. Their ids."""
    made = next(one for one in store.destinations() if one.name == name)
    now = time.time_ns()
    store.replay(name, from_ns=0, to_ns=2**62, now_ns=now).result()
    queue: Any = store.queue
    items = queue.claim(made.consumer, "tests", limit=100, lease_ns=10**10, now_ns=now)
    refused = [{"n": 1, "spans": [f"{trace_id(1).hex()}:{span_id(number).hex()}"]} for number, _ in enumerate(reasons)]
    follows = tuple(Follow(made.consumer, one, now, why) for one, why in zip(refused, reasons, strict=True))
    store.settle(made.id, [Settled(items[0], follows), *map(Settled, items[1:])], Tally(sent=1), now_ns=now)
    return sorted(item.id for item in queue.buried(made.consumer))
