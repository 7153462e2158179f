"""``/api/v1/destinations`` from outside: what is stored, what is refused and how that is said. No secret anywhere."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from api_schema import faults
from api_traces import Store, client_of, fill, span_id, trace_id
from starlette.testclient import TestClient

from collector.api import destinations as api
from collector.destinations import Destination
from collector.exporters.otlp.exporter import OtlpExporter
from collector.forwarding import configured
from collector.forwarding.settings import FIELDS
from collector.queue.memory import MemoryQueue
from collector.storage.api import Unavailable
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


class Echo(BaseHTTPRequestHandler):
    """Takes everything at /ok; else refuses the key and says which it was."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        ok = self.path.startswith("/ok")
        self.send_response(200 if ok else 401)
        self.end_headers()
        if not ok:
            self.wfile.write(f"{self.headers['Authorization']} is no key, nor {self.headers['X-Other']}".encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def echoing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_is_asked_whether_it_answers(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def tested() -> dict[str, Any]:
        answer = client.post(f"{PATH}/backend/test", json={})
        assert answer.status_code == 200
        return as_described(client, answer.json(), "Tested")

    with echoing() as url:
        add(client, endpoint=f"{url}/ok")
        assert tested() == {"ok": True, "detail": "an OTLP backend takes http at 127.0.0.1"}
        keyed = {"endpoint": f"{url}/no", "api_key": PLACE, "headers": {"X-Other": PLACE}}
        assert client.patch(f"{PATH}/backend", json=keyed).status_code == 200
        told = tested()
        assert not told["ok"] and told["detail"].endswith("Bearer [secret] is no key, nor [secret]")
    told = tested()
    assert not told["ok"] and "cannot be reached" in told["detail"]
    monkeypatch.delenv("TRACEKIT_SECRET_TESTS")
    assert tested() == {
        "ok": False,
        "detail": "the environment variable TRACEKIT_SECRET_TESTS is not set where the collector runs",
    }


def test_a_destination_that_hangs_or_cannot_be_asked_is_said_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: OtlpExporter) -> str:
        raise RuntimeError("no such thing")

    async def hang(_: OtlpExporter) -> str:
        await asyncio.sleep(60)
        return "too late"

    add(client)
    monkeypatch.setattr(OtlpExporter, "check", fail)
    told = client.post(f"{PATH}/backend/test", json={}).json()
    assert told == {"ok": False, "detail": "cannot be asked: RuntimeError: no such thing"}
    monkeypatch.setattr(OtlpExporter, "check", hang)
    monkeypatch.setattr(api, "CHECK_SECONDS", 0.1)
    told = client.post(f"{PATH}/backend/test", json={}).json()
    assert told == {"ok": False, "detail": "no answer within 0.1 s"}


# what waits, and what was given up


def test_a_stretch_of_time_is_sent_again(client: TestClient) -> None:
    add(client)
    one = f"{PATH}/backend/replay"
    assert client.post(one, json={"from": "2020-01-01", "to": "2020-01-02"}).json() == {"spans": 0}
    for _ in range(2):  # what waits already is not queued twice
        answer = client.post(one, json={"from": "2020-01-01", "to": "2100-01-01T00:00:00Z"})
        assert as_described(client, answer.json(), "Replayed") == {"spans": STORED}
        assert read(client)["waiting"] == STORED
    assert pointers(client.post(one, json={})) == ["/from"]
    assert pointers(client.post(one, json={"from": "7d", "to": 5, "a/b": 1})) == ["/a~1b", "/to"]
    assert pointers(client.post(one, json={"from": "0000-01-01"})) == ["/from"]


def test_what_was_given_up_is_shown_tried_again_and_forgotten(client: TestClient, store: Store) -> None:
    add(client)
    one = f"{PATH}/backend"
    assert client.get(f"{one}/buried").json() == {"items": []}
    ids = bury(store, "backend", "answered 400: first", "answered 400: second", "answered 400: third")
    found = as_described(client, client.get(f"{one}/buried").json(), "Buried")["items"]
    assert [item["id"] for item in found] == ids[::-1]
    assert (found[0]["reason"], found[0]["count"], found[0]["annotations"]) == ("answered 400: third", 1, None)
    assert found[0]["spans"] == [f"{trace_id(1).hex()}:{span_id(2).hex()}"]
    assert read(client)["buried"] == 3
    assert as_described(client, client.post(f"{one}/retry", json={"id": ids[0]}).json(), "Items") == {"items": 1}
    assert client.post(f"{one}/retry", json={"id": ids[0]}).json() == {"items": 0}
    assert client.post(f"{one}/drop", json={"id": ids[1]}).json() == {"items": 1}
    assert (read(client)["waiting"], read(client)["buried"]) == (1, 1)
    assert client.post(f"{one}/retry", json={}).json() == {"items": 1}
    assert (read(client)["waiting"], read(client)["buried"]) == (2, 0)
    assert client.post(f"{one}/drop", json={"id": None}).json() == {"items": 0}


def test_only_its_own_are_touched(client: TestClient, store: Store) -> None:
    add(client)
    add(client, name="other")
    ids = bury(store, "backend", "answered 400")
    for what in ("retry", "drop"):
        assert client.post(f"{PATH}/other/{what}", json={"id": ids[0]}).json() == {"items": 0}
        assert client.post(f"{PATH}/other/{what}", json={}).json() == {"items": 0}
    assert read(client)["buried"] == 1


@pytest.mark.parametrize("what", ["retry", "drop"])
@pytest.mark.parametrize("number", ["1", True, 0, -1, 1.5, 2**63, 2**64 - 1, [1]])
def test_an_id_is_a_number_that_can_be_one(client: TestClient, what: str, number: Any) -> None:
    add(client)
    assert pointers(client.post(f"{PATH}/backend/{what}", json={"id": number})) == ["/id"]
    assert pointers(client.post(f"{PATH}/backend/{what}", json={"ids": [1]})) == ["/ids"]


# hostile requests


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/buried"), ("POST", "/test"), ("POST", "/replay"),
        ("POST", "/retry"), ("POST", "/drop"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["nobody", "%00", "..%2f..%2fetc", "x" * 500, "%ff", "' OR 1=1 --"])
def test_nobody_of_this_name(client: TestClient, method: str, path: str, name: str) -> None:
    answer = client.request(method, f"{PATH}/{name}{path}", content=b"{}", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


HOSTILE = [b"", b"{", b'{"name": "\\ud800"}', b"[" * 2000 + b"]" * 2000, b'{"sample_rate": NaN}', b"\xff", b"[]", b"7"]


@pytest.mark.parametrize("raw", HOSTILE)
def test_what_is_no_object_of_json_is_refused(client: TestClient, raw: bytes) -> None:
    add(client, name="one")
    for method, url in (
        ("POST", PATH), ("PATCH", f"{PATH}/one"), ("POST", f"{PATH}/one/replay"), ("POST", f"{PATH}/one/retry"),
        ("POST", f"{PATH}/one/drop"),
    ):  # fmt: skip
        assert pointers(client.request(method, url, content=raw, headers=JSON)) == [""]


def test_only_json_of_a_bounded_size_is_read(client: TestClient) -> None:
    add(client)
    for method, url in (("POST", PATH), ("PATCH", f"{PATH}/backend"), *(
        ("POST", f"{PATH}/backend/{what}") for what in ("test", "replay", "retry", "drop")
    )):  # fmt: skip
        assert client.request(method, url, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
        assert client.request(method, url, data={"state": "paused"}).status_code == 415
        assert client.request(method, f"{url}?dry=1", content=b"{}", headers=JSON).status_code == 400
    assert client.post(PATH, content=b" " * (9 * 2**20), headers=JSON).status_code == 413
    assert client.put(f"{PATH}/backend", json={}).status_code == 405


@pytest.mark.parametrize(
    "given",
    [
        {"filter": "(" * 1_900},
        {"filter": "not " * 400 + "counted"},
        {"filter": "x" * 100_000},
        {"projects": [{}] * 1_000},
        {"options": {"timeout_s": 10**15, "": {"": [[[[]]]]}}},
        {"headers": {"": ""}},
        {"headers": {"x" * 10_000: "y"}},
        {"endpoint": "http://" + "a" * 100_000},
        {"endpoint": "http://host:99999999"},
        {"endpoint": "\0"},
        {"name": {"name": "x"}, "kind": 10**18, "api_key": [SECRET], "masking": [[]], "sample_rate": {}},
    ],
)
def test_hostile_settings_are_faults_and_not_failures(client: TestClient, given: dict[str, Any]) -> None:
    add(client)
    assert pointers(client.post(PATH, json={**OTLP, "name": "evil", **given}))
    assert pointers(client.patch(f"{PATH}/backend", json=given))


def test_a_literal_secret_is_not_repeated(client: TestClient) -> None:
    for given in ({"api_key": SECRET}, {"headers": {"X-Api-Key": SECRET}}, {"endpoint": f"http://u:{SECRET}@h"}):
        assert client.post(PATH, json={**OTLP, **given}).status_code == 400  # the client looks for it


def test_a_database_that_is_away_is_said_so() -> None:
    class Away(MemoryStore):
        def add_destination(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("the disk is full")

        def destinations(self) -> Any:
            raise Unavailable("the disk is full")

    with client_of(Away(MemoryQueue())) as client:
        for answer in (client.post(PATH, content=json.dumps(OTLP), headers=JSON), client.delete(f"{PATH}/backend")):
            assert answer.status_code == 503 and answer.headers["retry-after"]
