"""What retrievers and rerankers return, as documents."""

from __future__ import annotations

import dataclasses
from typing import Any

import pydantic
import pytest
from sdk_support import Recorded, parsed, spans

from tracekit import trace

__all__ = ["spans"]


class LangChainDocument(pydantic.BaseModel):
    id: str | None = None
    page_content: str
    metadata: dict[str, Any] = {}


@dataclasses.dataclass
class Hit:
    text: str
    score: float


class Node:
    def __init__(self, node_id: str, text: str) -> None:
        self.node_id, self.text, self.metadata = node_id, text, {"page": 3}


class NodeWithScore:
    def __init__(self, node: Node, score: float) -> None:
        self.node, self.score = node, score


class Container:
    def __init__(self, matches: list[Any]) -> None:
        self.matches = matches


def documents(attributes: dict[str, Any], prefix: str = "retrieval.documents") -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix + "."):
            number, _, name = key[len(prefix) + 1 :].split(".", 2)
            found.setdefault(int(number), {})[name] = parsed(value) if name == "metadata" else value
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (["one", "two"], [{"content": "one"}, {"content": "two"}]),
        ([{"id": "a", "text": "one", "score": 0.5}], [{"id": "a", "content": "one", "score": 0.5}]),
        ([{"id": 7, "content": "one", "score": 1}], [{"id": "7", "content": "one", "score": 1.0}]),
        (
            [LangChainDocument(page_content="one", metadata={"source": "s"})],
            [{"content": "one", "metadata": {"source": "s"}}],
        ),
        ([(LangChainDocument(id="i", page_content="one"), 0.25)], [{"id": "i", "content": "one", "score": 0.25}]),
        ([(0.25, "one")], [{"content": "one", "score": 0.25}]),
        ([Hit("one", 0.5)], [{"content": "one", "score": 0.5}]),
        (
            [NodeWithScore(Node("n", "one"), 0.75)],
            [{"id": "n", "content": "one", "score": 0.75, "metadata": {"page": 3}}],
        ),
        (
            {"matches": [{"id": "p", "score": 0.5, "metadata": {"text": "one"}}]},
            [{"id": "p", "score": 0.5, "content": "one", "metadata": {"text": "one"}}],
        ),
        (Container([{"id": "p", "score": 0.5}]), [{"id": "p", "score": 0.5}]),
        (
            [{"payload": {"text": "one"}, "id": "q", "score": 0.5}],
            [{"id": "q", "score": 0.5, "content": "one", "metadata": {"text": "one"}}],
        ),
        ([{"text": "one", "score": float("nan")}], [{"content": "one"}]),
        ([], []),
    ],
)
def test_shapes(spans: Recorded, returned: Any, expected: list[dict[str, Any]]) -> None:
    @trace.retriever(name="search")
    def search(query: str, k: int = 4) -> Any:
        return returned

    assert search("what?") is returned
    attributes = spans.attributes()
    assert documents(attributes) == expected
    assert attributes["gen_ai.retrieval.query.text"] == "what?"
    assert attributes["gen_ai.retrieval.top_k"] == 4
    if any("id" in document for document in expected):
        assert [one["id"] for one in parsed(attributes["gen_ai.retrieval.documents"])] == [expected[0]["id"]]


def test_the_output_lists_the_documents(spans: Recorded) -> None:
    @trace.retriever(name="search")
    def search(query: str) -> Any:
        return [LangChainDocument(id="a", page_content="one", metadata={"p": 1}), "two"]

    search("what?")
    assert parsed(spans.attributes()["output.value"]) == [
        {"id": "a", "content": "one", "metadata": {"p": 1}},
        {"content": "two"},
    ]
    assert spans.attributes()["input.value"] == "what?"


@pytest.mark.parametrize("returned", ["a text", 5, {"answer": "x"}, [1, 2], object()])
def test_what_are_no_documents_is_a_plain_output(spans: Recorded, returned: Any) -> None:
    trace.retriever(name="search")(lambda query: returned)("q")
    attributes = spans.attributes()
    assert documents(attributes) == [] and "output.value" in attributes


def test_a_retriever_that_yields(spans: Recorded) -> None:
    @trace.retriever(name="search")
    def search(query: str) -> Any:
        yield {"id": "a", "text": "one"}
        yield {"id": "b", "text": "two"}

    assert len(list(search("q"))) == 2
    assert [one["id"] for one in documents(spans.attributes())] == ["a", "b"]


def test_rerankers_with_pointers_into_their_input(spans: Recorded) -> None:
    @trace.reranker(name="rerank")
    def rerank(query: str, documents: list[str], top_n: int, model: str) -> Any:
        return {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}

    rerank("q", ["one", "two"], top_n=2, model="rerank-v3.5")
    attributes = spans.attributes()
    assert attributes["reranker.query"] == "q"
    assert attributes["reranker.model_name"] == "rerank-v3.5"
    assert attributes["reranker.top_k"] == 2
    assert documents(attributes, "reranker.input_documents") == [{"content": "one"}, {"content": "two"}]
    assert documents(attributes, "reranker.output_documents") == [
        {"content": "two", "score": 0.9},
        {"content": "one", "score": 0.1},
    ]
    assert attributes["gen_ai.provider.name"] == "cohere"


def test_rerankers_that_return_documents(spans: Recorded) -> None:
    @trace.reranker(name="rerank")
    def rerank(query: str, docs: list[Any]) -> Any:
        return [(docs[1], 0.9), (docs[0], 0.5)]

    rerank("q", [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])
    assert documents(spans.attributes(), "reranker.output_documents") == [
        {"id": "b", "content": "two", "score": 0.9},
        {"id": "a", "content": "one", "score": 0.5},
    ]


def test_very_many_and_very_long_documents_are_bounded(spans: Recorded) -> None:
    spans.configure(max_value_chars=10_000)
    trace.retriever(name="search")(lambda query: [{"id": str(n), "text": "x" * 1000} for n in range(5000)])("q")
    attributes = spans.attributes()
    assert sum(len(str(value)) for value in attributes.values()) < 60_000
    assert len(attributes) <= 2048
    assert attributes["openinference.span.kind"] == "RETRIEVER"
