"""LangSmith's reading half without its client: addresses, keys, links, and what is refused."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from collector_process import Answer, CollectorProcess, collectors
from langsmith_reading import T0, Run

KEY = {"x-api-key": "s3cret-key-1"}
NOBODY = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One with a key."""
    with collectors(tmp_path_factory.mktemp("langsmith")) as start:
        yield start(env={"TRACEKIT_API_KEYS": "s3cret-key-1,s3cret-key-2"})


@pytest.fixture(scope="module")
def run(collector: CollectorProcess) -> Run:
    """A run with a page of HTML attached."""
    sent = Run(None, T0)
    document = {
        "id": str(sent.id), "trace_id": str(sent.id), "dotted_order": sent.dotted_order, "name": "ask",
        "run_type": "chain", "start_time": T0.isoformat(), "end_time": T0.isoformat(), "session_name": "shop",
        "inputs": {"attachments": [1]},
    }  # fmt: skip
    parts = [(f"post.{sent.id}", "application/json", json.dumps(document))]
    parts.append((f"attachment.{sent.id}.page", "text/html", "<script>alert(1)</script>"))
    body = "".join(
        f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n{data}\r\n'
        for name, kind, data in parts
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b0", **KEY}
    assert collector.post("/langsmith/runs/multipart", body + "--b0--\r\n", headers).status == 202
    return sent


def ask(collector: CollectorProcess, method: str, path: str, body: Any = None) -> Answer:
    given = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
    return collector.request(method, f"/langsmith{path}", given, KEY)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("base", ["", "/api", "/api/v1"])
def test_every_address_with_and_without_a_slash(collector: CollectorProcess, run: Run, base: str, slash: str) -> None:
    for path in ("/sessions", "/feedback", f"/runs/{run.id}"):
        assert ask(collector, "GET", f"{base}{path}{slash}").status == 200
    assert ask(collector, "POST", f"{base}/runs/query{slash}", {"id": [str(run.id)]}).status == 200


def test_version_2_lies_beside_version_1(collector: CollectorProcess, run: Run) -> None:
    project = ask(collector, "GET", "/sessions?name=shop").json()[0]["id"]
    one = ask(collector, "GET", f"/api/v2/runs/{run.id}?project_id={project}&selects=NAME&selects=ATTACHMENTS,IS_ROOT")
    assert one.status == 200
    assert (one.json()["name"], one.json()["is_root"], set(one.json())) == (
        "ask", True, {"name", "attachments", "is_root"},
    )  # fmt: skip
    link = one.json()["attachments"]["page"]
    assert link.startswith(collector.http + "/langsmith/attachments/")
    assert ask(collector, "GET", f"/api/v2/runs/{run.id}?project_id={NOBODY}").status == 404
    found = ask(collector, "POST", "/api/v2/runs/query", {"project_ids": [project], "min_start_time": T0.isoformat()})
    assert found.json() == {"items": [{"id": str(run.id)}], "next_cursor": None}


def test_a_runs_page_is_told(collector: CollectorProcess, run: Run) -> None:
    url = ask(collector, "GET", f"/api/v2/runs/{run.id}/url?project_id={NOBODY}&trace_id={run.id}").json()["url"]
    assert url == f"{collector.http}/traces/{run.id.hex}?span={run.id.hex[16:]}"
    assert collector.get(url.removeprefix(collector.http), {"Authorization": "Bearer s3cret-key-1"}).status == 200
    assert ask(collector, "GET", f"/api/v2/runs/{NOBODY}/url").status == 404


def test_a_run_has_no_key_that_the_client_cannot_take(collector: CollectorProcess, run: Run) -> None:
    found = ask(collector, "GET", f"/runs/{run.id}").json()
    assert "attachments" not in found and found["inputs"] == {"attachments": [1]}


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"Authorization": "Bearer wrong"}])
def test_nothing_is_read_without_a_key(collector: CollectorProcess, run: Run, headers: dict[str, str]) -> None:
    for path in ("/sessions", "/feedback", f"/runs/{run.id}", f"/attachments/{run.id}/x"):
        answer = collector.get(f"/langsmith{path}", headers)
        assert answer.status == 401 and answer.json()["detail"]


def test_attachments_come_by_signed_links_alone(collector: CollectorProcess, run: Run) -> None:
    link = ask(collector, "GET", f"/runs/{run.id}").json()["s3_urls"]["attachment.page"]["presigned_url"]
    for base in ("", "/api/v1"):
        answer = collector.get(f"/langsmith{base}{link}")
        assert (answer.status, answer.body) == (200, b"<script>alert(1)</script>")
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers["content-disposition"] == "attachment"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    given = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert "s3cret" not in link
    for name, value in [
        ("signature", "0" * 64), ("signature", "%FF"), ("expires", str(int(given["expires"]) + 1)), ("name", "other"),
    ]:  # fmt: skip
        query = "&".join(f"{key}={text}" for key, text in (given | {name: value}).items())
        assert collector.get(f"/langsmith/attachments/{run.id}?{query}").status == 403
    other = link.replace(str(run.id), NOBODY)
    assert collector.get(f"/langsmith{other}").status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/feedback?limit=0", None, 422, "limit"),
        ("GET", "/feedback?run=x", None, 422, "run"),
        ("GET", "/feedback?source=cat", None, 422, "source"),
        ("GET", "/feedback?level=run", None, 422, "level"),
        ("GET", "/feedback/7", None, 422, "feedback_id"),
        ("POST", "/feedback", {"key": "k"}, 422, "run_id"),
        ("POST", "/feedback", {"run_id": NOBODY}, 422, "key"),
        ("POST", "/feedback", {"key": "k", "run_id": "x"}, 422, "run_id"),
        ("POST", "/feedback", {"key": "k", "run_id": NOBODY, "score": "good"}, 422, "score"),
        ("POST", "/feedback", {"key": "k", "run_id": NOBODY, "comment": 5}, 422, "comment"),
        ("POST", "/feedback", {"key": "k", "run_id": NOBODY, "value": "x" * 70_000}, 422, "value"),
        ("POST", "/feedback", [], 422, "object"),
        ("POST", "/feedback", b"{", 422, "JSON"),
        ("PATCH", f"/feedback/{NOBODY}", {"key": "k"}, 422, "key"),
        ("PATCH", f"/feedback/{NOBODY}", {"score": 1}, 404, NOBODY),
        ("DELETE", f"/feedback/{NOBODY}", None, 404, NOBODY),
        ("GET", "/sessions?colour=red", None, 422, "colour"),
        ("GET", "/sessions?metadata=red", None, 422, "metadata"),
        ("POST", "/sessions", {"name": ""}, 422, "name"),
        ("POST", "/sessions", {"name": "n", "reference_dataset_id": NOBODY}, 404, "dataset"),
        ("POST", "/sessions", {"name": "n", "extra": [1]}, 422, "extra"),
        ("POST", "/sessions", {"name": "n", "tenant": 1}, 422, "tenant"),
        ("PATCH", f"/sessions/{NOBODY}", {}, 404, "not found"),
        ("DELETE", f"/sessions/{NOBODY}", None, 405, "deleted"),
        ("POST", "/runs/query", {"session": ["x"]}, 422, "session"),
        ("POST", "/runs/query", {"colour": 1}, 422, "colour"),
        ("POST", "/runs/query", {"limit": 0}, 422, "limit"),
        ("POST", "/runs/query", {"order": "up"}, 422, "order"),
        ("POST", "/runs/query", {"is_root": "yes"}, 422, "is_root"),
        ("POST", "/runs/query", {"start_time": "yesterday"}, 422, "start_time"),
        ("POST", "/runs/query", {"select": ["colour"]}, 422, "colour"),
        ("POST", "/runs/query", {"cursor": "AAAA"}, 422, "cursor"),
        ("POST", "/runs/query", {"filter": "eq(colour, 1)"}, 400, "colour"),
        ("POST", "/runs/query", {"tree_filter": "not(eq(name, 'x'))"}, 400, "not is not supported"),
        ("POST", "/v2/runs/query", {}, 422, "project_ids"),
        ("POST", "/v2/runs/query", {"project_ids": [NOBODY], "page_size": 1001}, 422, "page_size"),
        ("POST", "/v2/runs/query", {"project_ids": [NOBODY], "ai_search": "slow ones"}, 422, "ai_search"),
        ("POST", "/v2/runs/query", {"project_ids": [NOBODY], "selects": ["COLOUR"]}, 422, "COLOUR"),
        ("GET", f"/runs/{NOBODY}", None, 404, NOBODY),
        ("GET", "/runs/7", None, 422, "run_id"),
        ("GET", "/datasets", None, 404, ""),
        ("GET", f"/runs/{NOBODY}/share", None, 404, ""),
        ("PUT", "/sessions", None, 405, ""),
    ],
)
def test_what_is_wrong_is_said_in_langsmiths_form(
    collector: CollectorProcess, run: Run, method: str, path: str, body: Any, status: int, says: str
) -> None:
    answer = ask(collector, method, path, body)
    assert answer.status == status, answer.body
    assert says in answer.json()["detail"]


def test_a_cursor_belongs_to_its_question(collector: CollectorProcess, run: Run) -> None:
    body = {"limit": 1, "start_time": T0.isoformat()}
    second = {**json.loads(json.dumps(body)), "id": NOBODY}
    other = Run(None, T0)
    document = {"id": str(other.id), "name": "n", "run_type": "chain", "start_time": T0.isoformat()}
    assert ask(collector, "POST", "/runs", document).status == 202
    cursor = ask(collector, "POST", "/runs/query", body).json()["cursors"]["next"]
    assert ask(collector, "POST", "/runs/query", body | {"cursor": cursor}).json()["runs"]
    assert ask(collector, "POST", "/runs/query", second | {"cursor": cursor}).status == 422


def test_a_run_that_says_no_order_gets_one(collector: CollectorProcess) -> None:
    ids = [str(uuid.UUID(int=number << 64 | number)) for number in (101, 102, 103)]
    for number, run_id in enumerate(ids):
        document = {
            "id": run_id, "trace_id": ids[0], "name": "n", "run_type": "chain", "start_time": T0.isoformat(),
            "parent_run_id": ids[number - 1] if number else None,
        }  # fmt: skip
        assert ask(collector, "POST", "/runs", document).status == 202
    found = ask(collector, "GET", f"/runs/{ids[2]}").json()
    assert found["parent_run_ids"] == ids[:2]
    assert [part.partition("Z")[2] for part in found["dotted_order"].split(".")] == ids
