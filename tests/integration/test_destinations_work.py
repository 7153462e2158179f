"""``/api/v1/destinations``: whether one answers, what waits for it, what is sent again; and hostile requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from api_traces import Store, client_of, span_id, trace_id
from destination_requests import (
    JSON,
    OTLP,
    PATH,
    PLACE,
    SECRET,
    STORED,
    add,
    as_described,
    bury,
    client,
    pointers,
    read,
    store,
)
from starlette.testclient import TestClient

from collector.api import destinations as api
from collector.exporters.otlp.exporter import OtlpExporter
from collector.queue.memory import MemoryQueue
from collector.storage.api import Unavailable
from collector.storage.memory import MemoryStore

__all__ = ["client", "store"]


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
