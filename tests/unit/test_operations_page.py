"""The Operations page over the memory store and a SQLite file: what is stored is shown, escaped, and only read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pages_stage import ESCAPED, HOSTILE, NOW, TRACE, store
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from test_pages_app import send

from collector.api import build_api
from collector.destinations import Destination
from collector.queue.api import SUMMARISE
from dashboards.app import POLICY, build_dashboards

__all__ = ["store"]

SPAN = f"{TRACE}:{'01' * 8}"


@pytest.fixture
def client(store: Any) -> TestClient:
    return TestClient(build_dashboards(store, operations=store, clock=lambda: NOW), follow_redirects=False)


def add(store: Any, name: str = "backend", **fields: Any) -> Destination:
    wanted = Destination(name, fields.pop("kind", "otlp"), fields.pop("endpoint", "http://otel:4318"), **fields)
    found: Destination = store.add_destination(wanted, from_ns=None, now_ns=NOW - 10**12).result()
    return found


def bury(store: Any, consumer: str, reason: str, payload: dict[str, Any] | None = None) -> int:
    store.queue.put(consumer, 1, now_ns=NOW - 10**11, payload=payload)
    (item,) = store.queue.claim(consumer, "w", limit=1, lease_ns=10**9, now_ns=NOW)
    assert store.queue.bury(item, reason=reason)
    return int(item.id)


def test_an_empty_page_says_what_belongs_there(client: TestClient) -> None:
    text = client.get("/operations").text
    assert "No destinations yet" in text
    assert "<code>tracekit phoenix</code>" in text and "tracekit destination add work" in text
    assert 'data-form="add"' in text


def test_every_answer_keeps_to_the_policy(client: TestClient, store: Any) -> None:
    add(store)
    for path in ("/operations", "/operations?part=live", "/operations/backend", "/operations/backend?part=live"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-security-policy"]) == (200, POLICY)
        assert ("<html" in answer.text) != ("part=live" in path)
        assert client.post(path).status_code == 405
    assert client.get("/operations/nobody").status_code == 404
    assert "<html" not in client.get("/operations/nobody?part=live", headers={"hx-request": "true"}).text


def test_the_rail_leads_there_where_there_are_destinations_to_read(client: TestClient, store: Any) -> None:
    link = 'href="/operations"'
    assert link in client.get("/traces").text
    alone = TestClient(build_dashboards(store, clock=lambda: NOW))
    assert link not in alone.get("/traces").text
    assert alone.get("/operations").status_code == 404
    mounted = TestClient(Starlette(routes=[Mount("/look", build_dashboards(store, operations=store))]))
    add(store)
    for path in ("/look/operations", "/look/operations/backend"):
        links = re.findall(r'(?:href|src|action|hx-get)="([^"#]*)"', mounted.get(path).text)
        assert links and all(one.startswith("/look/") for one in links)


def test_a_list_of_destinations(client: TestClient, store: Any) -> None:
    add(store, "held", state="paused")
    dead = add(store, "dead", kind="phoenix")
    store.note_error(dead.id, "cannot be reached\nat all", now_ns=NOW - 10**10)
    item = bury(store, dead.consumer, "refused", {"n": 2, "spans": [SPAN, SPAN]})
    text = client.get("/operations").text
    rows = dict(re.findall(r'<tr id="d-([a-z]+)" class="destination">(.*?)</tr>', text, re.DOTALL))
    assert list(rows) == ["dead", "held"]
    assert "paused" in rows["held"] and "up to date" in rows["held"]
    assert "Phoenix" in rows["dead"] and '<summary dir="auto">cannot be reached</summary>' in rows["dead"]
    assert 'href="/operations/dead#buried"' in rows["dead"]
    page = client.get("/operations/dead").text
    assert f'href="/traces/{TRACE}?span={"01" * 8}"' in page
    assert f'data-to="/api/v1/destinations/dead/retry" data-id="{item}"' in page
    assert "2 spans are buried" in page


def test_what_cannot_be_used_says_why(client: TestClient, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEKIT_SECRET_NONE", raising=False)
    destination = add(store, api_key="env:TRACEKIT_SECRET_NONE")
    assert "cannot be used" not in client.get("/operations").text
    store.note_error(destination.id, "the variable is not set", now_ns=NOW)
    assert "cannot be used" in client.get("/operations").text
    assert "TRACEKIT_SECRET_NONE is not set" in client.get("/operations/backend").text
    monkeypatch.setenv("TRACEKIT_SECRET_NONE", "hush")
    text = client.get("/operations/backend").text
    assert "cannot be used" not in text.lower() and "hush" not in text


def test_what_leads_back_here_cannot_be_used(client: TestClient, store: Any) -> None:
    add(store, peer=store.collector_id)
    store.change_destination("backend", {"peer": store.collector_id}, now_ns=NOW).result()
    assert "it leads back to this collector" in client.get("/operations/backend").text


def test_one_of_the_configuration_file_can_only_be_paused(client: TestClient, store: Any) -> None:
    add(store, source="config")
    text = client.get("/operations/backend").text
    assert "the configuration file" in text
    assert 'data-do="state"' in text and 'data-do="remove"' not in text


def test_markup_in_whatever_was_said_is_text(client: TestClient, store: Any) -> None:
    destination = add(
        store,
        HOSTILE.replace("/", ""),
        endpoint=f"http://{HOSTILE}",
        projects=(HOSTILE,),
        filter=HOSTILE,
        options={HOSTILE: HOSTILE},
        headers={HOSTILE: f"env:{HOSTILE}"},
    )
    store.note_error(destination.id, f"{HOSTILE}\n{HOSTILE * 2000}", now_ns=NOW)
    bury(store, destination.consumer, f"{HOSTILE}\n" * 3, {"spans": [HOSTILE], "n": 1})
    bury(store, SUMMARISE, HOSTILE)
    path = re.findall(r'class="title" href="(/operations/[^"]+)"', client.get("/operations").text)[0]
    for address in ("/operations", "/operations?part=live", path, f"{path}?part=live"):
        text = client.get(address).text
        assert "<script>alert" not in text and ESCAPED in text and "{{7*7}}" in text
        assert len(text) < 200_000


def test_the_queues_own_work_is_shown_and_tried_again(client: TestClient, store: Any) -> None:
    bury(store, SUMMARISE, "the batch cannot be read")
    text = client.get("/operations").text
    assert "the batch cannot be read" in text and 'data-to="/api/v1/queue/summarise/retry"' in text
    api = TestClient(Starlette(routes=build_api(store, now_ns=lambda: NOW)))
    path, json = "/api/v1/queue/summarise/retry", {"content-type": "application/json"}
    assert api.post(path, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert api.post(path, content=b"", headers=json).status_code == 400
    assert api.post(path, json={"id": 1}).status_code == 400
    assert api.post("/api/v1/queue/forward%2F1/retry", json={}).status_code == 404
    assert api.post("/api/v1/queue/nothing/retry", json={}).status_code == 404
    assert api.get(path).status_code == 405
    assert api.post(path, json={}).json() == {"items": 1}
    assert "the batch cannot be read" not in client.get("/operations").text


def test_what_waits_is_counted(client: TestClient, store: Any) -> None:
    add(store)
    send(store, TRACE, [{"id": "01" * 8, "name": "answer"}, {"id": "02" * 8, "parent": "01" * 8, "name": "look"}])
    assert "<b>2</b> waiting" in client.get("/operations").text
    assert "2 spans wait for it" in client.get("/operations/backend").text
