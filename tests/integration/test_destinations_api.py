"""``/api/v1/destinations`` from outside: what is stored, what is refused and how that is said. No secret anywhere."""

from __future__ import annotations

import time
from typing import Any

import pytest
from api_traces import Store
from destination_requests import (
    OTLP,
    PATH,
    PLACE,
    SECRET,
    STORED,
    add,
    as_described,
    by_operator,
    client,
    pointers,
    read,
    store,
)
from starlette.testclient import TestClient

from collector.api import destinations as api
from collector.destinations import Destination
from collector.forwarding import configured
from collector.forwarding.settings import FIELDS

__all__ = ["client", "store"]


# adding


def test_one_is_stored_whole_and_read_back(client: TestClient) -> None:
    given = {
        "name": "work",
        "kind": "langsmith",
        "endpoint": "https://langsmith.example",
        "api_key": PLACE,
        "headers": {"X-Team": "search", "X-Auth-Token": PLACE},
        "projects": ["shop", "\u202eödd\0"],
        "filter": "kind == 'llm' and cost > 0.5",
        "sample_rate": 0.25,
        "masking": {"patterns": ["email"], "keys": ["iban"]},
        "options": {"project": "all", "timeout_s": 5},
        "state": "paused",
    }
    answer = client.post(PATH, json=given)
    made = as_described(client, answer.json(), "Destination")
    assert answer.status_code == 201
    assert {name: made[name] for name in FIELDS} == given
    assert made["source"] == "operator" and made["created_at"] == "2026-11-22T00:00:00.000000000Z"
    status = read(client, "work")
    assert {name: status[name] for name in made} == made
    assert (status["waiting"], status["sent"], status["buried"], status["lag_seconds"]) == (0, 0, 0, 0)
    add(client)
    listed = client.get(PATH).json()
    assert [one["name"] for one in as_described(client, listed, "Destinations")["items"]] == ["backend", "work"]


def test_little_is_enough_and_null_is_not_given(client: TestClient) -> None:
    made = add(client, **dict.fromkeys(set(FIELDS) - {"name", "kind", "endpoint"}), **{"from": None})
    assert {name: made[name] for name in FIELDS} == {
        **OTLP, "api_key": None, "headers": {}, "projects": [], "filter": None, "sample_rate": 1.0, "masking": None,
        "options": {}, "state": "active",
    }  # fmt: skip
    assert add(client, name="masked", masking={})["masking"]["patterns"] == ["email", "phone", "card", "secret"]


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"name": None, "kind": None, "endpoint": None}, ["/endpoint", "/kind", "/name"]),
        ({"speed": 1}, ["/speed"]),
        ({"a/b~c": 1, "x" * 200: None}, ["/a~1b~0c", "/" + "x" * 100]),
        ({"name": "Über"}, ["/name"]),
        ({"name": "a/b"}, ["/name"]),
        ({"name": "x" * 64}, ["/name"]),
        ({"kind": "kafka"}, ["/kind"]),
        ({"kind": ["otlp"]}, ["/kind"]),
        ({"endpoint": "ftp://x"}, ["/endpoint"]),
        ({"endpoint": "http://user:password@host"}, ["/endpoint"]),
        ({"endpoint": "http://host/?key=x"}, ["/endpoint"]),
        ({"endpoint": "http://[::1"}, ["/endpoint"]),
        ({"endpoint": 5}, ["/endpoint"]),
        ({"api_key": SECRET}, ["/api_key"]),
        ({"api_key": "env:OPERATORS_KEY"}, ["/api_key"]),
        ({"api_key": "file:/etc/passwd"}, ["/api_key"]),
        ({"headers": {"Authorization": f"Bearer {SECRET}"}}, ["/headers"]),
        ({"headers": {"X-Any": "env:OPERATORS_KEY"}}, ["/headers"]),
        ({"headers": {"X-Any": "file:/etc/hostname"}}, ["/headers"]),
        ({"headers": {"X Y": "a"}}, ["/headers"]),
        ({"headers": {"X-Y": "a\r\nX-Z: b"}}, ["/headers"]),
        ({"headers": ["X-Y"]}, ["/headers"]),
        ({"projects": "shop"}, ["/projects"]),
        ({"projects": [1]}, ["/projects"]),
        ({"sample_rate": 1.5}, ["/sample_rate"]),
        ({"sample_rate": True}, ["/sample_rate"]),
        ({"masking": {"patterns": ["names"]}}, ["/masking"]),
        ({"masking": True}, ["/masking"]),
        ({"options": {"speed": 1}}, ["/options"]),
        ({"options": {"timeout_s": "long"}}, ["/options"]),
        ({"options": {"ca_file": "/dev/zero"}}, ["/options"]),
        ({"options": []}, ["/options"]),
        ({"state": "buried"}, ["/state"]),
        ({"from": "yesterday"}, ["/from"]),
        ({"from": 5}, ["/from"]),
        ({"kind": "archive", "endpoint": "/srv/traces"}, ["/endpoint"]),
        ({"kind": "archive", "endpoint": "file:///srv/traces"}, ["/endpoint"]),
        ({"name": "", "sample_rate": -1, "from": "x", "state": []}, ["/from", "/name", "/sample_rate", "/state"]),
    ],
)
def test_what_is_wrong_is_told_with_where(client: TestClient, given: dict[str, Any], where: list[str]) -> None:
    assert pointers(client.post(PATH, json={**OTLP, **given})) == where
    assert client.get(PATH).json() == {"items": []}


def test_a_faulty_filter_is_told_with_its_column(client: TestClient) -> None:
    answer = client.post(PATH, json={**OTLP, "filter": "kind == 'llm' and cots > 1"})
    assert pointers(answer) == ["/filter"]
    assert "column 19" in answer.json()["detail"] and "cost" in answer.json()["detail"]


def test_a_name_is_taken_once(client: TestClient) -> None:
    add(client)
    add(client, name="other")
    for answer in (client.post(PATH, json=OTLP), client.patch(f"{PATH}/other", json={"name": "backend"})):
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert [one["name"] for one in client.get(PATH).json()["items"]] == ["backend", "other"]


def test_what_was_stored_since_is_queued_too(client: TestClient) -> None:
    add(client, state="paused")
    add(client, name="since", **{"from": "2020-01-01"})
    add(client, name="later", **{"from": "now"})
    assert [read(client, name)["waiting"] for name in ("backend", "since", "later")] == [0, STORED, 0]


# changing


def test_what_is_named_is_changed_and_nothing_else(client: TestClient, store: Store) -> None:
    before = add(client, api_key=PLACE, projects=["shop"], sample_rate=0.5)
    answer = client.patch(f"{PATH}/backend", json={"filter": "kind == 'llm'", "projects": None, "state": "paused"})
    changed = as_described(client, answer.json(), "Destination")
    assert changed == {**before, "filter": "kind == 'llm'", "projects": [], "state": "paused"}
    assert client.patch(f"{PATH}/backend", json={}).json() == changed
    assert client.patch(f"{PATH}/backend", json={"name": "renamed"}).json() == {**changed, "name": "renamed"}
    assert client.get(f"{PATH}/backend").status_code == 404
    (stored,) = store.destinations()
    assert api._changes({"projects": ["a"]}, stored) == {"projects": ("a",)}  # two changes at a time are both made


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"kind": "phoenix"}, ["/kind"]),
        ({"name": None, "endpoint": None}, ["/endpoint", "/name"]),
        ({"created_at": None, "source": "config", "peer": None}, ["/created_at", "/peer", "/source"]),
        ({"filter": "kind = 'llm'"}, ["/filter"]),
        ({"state": "gone"}, ["/state"]),
        ({"state": {}}, ["/state"]),
    ],
)  # fmt: skip
def test_a_change_is_judged_like_a_new_one(client: TestClient, given: dict[str, Any], where: list[str]) -> None:
    before = add(client)
    assert pointers(client.patch(f"{PATH}/backend", json=given)) == where
    assert client.get(PATH).json()["items"][0].items() >= before.items()


def test_the_operators_secrets_and_files_stay_where_they_were_sent(client: TestClient, store: Store) -> None:
    by_operator(store, api_key="env:OPERATORS_KEY", headers={"X-Any": "file:/etc/hostname"})
    by_operator(store, "tls", options={"ca_file": "/etc/ca.pem"})
    by_operator(store, "folder", kind="archive", endpoint="/nowhere")
    bucket = {"access_key": "id", "s3_endpoint": "http://minio:9000"}
    by_operator(store, "bucket", kind="archive", endpoint="s3://b/p", api_key="env:OPERATORS_KEY", options=bucket)
    for name in ("theirs", "tls", "folder", "bucket"):
        assert client.patch(f"{PATH}/{name}", json={"sample_rate": 0.5, "projects": ["shop"]}).status_code == 200
    for name, given, where in (
        ("theirs", {"endpoint": "http://elsewhere"}, ["/api_key", "/headers"]),
        ("theirs", {"headers": {"X-Any": "file:/etc/passwd"}}, ["/api_key", "/headers"]),
        ("theirs", {"headers": {}}, ["/api_key"]),
        ("tls", {"endpoint": "https://elsewhere"}, ["/options"]),
        ("tls", {"options": {"ca_file": "/dev/zero"}}, ["/options"]),
        ("folder", {"endpoint": "/etc"}, ["/endpoint"]),
        ("bucket", {"options": {**bucket, "s3_endpoint": "http://elsewhere"}}, ["/api_key"]),
    ):
        assert pointers(client.patch(f"{PATH}/{name}", json=given)) == where
    assert client.patch(f"{PATH}/theirs", json={"api_key": None, "headers": None}).status_code == 200


def test_whoever_answered_at_another_address_is_forgotten(client: TestClient, store: Store) -> None:
    made = by_operator(store, peer="00000000000000ff")
    client.patch(f"{PATH}/theirs", json={"endpoint": made.endpoint, "projects": ["shop"]})
    assert store.destinations()[0].peer == "00000000000000ff"
    client.patch(f"{PATH}/theirs", json={"endpoint": "http://elsewhere"})
    assert store.destinations()[0].peer is None


def test_one_whose_settings_are_no_longer_good_can_be_paused_and_removed(client: TestClient, store: Store) -> None:
    by_operator(store, filter="once(good)", options={"of": "a newer version"})
    assert client.patch(f"{PATH}/theirs", json={"state": "paused"}).json()["state"] == "paused"
    assert client.delete(f"{PATH}/theirs").status_code == 204


def test_one_of_the_configuration_file_is_changed_there(client: TestClient, store: Store) -> None:
    told = Destination("filed", "otlp", "http://127.0.0.1:9", source="config")
    configured.apply(store, [told], now_ns=time.time_ns())
    assert read(client, "filed")["source"] == "config"
    one = f"{PATH}/filed"
    for answer in (
        client.patch(one, json={"endpoint": "http://elsewhere"}),
        client.patch(one, json={"state": "paused", "name": "mine"}),
        client.delete(one),
    ):
        assert answer.status_code == 409 and "configuration file" in answer.json()["detail"]
    assert client.patch(one, json={"state": "paused"}).json()["state"] == "paused"
    assert client.post(f"{one}/replay", json={"from": "2020-01-01"}).status_code == 200
    configured.apply(store, [told], now_ns=time.time_ns())
    assert read(client, "filed")["state"] == "active"


def test_it_is_removed_with_what_waits_for_it(client: TestClient, store: Store) -> None:
    add(client, **{"from": "2020-01-01"})
    (made,) = store.destinations()
    assert client.delete(f"{PATH}/backend").status_code == 204
    queue: Any = store.queue
    assert queue.stats(made.consumer, now_ns=time.time_ns()).ready == 0
    assert client.delete(f"{PATH}/backend").status_code == 404
    assert add(client, **{"from": "2020-01-01"})["name"] == "backend"
    assert read(client)["waiting"] == STORED


# whether it answers
