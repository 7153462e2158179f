"""Annotations on the trace page: of the trace in its head, of a span in its detail, escaped wherever they stand."""

from __future__ import annotations

import html
from typing import Any

import pytest
from starlette.testclient import TestClient
from test_pages_app import NOW, ROOT, TRACE, client, store  # noqa: F401 - fixtures

from collector.annotations import Annotation, Target
from collector.storage.memory import MemoryStore
from dashboards.annotations import MAX_LISTED, of_span, of_trace

CHILD = "02" * 8
WHOLE, OF_ROOT, OF_CHILD = (
    Target(bytes.fromhex(TRACE), bytes.fromhex(span) if span else None) for span in ("", ROOT, CHILD)
)
HOSTILE = '<script>alert(1)</script>"\u202e'


def said(name: str, target: Target = WHOLE, **fields: Any) -> Annotation:
    return Annotation(name, target, id=b"\x01" * 16, created_ns=NOW - 120 * 10**9, **fields)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"score": True}, "yes"),
        ({"score": False, "label": "off topic"}, "no · off topic"),
        ({"score": 0.97123}, "0.9712"),
        ({"score": 12_345_678.0}, "12,345,678"),
        ({"score": -3.0, "value": {"stars": 1}}, '-3 · {"stars": 1}'),
        ({"label": "good", "value": "good"}, "good"),
        ({"explanation": "because"}, ""),
    ],
)
def test_values(fields: dict[str, Any], value: str) -> None:
    listed = of_trace([said("n", **fields)])
    assert listed.items[0].value == value
    assert listed.chips == [f"n {value}".strip()]


def test_who_says_it() -> None:
    ours = "01010101-0101-0101-0101-010101010101"
    listed = of_trace([said("n", annotator_kind="llm", identifier="judge-2"), said("n", identifier=ours)])
    assert [item.by for item in listed.items] == ["llm judge-2", "human"]


def test_those_of_a_span_and_of_the_whole_at_its_root() -> None:
    every = [
        said("whole"),
        said("root", OF_ROOT),
        said("child", OF_CHILD),
        said("doc", Target(None, b"\x02" * 8, None, 1)),
    ]

    def names(span: str, is_root: bool) -> list[str]:
        return [item.name for item in of_span(every, bytes.fromhex(span), is_root).items]

    assert names(ROOT, True) == ["whole", "root"]
    assert names(CHILD, False) == ["child", "doc"]
    assert of_trace(every).items[3].about == "document 2"


def test_no_more_than_some_are_listed() -> None:
    listed = of_trace([said(f"n{number}") for number in range(MAX_LISTED + 5)])
    assert (len(listed.items), listed.more, len(listed.chips)) == (MAX_LISTED, 5, 6)


def test_the_page_shows_them_escaped(store: MemoryStore, client: TestClient) -> None:  # noqa: F811
    hostile = dict.fromkeys(("label", "explanation", "identifier"), HOSTILE)
    plain = said("helpful", score=True, explanation="It says where.", identifier="ada")
    store.put_annotations([plain, Annotation(HOSTILE, OF_CHILD, correction={"x": HOSTILE}, **hostile)]).result()
    head = client.get(f"/traces/{TRACE}").text
    assert client.get(f"/traces/{TRACE}/head").text in head
    assert "2 annotations" in head and "helpful yes" in head and "It says where." in head
    assert f'href="?span={CHILD}"' in head
    root, child = (client.get(f"/traces/{TRACE}/spans/{span}").text for span in (ROOT, CHILD))
    assert "helpful" in root and "human ada" in root and "alert" not in root
    assert "helpful" not in child and child.count(html.escape("<script>alert(1)</script>", quote=False)) == 5
    for page in (head, root, child):
        assert "<script>alert" not in page


def test_a_page_without_any_says_nothing_of_them(client: TestClient) -> None:  # noqa: F811
    for path in (f"/traces/{TRACE}", f"/traces/{TRACE}/spans/{ROOT}"):
        assert "nnotation" not in client.get(path).text
