"""The Datasets page over the memory store and a SQLite file: what is stored is shown, escaped, and only read."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from pages_stage import ESCAPED, HOSTILE, NOW, TRACE, store
from starlette.testclient import TestClient

from collector.datasets.model import Change, Dataset, Example
from dashboards import datasets as view
from dashboards.app import POLICY, build_dashboards

__all__ = ["store"]


@pytest.fixture
def client(store: Any) -> TestClient:
    return TestClient(build_dashboards(store, datasets=store, clock=lambda: NOW), follow_redirects=False)


def change(store: Any, **what: Any) -> Any:
    return store.change_examples("golden", Change(**what), now_ns=NOW).result()


@pytest.fixture
def golden(store: Any) -> Any:
    wanted = Dataset(b"\1" * 16, "golden", description=HOSTILE)
    store.add_dataset(wanted, now_ns=NOW - 10**12).result()
    first = change(
        store,
        add=(
            Example("2+2?", "4", split="test", source=f"{TRACE}:{'01' * 8}"),
            Example({"q": HOSTILE}, HOSTILE + "\n" + HOSTILE),
        ),
        note=HOSTILE,
    )
    store.tag_version("golden", "prod", 1, now_ns=NOW).result()
    change(store, update={first.ids[0]: {"expected": "four"}}, add=(Example("3+3?", None),))
    return store


def test_an_empty_page_says_what_belongs_there(client: TestClient) -> None:
    text = client.get("/datasets").text
    assert "No datasets yet" in text and "tracekit dataset import golden" in text


def test_every_answer_keeps_to_the_policy(client: TestClient, golden: Any) -> None:
    for path in ("/datasets", "/datasets/golden", "/datasets/golden?version=prod&before=0&after=2"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-security-policy"]) == (200, POLICY)
        assert "<script>alert" not in answer.text and ESCAPED in answer.text and "{{7*7}}" in answer.text
        assert client.post(path).status_code == 405
    for path in ("nobody", "golden?version=9", "golden?version=x", "golden?cursor=bad", "golden?before=9"):
        assert client.get(f"/datasets/{path}").status_code == 404


def test_the_rail_leads_there_where_there_are_datasets_to_read(client: TestClient, store: Any) -> None:
    assert 'href="/datasets"' in client.get("/traces").text
    alone = TestClient(build_dashboards(store, clock=lambda: NOW))
    assert 'href="/datasets"' not in alone.get("/traces").text
    assert alone.get("/datasets").status_code == 404


def test_a_dataset_its_examples_and_versions(client: TestClient, golden: Any) -> None:
    listed = client.get("/datasets").text
    assert '<bdi>prod</bdi> <span class="quiet">1</span>' in listed and '<span class="unit">version </span>2' in listed
    page = client.get("/datasets/golden").text
    assert len(re.findall(r'id="e-[0-9a-f]{32}"', page)) == 3
    assert f'href="/traces/{TRACE}?span={"01" * 8}"' in page
    assert re.findall(r'<tr id="v-(\d)">', page) == ["2", "1", "0"]
    old = client.get("/datasets/golden?version=prod").text
    assert len(re.findall(r'id="e-[0-9a-f]{32}"', old)) == 2
    for one in golden.list_versions("golden"):
        assert one.hash in page


def test_two_versions_compared(client: TestClient, golden: Any) -> None:
    page = client.get("/datasets/golden?before=prod&after=2").text
    assert "From version 1 to 2: 1 added, 1 changed" in page
    assert "changed<small>expected</small>" in page
    assert "the same examples" in client.get("/datasets/golden?before=1&after=1").text


def test_examples_are_paged(client: TestClient, golden: Any) -> None:
    change(golden, add=tuple(Example(f"question {number}") for number in range(60)))
    first = client.get("/datasets/golden").text
    assert len(re.findall(r'id="e-', first)) == 50
    (link,) = re.findall(r'rel="next" href="([^"]*)"', first)
    second = client.get(html.unescape(link)).text
    assert len(re.findall(r'id="e-', second)) == 13 and "First page" in second and 'rel="next"' not in second


def test_values_of_any_shape() -> None:
    assert view.value(None).missing
    assert view.value("a\nb") == view.Value("a b", "a\nb")
    assert view.value({"a": 1}) == view.Value('{"a": 1}')
    assert view.value("x" * 20_000).whole.endswith("12,000 more characters")
    assert view.example(Example("x", source="javascript:alert(1)")).trace_id == ""
