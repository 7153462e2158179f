"""``/api/v1/datasets`` and ``/api/v1/experiments``: what is stored, what is refused and how that is said."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from api_traces import ENGINES, Store, client_of, fill, trace_id
from starlette.testclient import TestClient

from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore
from collector.storage.sql.store import open_store

PATH = "/api/v1/datasets"
JSON = {"content-type": "application/json"}
ODD = "é \0 \u2028 🎉 ' \" \\ <b>"
EXAMPLES = [
    {"input": "What is 2+2?", "expected": "4", "metadata": {"k": ODD}, "split": "test"},
    {"input": {"q": ODD, "n": [1, 2.5, None]}, "source": f"{'a' * 32}:{'b' * 16}"},
]


@pytest.fixture(scope="module", params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    memory = request.param == "memory"
    url = f"sqlite:///{tmp_path_factory.mktemp('datasets')}/api.db"
    opened: Store = MemoryStore(MemoryQueue()) if memory else open_store(url)
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with client_of(store) as client:
        yield client
    for one in store.list_datasets():
        store.remove_dataset(one.name, experiments=True).result(30)


@pytest.fixture
def qa(client: TestClient) -> str:
    assert client.post(PATH, json={"name": "qa"}).status_code == 201
    return f"{PATH}/qa"


def changed(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(f"{path}/changes", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer: Any, status: int) -> dict[str, str]:
    """Where the answer says that something is wrong, and what."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return {one.get("pointer", one.get("parameter")): one["detail"] for one in answer.json().get("errors", ())}


def test_a_dataset_is_made_changed_and_removed(client: TestClient) -> None:
    made = client.post(PATH, json={"name": "qa", "description": "golden", "metadata": {"team": ODD}})
    assert made.status_code == 201
    assert made.json() | {"id": ""} == {
        "id": "", "name": "qa", "description": "golden", "metadata": {"team": ODD}, "version": 0, "example_count": 0,
        "created_at": "2026-11-22T00:00:00.000000000Z", "updated_at": "2026-11-22T00:00:00.000000000Z",
    }  # fmt: skip
    problem(client.post(PATH, json={"name": "qa"}), 409)
    assert client.patch(f"{PATH}/qa", json={"name": "b", "description": None}).json()["description"] is None
    assert [one["name"] for one in client.get(PATH).json()["items"]] == ["b"]
    problem(client.get(f"{PATH}/qa"), 404)
    assert client.delete(f"{PATH}/b").status_code == 204
    problem(client.delete(f"{PATH}/b"), 404)


def test_examples_are_added_read_changed_and_removed(client: TestClient, qa: str) -> None:
    first = changed(client, qa, add=[*EXAMPLES, EXAMPLES[0]], note="first")
    assert (first["version"], first["added"], first["duplicates"]) == (1, 2, 1)
    page = client.get(f"{qa}/examples?limit=1").json()
    assert page["items"] == [{"id": first["ids"][0], "source": None, **EXAMPLES[0]}]
    rest = client.get(f"{qa}/examples?limit=1&version={page['version']}&cursor={page['next_cursor']}").json()
    assert rest["items"][0]["input"] == EXAMPLES[1]["input"] and rest["next_cursor"] is None
    second = changed(client, qa, update=[{"id": first["ids"][0], "expected": "four"}], remove=[first["ids"][1]])
    assert (second["version"], second["updated"], second["removed"]) == (2, 1, 1)
    assert client.put(f"{qa}/tags/prod", json={"version": 1}).json()["tags"] == ["prod"]
    old = client.get(f"{qa}/examples?version=prod").json()
    assert (old["version"], [one["expected"] for one in old["items"]]) == (1, ["4", None])
    diff = client.get(f"{qa}/diff?from=prod").json()
    assert (diff["from"], diff["to"], diff["removed_count"], diff["added_count"]) == (1, 2, 1, 0)
    assert [(one["fields"], one["after"]["expected"]) for one in diff["changed"]] == [(["expected"], "four")]
    versions = client.get(f"{qa}/versions").json()["items"]
    assert [(one["version"], one["note"], one["tags"]) for one in versions] == [
        (2, None, []), (1, "first", ["prod"]), (0, None, []),
    ]  # fmt: skip
    assert client.delete(f"{qa}/tags/prod").status_code == 204
    problem(client.get(f"{qa}/examples?version=prod"), 404)
    problem(client.post(f"{qa}/changes", json={"base_version": 1, "remove": [first["ids"][0]]}), 409)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"add": [{"input": 1}, {"expected": 1}]}, "/add/1/input"),
        ({"add": [{"input": 1, "colour": 2}]}, "/add/0/colour"),
        ({"add": ["x"]}, "/add/0"),
        ({"add": [{"input": 1, "id": "x"}]}, "/add/0/id"),
        ({"add": [{"input": 1, "split": "a b"}]}, "/add/0/split"),
        ({"add": [{"input": 1, "metadata": [1]}]}, "/add/0/metadata"),
        ({"add": [{"input": 1, "source": "x"}]}, "/add/0/source"),
        ({"add": {}}, "/add"),
        ({"update": [{"id": "a" * 32, "colour": 1}]}, "/update/0/colour"),
        ({"update": [{"split": "x"}]}, "/update/0/id"),
        ({"remove": [7]}, "/remove/0"),
        ({"replace": 1}, "/replace"),
        ({"base_version": -1}, "/base_version"),
        ({"note": "\0"}, "/note"),
        ({"what": 1}, "/what"),
        ([], ""),
    ],
)
def test_what_is_wrong_with_a_change_is_said(client: TestClient, qa: str, body: Any, pointer: str) -> None:
    assert pointer in problem(client.post(f"{qa}/changes", json=body), 400)
    assert client.get(qa).json()["version"] == 0


def test_hostile_bodies_are_refused(client: TestClient, qa: str) -> None:
    json_type = {"content-type": "application/json"}
    for body in (b"{", b'{"add": [{"input": NaN}]}', b'{"add": [{"input": "\\ud800"}]}', b"\xff", b"[" * 100_000):
        problem(client.post(f"{qa}/changes", content=body, headers=json_type), 400)
    deep = b'{"add": [{"input": ' + b"[" * 200 + b"]" * 200 + b"}]}"
    assert problem(client.post(f"{qa}/changes", content=deep, headers=json_type), 400)
    problem(client.post(f"{qa}/changes", content=b"{}", headers={"content-type": "text/plain"}), 415)
    problem(client.post(f"{qa}/changes", content=b" " * 9_000_000, headers=json_type), 413)
    problem(client.post(f"{qa}/changes", json={"update": [{"id": "a" * 32, "split": "x"}]}), 404)
    problem(client.post(f"{PATH}/nobody/changes", json={}), 404)
    for name in ("", "a b", "ä", "x" * 101, 7):
        assert "/name" in problem(client.post(PATH, json={"name": name}), 400)
    for tag in ("7", "latest", "a b"):
        problem(client.put(f"{qa}/tags/{tag}", json={"version": 0}), 400)
    problem(client.put(f"{qa}/tags/x", json={"version": 9}), 404)


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "parquet"])
def test_what_is_exported_and_imported_is_the_same_version(client: TestClient, qa: str, format_name: str) -> None:
    there = changed(client, qa, add=EXAMPLES)
    answer = client.get(f"{qa}/export?format={format_name}")
    assert answer.headers["content-disposition"] == f'attachment; filename="qa.{format_name}"'
    client.post(PATH, json={"name": "copy"})
    headers = {"content-type": answer.headers["content-type"]}
    back = client.post(f"{PATH}/copy/import?note=copied", content=answer.content, headers=headers)
    assert back.status_code == 200, back.text
    assert back.json()["hash"] == there["hash"]


def test_folders_are_exported_as_archives(client: TestClient, qa: str) -> None:
    changed(client, qa, add=EXAMPLES)
    answer = client.get(f"{qa}/export?format=huggingface&split=test")
    assert answer.headers["content-type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert "dataset_dict.json" in names and "test/data-00000-of-00001.arrow" in names


def test_columns_of_a_file_are_named_and_its_faults_said_by_line(client: TestClient, qa: str) -> None:
    headers = {"content-type": "text/csv"}
    data = b"ask,say,topic\nq1,a1,t\nq2,a2,t\n"
    path = f"{qa}/import?input=ask&expected=say&replace=true"
    assert client.post(path, content=data, headers=headers).json()["added"] == 2
    (first, _) = client.get(f"{qa}/examples").json()["items"]
    assert (first["input"], first["expected"], first["metadata"]) == ("q1", "a1", {"topic": "t"})
    wrong = problem(client.post(path, content=data + b"q3\n", headers=headers), 400)
    assert wrong == {"/4": "has 1 cells, the head line 3"}
    assert client.get(qa).json()["version"] == 1
    problem(client.post(path, content=data, headers={"content-type": "text/plain"}), 415)
    problem(client.post(path, content=b"x" * 9_000_000, headers=headers), 413)


def test_traces_become_examples(client: TestClient, qa: str) -> None:
    body = {"filter": "name == 'answer'", "metadata": {"model": "model"}, "split": "live"}
    found = client.post(f"{qa}/from-traces", json={"targets": [trace_id(1).hex()], "metadata": {"project": "project"}})
    assert found.status_code == 200, found.text
    assert found.json()["added"] == 1, found.json()
    (one,) = client.get(f"{qa}/examples").json()["items"]
    trace = client.get(f"/api/v1/traces/{trace_id(1).hex()}").json()
    assert (one["input"], one["expected"]) == (trace["input"], trace["output"])
    assert (one["source"], one["metadata"]) == (trace_id(1).hex(), {"project": "shop"})
    assert client.post(f"{qa}/from-traces", json=body).status_code == 200


def test_spans_become_examples_with_a_mapping(client: TestClient, qa: str, store: Store) -> None:
    spans = client.get(f"/api/v1/traces/{trace_id(1).hex()}").json()["spans"]
    span = next(one for one in spans if one["documents"])
    target = f"{trace_id(1).hex()}:{span['span_id']}"
    body = {
        "targets": [target],
        "input": {"question": "input", "first": "documents.0.text", "none": "metadata.nothing"},
        "expected": None,
    }
    found = client.post(f"{qa}/from-traces", json=body)
    assert found.status_code == 200, found.text
    (one,) = client.get(f"{qa}/examples").json()["items"]
    assert one["input"] == {"question": span["input"], "first": span["documents"][0]["text"], "none": None}
    assert (one["expected"], one["source"]) == (None, target)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": "colour == 1"}, "/filter"),
        ({"target": "x"}, "/target"),
        ({"targets": ["x"]}, "/targets"),
        ({"input": "__class__"}, "/input"),
        ({"limit": 0}, "/limit"),
        ({"mask": {"patterns": ["x"]}}, "/mask"),
        ({"from": "yesterday"}, "/from"),
        ({"what": 1}, "/what"),
    ],
)
def test_what_is_wrong_with_a_selection_is_said(client: TestClient, qa: str, body: Any, pointer: str) -> None:
    assert pointer in problem(client.post(f"{qa}/from-traces", json=body), 400)


def test_an_experiment_is_begun_gone_on_with_and_ended(client: TestClient, qa: str) -> None:
    ids = changed(client, qa, add=EXAMPLES)["ids"]
    client.put(f"{qa}/tags/v1", json={"version": 1})
    body = {"name": "first", "dataset": "qa", "version": "v1", "metadata": {"model": ODD}, "baseline": "main"}
    made = client.post("/api/v1/experiments", json=body)
    assert made.status_code == 201, made.text
    path = f"/api/v1/experiments/{made.json()['id']}"
    problem(client.post("/api/v1/experiments", json=body), 409)
    run = {
        "example_id": ids[0], "repetition": 1, "output": {"a": ODD}, "trace_id": "ab" * 16, "latency_ms": 12.5,
        "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost": "0.0000315",
        "scores": [{"name": "exact", "score": 1.0}], "started_at": "2026-11-22T00:00:00Z", "error": None,
    }  # fmt: skip
    failed = {"example_id": ids[1], "error": "ValueError: no", "cost": 0.5}
    assert client.post(f"{path}/runs", json={"runs": [run, failed]}).json() == {"stored": 2}
    assert client.post(f"{path}/runs", json={"runs": [run]}).json() == {"stored": 1}
    first, second = client.get(f"{path}/runs").json()["items"]
    assert (first["error"], first["cost"], first["repetition"]) == ("ValueError: no", "0.5", 0)
    said = {name: second[name] for name in run} | {"started_at": run["started_at"]}
    assert said == run
    ended = client.patch(path, json={"state": "done"}).json()
    assert (ended["state"], ended["run_count"], ended["error_count"], ended["version"]) == ("done", 2, 1, 1)
    assert ended["ended_at"] is not None
    found = client.get("/api/v1/experiments?dataset=qa&baseline=main").json()["items"]
    assert [one["name"] for one in found] == ["first"]
    problem(client.delete(qa), 409)
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404)
    assert client.delete(qa).status_code == 204


def test_faulty_experiments_and_runs_are_refused(client: TestClient, qa: str) -> None:
    ids = changed(client, qa, add=EXAMPLES)["ids"]
    assert set(problem(client.post("/api/v1/experiments", json={}), 400)) == {"/name", "/dataset"}
    problem(client.post("/api/v1/experiments", json={"name": "x", "dataset": "nobody"}), 404)
    problem(client.post("/api/v1/experiments", json={"name": "x", "dataset": "qa", "version": 9}), 404)
    made = client.post("/api/v1/experiments", json={"name": "x", "dataset": "qa"}).json()
    path = f"/api/v1/experiments/{made['id']}/runs"
    for run, pointer in (
        ({}, "/runs/0/example_id"),
        ({"example_id": ids[0], "cost": "much"}, "/runs/0/cost"),
        ({"example_id": ids[0], "cost": -1}, "/runs/0/cost"),
        ({"example_id": ids[0], "latency_ms": True}, "/runs/0/latency_ms"),
        ({"example_id": ids[0], "repetition": 1_000_000}, "/runs/0/repetition"),
        ({"example_id": ids[0], "scores": [{}]}, "/runs/0/scores"),
        ({"example_id": ids[0], "input_tokens": 2**70}, "/runs/0/input_tokens"),
        ({"example_id": ids[0], "colour": 1}, "/runs/0/colour"),
    ):
        assert pointer in problem(client.post(path, content=json.dumps({"runs": [run]}), headers=JSON), 400)
    problem(client.post(path, json={"runs": [{"example_id": "ab" * 16}]}), 404)
    assert client.get(path).json()["items"] == []
    problem(client.get("/api/v1/experiments?cursor=x"), 400)
    problem(client.get("/api/v1/experiments/x"), 400)
