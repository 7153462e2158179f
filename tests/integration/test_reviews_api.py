"""``/api/v1/reviews`` from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_schema import faults
from api_traces import ENGINES, filled_client
from starlette.testclient import TestClient

NEXT, SKIP = "/api/v1/reviews/next", "/api/v1/reviews/skip"


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    with filled_client(request.param, tmp_path) as client:
        yield client


def ask(client: TestClient, reviewer: str = "ada", **more: Any) -> dict[str, Any]:
    answer = client.post(NEXT, json={"name": "correct", "reviewer": reviewer, **more})
    assert answer.status_code == 200, answer.text
    document = client.get("/api/v1/openapi.json").json()
    assert list(faults(answer.json(), {"$ref": "#/components/schemas/Review"}, document)) == []
    found: dict[str, Any] = answer.json()
    return found


def test_traces_are_reviewed_one_after_the_other(client: TestClient) -> None:
    first = ask(client, project="shop")
    left = first["left"]
    assert left > 1
    assert first["reserved_until"] == "2026-11-22T00:10:00.000000000Z"
    assert ask(client, "bob")["trace_id"] != first["trace_id"]
    target = {"trace_id": first["trace_id"]}
    said = {"name": "correct", "target": target, "annotator_kind": "human", "identifier": "ada", "score": True}
    assert client.post("/api/v1/annotations", json=said).status_code == 200
    seen = {first["trace_id"]}
    while (found := ask(client, filter="status == 'ok' or status != 'ok'"))["trace_id"]:
        assert found["trace_id"] not in seen
        seen.add(found["trace_id"])
        skip = {"trace_id": found["trace_id"], "name": "correct", "reviewer": "ada"}
        assert client.post(SKIP, json=skip).status_code == 204
    assert found == {"trace_id": None, "reserved_until": None, "left": 0}
    assert len(seen) == left - 1  # bob has one


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        (NEXT, {}, {"/name", "/reviewer"}),
        (NEXT, {"name": 1, "reviewer": "x" * 201, "nme": 1}, {"/name", "/reviewer", "/nme"}),
        (
            NEXT,
            {"name": "a", "reviewer": "b", "filter": "status ==", "from": "soon", "to": 3, "each_reviewer": 1},
            {"/filter", "/from", "/to", "/each_reviewer"},
        ),
        (NEXT, {"name": "a\0", "reviewer": "b", "project": []}, {"/name", "/project"}),
        (NEXT, [], {""}),
        (SKIP, {"trace_id": "xyz"}, {"/trace_id", "/name", "/reviewer"}),
        (SKIP, {"name": "a", "reviewer": "b"}, {"/trace_id"}),
    ],
)
def test_faults_are_named_by_pointer(client: TestClient, path: str, body: Any, pointers: set[str]) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert {one["pointer"] for one in answer.json()["errors"]} == pointers


def test_what_is_not_stored_cannot_be_skipped(client: TestClient) -> None:
    body = {"trace_id": "f" * 32, "name": "a", "reviewer": "b"}
    assert client.post(SKIP, json=body).status_code == 404
    assert client.post(NEXT, content="{}").status_code == 415
