"""The OpenAPI document says what the API answers, and the page shows the document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from api_schema import faults, resolve
from api_traces import ENGINES, filled_client, span_id, trace_id
from rule_traces import add_rule
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from collector.api import build_api
from collector.forwarding.settings import FIELDS, REMOTE_SECRETS
from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore

TRACE = f"/api/v1/traces/{trace_id(1).hex()}"
ANSWERS = [
    ("/api/v1/traces", "TracePage", 200),
    ("/api/v1/traces?limit=1", "TracePage", 200),
    (TRACE, "Trace", 200),
    (f"{TRACE}?payload=false", "Trace", 200),
    (f"/api/v1/traces/{trace_id(2).hex()}", "Trace", 200),
    (f"{TRACE}/spans/{span_id(3).hex()}", "Span", 200),
    ("/api/v1/usage", "UsageRows", 200),
    ("/api/v1/usage?group_by=user_id,session_id,project,model,provider,tag:tier", "UsageRows", 200),
    ("/api/v1/usage?group_by=day,hour", "UsageRows", 200),
    ("/api/v1/projects", "Projects", 200),
    ("/api/v1/annotations", "AnnotationPage", 200),
    (f"/api/v1/annotations?trace_id={trace_id(1).hex()}", "AnnotationPage", 200),
    (f"/api/v1/annotations/{'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'0' * 12}", "Problem", 404),
    ("/api/v1/destinations", "Destinations", 200),
    ("/api/v1/destinations/backend", "DestinationStatus", 200),
    ("/api/v1/destinations/backend/buried", "Buried", 200),
    ("/api/v1/destinations/nobody", "Problem", 404),
    ("/api/v1/datasets", "Datasets", 200),
    ("/api/v1/datasets/qa", "Dataset", 200),
    ("/api/v1/datasets/nobody", "Problem", 404),
    ("/api/v1/datasets/qa/examples", "ExamplePage", 200),
    ("/api/v1/datasets/qa/examples?version=prod&split=test&limit=1", "ExamplePage", 200),
    ("/api/v1/datasets/qa/examples?version=9", "Problem", 404),
    ("/api/v1/datasets/qa/versions", "DatasetVersions", 200),
    ("/api/v1/datasets/qa/diff", "DatasetDiff", 200),
    ("/api/v1/datasets/qa/diff?from=0&to=prod", "DatasetDiff", 200),
    ("/api/v1/datasets/qa/export?format=x", "Problem", 400),
    ("/api/v1/experiments", "ExperimentPage", 200),
    (f"/api/v1/experiments/{'65' * 16}", "Experiment", 200),
    (f"/api/v1/experiments/{'65' * 16}/runs", "ExperimentRunPage", 200),
    ("/api/v1/rules", "Rules", 200),
    ("/api/v1/rules/polite", "RuleStatus", 200),
    ("/api/v1/rules/polite/versions", "RuleVersions", 200),
    ("/api/v1/rules/polite/decisions?state=failed&limit=2", "Decisions", 200),
    ("/api/v1/rules/polite/scores?from=2026-01-01&step=day", "ScoreSteps", 200),
    ("/api/v1/rules/polite/backfills", "Backfills", 200),
    ("/api/v1/rules/nobody", "Problem", 404),
    (f"{TRACE}/evaluations", "Explanation", 200),
    (f"/api/v1/annotations/{UUID(bytes=b's' * 16)}/history", "AnnotationHistory", 200),
    ("/api/v1/traces?limit=x", "Problem", 400),
    (f"/api/v1/traces/{'f' * 32}", "Problem", 404),
]


@pytest.fixture(scope="module", params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with filled_client(request.param, tmp_path_factory.mktemp("api"), add_rule) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def operation_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    for template, methods in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] = methods["get"]
            return found
    raise AssertionError(f"{path} is not described")


@pytest.mark.parametrize(("url", "schema", "status"), ANSWERS)
def test_answers_are_as_described(
    client: TestClient, document: dict[str, Any], url: str, schema: str, status: int
) -> None:
    answer = client.get(url)
    assert answer.status_code == status
    described = operation_of(document, url.partition("?")[0])["responses"][str(status)]["content"]
    media = described[answer.headers["content-type"]]
    assert media["schema"] == {"$ref": f"#/components/schemas/{schema}"}
    assert list(faults(answer.json(), media["schema"], document)) == []


def test_the_checker_finds_faults(client: TestClient, document: dict[str, Any]) -> None:
    trace = client.get(TRACE).json()
    trace["spans"][0]["kind"] = "nonsense"
    trace["spans"][1]["extra"] = 1
    del trace["project"]
    trace["duration_ms"] = "long"
    found = list(faults(trace, {"$ref": "#/components/schemas/Trace"}, document))
    assert [fault.partition(":")[0] for fault in found] == ["", "/duration_ms", "/spans/0/kind", "/spans/1"]


def test_every_path_of_the_document_was_tried(document: dict[str, Any]) -> None:
    tried = {id(operation_of(document, url.partition("?")[0])) for url, _, _ in ANSWERS}
    assert tried == {id(methods["get"]) for methods in document["paths"].values() if "get" in methods}


def test_every_route_is_described(document: dict[str, Any]) -> None:
    (mount, *_) = build_api(MemoryStore(MemoryQueue()))
    assert isinstance(mount, Mount)
    routes = {
        (f"{mount.path}{route.path}", method.lower())
        for route in mount.routes
        if isinstance(route, Route) and route.path != "/openapi.json"
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routes == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_what_the_document_says_of_secrets_and_files_is_so(document: dict[str, Any]) -> None:
    said = document["components"]["schemas"]["NewDestination"]["properties"]
    assert f"`{REMOTE_SECRETS}NAME`" in said["api_key"]["description"]
    assert list(said) == [*FIELDS, "from"]


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    references = set(re.findall(r'"\$ref": "([^"]+)"', text))
    assert all(resolve(reference, document) for reference in references)
    assert {reference.rpartition("/")[2] for reference in references} == document["components"]["schemas"].keys()
    assert document["openapi"].startswith("3.1")


def test_every_parameter_of_the_document_is_taken(client: TestClient, document: dict[str, Any]) -> None:
    examples = {
        "filter": "cost > 1",
        "status": "ok",
        "sort": "-cost",
        "limit": "5",
        "from": "24h",
        "to": "now",
        "group_by": "tag:a,day",
    }
    examples |= {"trace_id": trace_id(1).hex(), "span_id": span_id(1).hex()}
    for path, methods in document["paths"].items():
        if "{" in path:
            continue
        for parameter in methods.get("get", {"parameters": ()})["parameters"]:
            if parameter["name"] != "cursor":
                given = {parameter["name"]: examples.get(parameter["name"], "x")}
                assert client.get(path, params=given).status_code == 200, given


def test_the_page_shows_everything_and_loads_nothing(client: TestClient, document: dict[str, Any]) -> None:
    answer = client.get("/api/docs")
    page = answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(f"{method.upper()} {path}" in page for path, methods in document["paths"].items() for method in methods)
    assert all(f'id="schema-{name}"' in page for name in document["components"]["schemas"])
    assert "<script" not in page and "src=" not in page and "http://" not in page and "https://" not in page
    targets, anchors = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r'id="([^"]+)"', page))
    assert targets <= anchors
