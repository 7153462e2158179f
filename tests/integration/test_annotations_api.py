"""``/api/v1/annotations`` from outside: what is stored, what is refused and how that is said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_schema import faults
from api_traces import ENGINES, client_of, filled_client, span_id, trace_id
from starlette.testclient import TestClient

from collector.api.annotation_body import MAX_ANNOTATIONS
from collector.storage.api import Unavailable
from collector.storage.memory import MemoryStore

PATH = "/api/v1/annotations"
TRACE, SPAN = trace_id(1).hex(), span_id(3).hex()


@pytest.fixture(scope="module", params=ENGINES)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with filled_client(request.param, tmp_path_factory.mktemp("api")) as client:
        yield client


@pytest.fixture
def client(filled: TestClient) -> Iterator[TestClient]:
    """Without annotations."""
    yield filled
    for item in filled.get(PATH, params={"limit": 500}).json()["items"]:
        assert filled.delete(f"{PATH}/{item['id']}").status_code == 204


def about(**target: Any) -> dict[str, Any]:
    return {"name": "helpful", "target": target or {"trace_id": TRACE}, "score": 1}


def put(client: TestClient, body: Any) -> list[dict[str, Any]]:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    document = client.get("/api/v1/openapi.json").json()
    assert list(faults(answer.json(), {"$ref": "#/components/schemas/Annotations"}, document)) == []
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_one_is_stored_whole_and_read_back(client: TestClient) -> None:
    body = {
        "name": "correctness",
        "target": {"trace_id": TRACE, "span_id": SPAN, "document_position": 1},
        "annotator_kind": "llm",
        "label": "wrong",
        "score": 0.25,
        "explanation": "the answer is \u201cno\u201d",
        "identifier": "judge-2",
        "metadata": {"model": "gpt-4o", "votes": [1, 2]},
        "value": {"stars": 1},
        "correction": "two years",
    }
    (stored,) = put(client, body)
    assert stored["data_type"] == "numeric" and stored["created_at"].endswith("Z")
    assert {name: stored[name] for name in body if name != "target"} == {n: v for n, v in body.items() if n != "target"}
    assert stored["target"] == {"trace_id": TRACE, "span_id": SPAN, "session_id": None, "document_position": 1}
    assert client.get(f"{PATH}/{stored['id']}").json() == stored
    assert client.get(PATH, params={"trace_id": TRACE}).json()["items"] == [stored]


def test_a_trace_has_everything_that_is_said_of_it(client: TestClient) -> None:
    assert client.get(f"/api/v1/traces/{TRACE}").json()["annotations"] == []
    put(
        client, [about(), about(trace_id=TRACE, span_id=SPAN), about(trace_id=trace_id(2).hex()), about(session_id="s")]
    )
    document = client.get("/api/v1/openapi.json").json()
    for query in ("", "?payload=false"):
        trace = client.get(f"/api/v1/traces/{TRACE}{query}").json()
        assert list(faults(trace, {"$ref": "#/components/schemas/Trace"}, document)) == []
        assert [found["target"]["span_id"] for found in trace["annotations"]] == [None, SPAN]


def test_the_same_target_name_and_identifier_is_replaced(client: TestClient) -> None:
    (first,) = put(client, about())
    (second,) = put(client, {**about(), "score": None, "label": "no", "target": {"trace_id": TRACE.upper()}})
    assert second["id"] == first["id"] and second["created_at"] == first["created_at"]
    (found,) = client.get(PATH).json()["items"]
    assert (found["score"], found["label"], found["data_type"]) == (None, "no", "categorical")


@pytest.mark.parametrize(
    ("said", "data_type"),
    [({"score": True}, "boolean"), ({"score": 0}, "numeric"), ({"explanation": "x"}, "text"), ({"value": [1]}, None)],
)
def test_what_can_be_said(client: TestClient, said: dict[str, Any], data_type: str | None) -> None:
    (stored,) = put(client, {"name": "n", "target": {"session_id": "s"}, **said})
    assert stored["data_type"] == data_type
    assert all(stored[name] == value for name, value in said.items())


def test_lists_are_paged_and_filtered(client: TestClient) -> None:
    put(client, [{**about(), "identifier": str(number)} for number in range(7)])
    put(client, [{**about(session_id="s1"), "name": "other"}])
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get(PATH, params={"limit": 3, "trace_id": TRACE} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["identifier"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [str(number) for number in range(7)]
    assert [item["name"] for item in client.get(PATH, params={"session_id": "s1"}).json()["items"]] == ["other"]
    assert [item["name"] for item in client.get(PATH, params={"name": "other"}).json()["items"]] == ["other"]
    assert client.get(PATH, params={"span_id": SPAN}).json() == {"items": [], "next_cursor": None}


def test_it_is_deleted(client: TestClient) -> None:
    (stored,) = put(client, about())
    one = f"{PATH}/{stored['id']}"
    assert client.delete(one).status_code == 204
    for answer in (client.delete(one), client.get(one)):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ([], [""]),
        ("text", [""]),
        ({}, ["", "/name", "/target"]),
        ({**about(), "target": {}}, ["/target"]),
        ({**about(), "target": []}, ["/target"]),
        ({**about(), "target": {"trace_id": "xyz"}}, ["/target/trace_id"]),
        ({**about(), "target": {"trace_id": 5}}, ["/target/trace_id"]),
        ({**about(), "target": {"span_id": SPAN}}, ["/target/trace_id"]),
        (about(trace_id=TRACE, document_position=0), ["/target/span_id"]),
        (about(trace_id=TRACE, span_id=SPAN, document_position=-1), ["/target/document_position"]),
        (about(trace_id=TRACE, span_id=SPAN, document_position=True), ["/target/document_position"]),
        (about(trace_id=TRACE, project="shop"), ["/target/project"]),
        ({**about(), "score": None}, [""]),
        ({**about(), "score": "good"}, ["/score"]),
        ({**about(), "annotator_kind": "cat"}, ["/annotator_kind"]),
        ({**about(), "annotator_kind": ["human"]}, ["/annotator_kind"]),
        ({**about(), "name": " "}, ["/name"]),
        ({**about(), "name": "x" * 201}, ["/name"]),
        ({**about(), "label": "a\0b"}, ["/label"]),
        ({**about(), "label": "x" * 1001}, ["/label"]),
        ({**about(), "explanation": "x" * 65_537}, ["/explanation"]),
        ({**about(), "metadata": [1]}, ["/metadata"]),
        ({**about(), "metadata": {"x": "y" * 70_000}}, ["/metadata"]),
        ({**about(), "a/b~c": 1}, ["/a~1b~0c"]),
        ([about(), {**about(), "score": []}, 7], ["/1/score", "/2"]),
        ([about()] * (MAX_ANNOTATIONS + 1), [""]),
    ],
)
def test_what_is_wrong_is_told_with_where(client: TestClient, body: Any, pointers: list[str]) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert sorted(fault["pointer"] for fault in answer.json()["errors"]) == pointers
    assert client.get(PATH).json()["items"] == []


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"name": "\\ud800"}', b"[" * 2000 + b"]" * 2000, b'{"score": NaN}', b"\xff"]
)
def test_what_is_no_json_is_refused(client: TestClient, raw: bytes) -> None:
    answer = client.post(PATH, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == ""


def test_values_nested_deep_are_refused_by_name(client: TestClient) -> None:
    deep = json.loads('{"a":' * 70 + "1" + "}" * 70)
    answer = client.post(PATH, json={**about(), "metadata": deep})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/metadata"]


def test_only_json_of_a_bounded_size_is_read(client: TestClient) -> None:
    assert client.post(PATH, data={"name": "x"}).status_code == 415
    assert client.post(PATH, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    headers = {"content-type": "application/json"}
    assert client.post(PATH, content=b" " * (9 * 2**20), headers=headers).status_code == 413
    bomb = gzip.compress(b" " * (9 * 2**20))
    assert client.post(PATH, content=bomb, headers=headers | {"content-encoding": "gzip"}).status_code == 413
    packed = gzip.compress(json.dumps(about()).encode())
    assert client.post(PATH, content=packed, headers=headers | {"content-encoding": "gzip"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", f"{PATH}?trace_id=xyz", 400),
        ("GET", f"{PATH}?span_id={TRACE}", 400),
        ("GET", f"{PATH}?label=x", 400),
        ("GET", f"{PATH}?cursor=AAAA", 400),
        ("GET", f"{PATH}/7", 400),
        ("DELETE", f"{PATH}/x", 400),
        ("PUT", PATH, 405),
        ("PATCH", f"{PATH}/{'0' * 32}", 405),
    ],
)
def test_other_faults_are_problems_too(client: TestClient, method: str, url: str, status: int) -> None:
    answer = client.request(method, url)
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_database_that_is_away_is_said_so() -> None:
    class Away(MemoryStore):
        def put_annotations(self, annotations: Any) -> Any:
            raise Unavailable("the disk is full")

    with client_of(Away()) as client:
        answer = client.post(PATH, json=about())
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["detail"] == "the disk is full"
