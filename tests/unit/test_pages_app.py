"""The pages as an ASGI app over any reader: addresses, headers, faults."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from collector.codec.otlp import decode_traces_json
from collector.processors.chain import process
from collector.processors.normalize import content
from collector.storage.api import Unavailable
from collector.storage.memory import MemoryStore
from collector.summarise.summary import summarise
from dashboards.app import POLICY, build_dashboards

NOW = 1_795_305_600_000_000_000
TRACE = "ab" * 16
ROOT = "01" * 8
HTMX = {"hx-request": "true"}


def send(store: MemoryStore, trace_id: str, spans: list[dict[str, Any]], project: str = "shop") -> None:
    wired = [
        {
            "traceId": trace_id,
            "spanId": span["id"],
            "parentSpanId": span.get("parent", ""),
            "name": span["name"],
            "startTimeUnixNano": str(span.get("start", NOW - 10**10)),
            "endTimeUnixNano": str(span.get("start", NOW - 10**10) + 5 * 10**8),
            "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in span.get("attributes", {}).items()],
        }
        for span in spans
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": project}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": wired}]}]}
    store.submit(process(decode_traces_json(json.dumps(body).encode()))).result()
    store.complete_summaries((), [summarise(store.get_spans(bytes.fromhex(trace_id)), content)])


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    said = {"input.value": "Where is it?", "output.value": "Here.", "user.id": "ada"}
    send(
        store,
        TRACE,
        [{"id": ROOT, "name": "answer", "attributes": said}, {"id": "02" * 8, "parent": ROOT, "name": "look"}],
    )
    return store


@pytest.fixture
def client(store: MemoryStore) -> TestClient:
    return TestClient(build_dashboards(store, clock=lambda: NOW), follow_redirects=False)


PATHS = [
    "/traces",
    "/traces/rows",
    "/traces/head",
    f"/traces/{TRACE}",
    f"/traces/{TRACE}/head",
    f"/traces/{TRACE}/tree.json",
    f"/traces/{TRACE}/trace.json",
    f"/traces/{TRACE}/spans/{ROOT}",
    f"/traces/{TRACE}/spans/{ROOT}.json",
    "/costs",
    "/costs/plot.json",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_keeps_to_the_policy(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


def test_the_policy_allows_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert set(re.findall(r"[a-z]+:|'[a-z]+'", POLICY)) == {"'none'", "'self'", "data:"}


def test_home_is_the_list(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/traces"


def test_addresses_follow_where_the_pages_are_mounted(store: MemoryStore) -> None:
    pages = build_dashboards(store, clock=lambda: NOW)
    client = TestClient(Starlette(routes=[Mount("/look", pages)]), follow_redirects=False)
    assert client.get("/look/").headers["location"] == "/look/traces"
    for path in ("/look/traces", f"/look/traces/{TRACE}", "/look/costs"):
        text = client.get(path).text
        links = re.findall(r'(?:href|src|action|hx-get)="([^"#]*)"', text)
        assert links and all(link.startswith("/look/") for link in links)
        for asset in {link for link in links if "/static/" in link}:
            assert client.get(asset).status_code == 200


def test_files_are_kept_forever_under_an_address_of_their_own(client: TestClient) -> None:
    path = re.findall(r'href="(/static/[^"]+\.css)"', client.get("/traces").text)[0]
    answer = client.get(path)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    older = client.get(re.sub(r"/static/[0-9a-f]+/", "/static/000000000000/", path))
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-store")
    assert client.get("/static/x/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/traces/nothing",
        f"/traces/{'00' * 16}",
        f"/traces/{TRACE} /tree.json",
        f"/traces/{TRACE[:-2]}/head",
        f"/traces/{TRACE}/spans/{'03' * 8}",
        f"/traces/{TRACE}/spans/{'03' * 8}.json",
        f"/traces/{TRACE}/spans/zz",
        f"/traces/{TRACE}/trace.jso",
    ],
)
def test_what_is_not_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text and "<html" in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "<html" not in client.get(path, headers=HTMX).text


@pytest.mark.parametrize(
    "query", ["cursor=nonsense", "cursor=%00", "from=never&to=%F0", "q=%22%27*)(", "sort=; DROP", "range=9y"]
)
def test_addresses_that_were_edited_still_lead_somewhere(client: TestClient, query: str) -> None:
    for path in ("/traces", "/traces/rows", "/traces/head", "/costs", "/costs/plot.json"):
        assert client.get(f"{path}?{query}").status_code == 200


def test_a_span_in_the_address_is_only_ever_an_id(client: TestClient) -> None:
    text = client.get(f"/traces/{TRACE}?span=%22%3E%3Cscript%3E").text
    assert f'data-span="{ROOT}"' in text and "<script>" not in text


def test_rows_are_sent_only_when_they_changed(client: TestClient, store: MemoryStore) -> None:
    first = client.get("/traces/rows")
    again = {"if-none-match": first.headers["etag"]}
    assert client.get("/traces/rows", headers=again).status_code == 304
    send(store, "cd" * 16, [{"id": "05" * 8, "name": "another"}])
    changed = client.get("/traces/rows", headers=again)
    assert changed.status_code == 200 and "another" in changed.text


def test_a_tree_is_sent_only_when_it_changed(client: TestClient, store: MemoryStore) -> None:
    path = f"/traces/{TRACE}/tree.json"
    first = client.get(path)
    assert first.json()["ids"] == [ROOT, "02" * 8]
    assert first.json()["live"] is True
    again = {"if-none-match": first.headers["etag"]}
    assert client.get(path, headers=again).status_code == 304
    send(store, TRACE, [{"id": "04" * 8, "parent": ROOT, "name": "late"}])
    assert len(client.get(path, headers=again).json()["ids"]) == 3


def test_an_old_trace_is_not_live(store: MemoryStore) -> None:
    later = TestClient(build_dashboards(store, clock=lambda: NOW + 10**12))
    assert later.get(f"/traces/{TRACE}/tree.json").json()["live"] is False


def test_whatever_text_was_stored_can_be_shown(client: TestClient, store: MemoryStore) -> None:
    strange = "\u202e\x01\x7f\ufffe &lt;b&gt; </textarea> \U0001f600"
    said = {"input.value": strange, "output.value": strange, "session.id": strange, strange: strange}
    send(store, "ef" * 16, [{"id": "07" * 8, "name": strange, "attributes": said}], project=strange)
    for path in ("/traces", "/costs?by=session_id", f"/traces/{'ef' * 16}", f"/traces/{'ef' * 16}/spans/{'07' * 8}"):
        text = client.get(path).text
        assert "&amp;lt;b&amp;gt; &lt;/textarea&gt;" in text


class _Broken(MemoryStore):
    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self.fault = fault

    def list_traces(self, query: object) -> Any:
        raise self.fault


def test_a_store_that_cannot_be_read_is_told_without_a_traceback() -> None:
    client = TestClient(build_dashboards(_Broken(Unavailable("The disk is full."))))
    answer = client.get("/traces")
    assert answer.status_code == 503
    assert "The disk is full." in answer.text and "Traceback" not in answer.text


def test_a_fault_of_ours_is_told_without_a_traceback() -> None:
    client = TestClient(build_dashboards(_Broken(KeyError("secret"))), raise_server_exceptions=False)
    answer = client.get("/traces")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text and "secret" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY
