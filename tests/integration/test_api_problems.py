"""Everything that can be wrong with a request is answered in the form of RFC 9457, and nothing is ever ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_traces import ENGINES, client_of, filled_client, trace_id
from starlette.testclient import TestClient

from collector.storage.api import Unavailable
from collector.storage.memory import MemoryStore

TRACE = f"/api/v1/traces/{trace_id(1).hex()}"


@pytest.fixture(scope="module", params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with filled_client(request.param, tmp_path_factory.mktemp("api")) as client:
        yield client


def problem(client: TestClient, url: str, status: int, method: str = "GET") -> dict[str, Any]:
    answer = client.request(method, url)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status and document["type"] == "about:blank"
    assert document["title"] and document["detail"] and "Traceback" not in answer.text
    return document


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/traces?limit=0", "limit"),
        ("/api/v1/traces?limit=501", "limit"),
        ("/api/v1/traces?limit=ten", "limit"),
        ("/api/v1/traces?limit=%D9%A1", "limit"),
        ("/api/v1/traces?status=broken", "status"),
        ("/api/v1/traces?sort=name", "sort"),
        ("/api/v1/traces?from=yesterday", "from"),
        ("/api/v1/traces?to=2026-02-30T00:00:00Z", "to"),
        ("/api/v1/traces?filter=cost%3E", "filter"),
        ("/api/v1/traces?cursor=!!!", "cursor"),
        ("/api/v1/traces?cursor=AAAA", "cursor"),
        ("/api/v1/traces?user=ada", "user"),
        ("/api/v1/traces?user_id=a&user_id=b", "user_id"),
        ("/api/v1/traces?user_id=%00", "user_id"),
        (f"/api/v1/traces?q={'x' * 1001}", "q"),
        ("/api/v1/usage?group_by=colour", "group_by"),
        ("/api/v1/usage?group_by=tag:", "group_by"),
        ("/api/v1/usage?group_by=user_id,user_id", "group_by"),
        ("/api/v1/usage?group_by=day,hour,model,project,user_id,provider,session_id", "group_by"),
        ("/api/v1/usage?user_id=ada", "user_id"),
        ("/api/v1/projects?limit=5", "limit"),
        (f"{TRACE}?payload=no", "payload"),
        (f"{TRACE}/spans/0000000000000001?payload=false", "payload"),
        ("/api/v1/traces/xyz", "trace_id"),
        (f"{TRACE}/spans/12", "span_id"),
        (f"/api/v1/traces/{'g' * 32}", "trace_id"),
    ],
)
def test_wrong_parameters_are_named(client: TestClient, path: str, parameter: str) -> None:
    document = problem(client, path, 400)
    assert [fault["parameter"] for fault in document["errors"]] == [parameter]
    assert document["errors"][0]["detail"]


def test_all_faults_are_told_at_once(client: TestClient) -> None:
    document = problem(client, "/api/v1/traces?limit=x&status=y&colour=z", 400)
    assert {fault["parameter"] for fault in document["errors"]} == {"limit", "status", "colour"}


def test_a_cursor_belongs_to_its_query(client: TestClient) -> None:
    cursor = client.get("/api/v1/traces?limit=1").json()["next_cursor"]
    document = problem(client, f"/api/v1/traces?limit=1&user_id=ada&cursor={cursor}", 400)
    assert document["errors"][0]["parameter"] == "cursor"


def test_a_fault_in_a_filter_is_named_with_its_column(client: TestClient) -> None:
    detail = problem(client, "/api/v1/traces?filter=status=='ok' and costs > 1", 400)["errors"][0]["detail"]
    assert "column 18: " in detail and "did you mean cost?" in detail


def test_times_beyond_the_database_are_no_fault(client: TestClient) -> None:
    assert client.get("/api/v1/traces?from=0001-01-01&to=9999-12-31T23:59:59Z").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/traces/{'0' * 31}9",
        f"{TRACE}/spans/00000000000000ff",
        "/api/v1/sessions",
        "/api/v1/",
        "/api/v1/x/y",
    ],
)
def test_what_is_not_there(client: TestClient, path: str) -> None:
    assert problem(client, path, 404)["detail"]


def test_other_methods(client: TestClient) -> None:
    problem(client, "/api/v1/traces", 405, "POST")
    assert set(client.post("/api/v1/traces").headers["allow"].split(", ")) == {"GET", "HEAD"}


class BrokenStore(MemoryStore):
    """A store whose database is away, or that has a fault of its own."""

    def projects(self) -> Any:
        raise Unavailable("secret-host:5432 refused")

    def usage(self, query: Any) -> Any:
        raise ZeroDivisionError("secret detail")


def test_a_database_that_is_away() -> None:
    client = client_of(BrokenStore())
    answer = client.get("/api/v1/projects")
    assert "secret" not in str(problem(client, "/api/v1/projects", 503))
    assert answer.headers["retry-after"] == "1"


def test_a_fault_inside_shows_nothing_of_the_inside() -> None:
    assert "secret" not in str(problem(client_of(BrokenStore()), "/api/v1/usage", 500))
