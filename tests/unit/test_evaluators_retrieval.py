"""Searches against labels, and how near documents are."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tracekit.evals.api import NotApplicable, RetrievedDocument, Subject
from tracekit.evals.registry import make
from tracekit.evals.retrieval import dcg


def labelled(*labels: Any) -> list[RetrievedDocument]:
    return [RetrievedDocument("", at, f"d{at}", relevant=label) for at, label in enumerate(labels)]


def value(made: dict[str, Any], **fields: Any) -> Any:
    (found,) = make(made)(Subject(**fields))
    return found.score


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"type": "precision_at_k"}, 2 / 5),
        ({"type": "precision_at_k", "k": 2}, 1 / 2),
        ({"type": "precision_at_k", "k": 10}, 2 / 10),
        ({"type": "recall_at_k", "k": 2}, 1 / 2),
        ({"type": "recall_at_k"}, 1),
        ({"type": "hit_rate", "k": 1}, 0),
        ({"type": "hit_rate", "k": 2}, 1),
        ({"type": "mrr"}, 1 / 2),
        ({"type": "mrr", "k": 1}, 0),
        ({"type": "map"}, (1 / 2 + 2 / 4) / 2),
        ({"type": "ndcg"}, (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
    ],
)
def test_the_measures_by_hand(made: dict[str, Any], expected: float) -> None:
    assert value(made, documents=labelled(False, True, None, True, False)) == pytest.approx(expected)


def test_graded_ndcg_is_that_of_a_known_example() -> None:
    """The order of the article "Discounted cumulative gain" of Wikipedia: DCG 6.861, ideal 7.141 of its six, NDCG
    0.961."""
    documents = labelled(3, 2, 3, 0, 1, 2)
    assert dcg([3, 2, 3, 0, 1, 2]) == pytest.approx(6.861, abs=5e-4)
    assert value({"type": "ndcg"}, documents=documents) == pytest.approx(0.961, abs=5e-4)
    gained = [2**grade - 1 for grade in (3, 2, 3, 0, 1, 2)]
    assert value({"type": "ndcg", "gain": "exponential"}, documents=documents) == pytest.approx(
        dcg(gained) / dcg(sorted(gained, reverse=True))
    )
    assert value({"type": "precision_at_k", "min_grade": 2}, documents=documents) == pytest.approx(4 / 6)


def test_documents_are_in_the_order_of_their_positions() -> None:
    assert value({"type": "mrr"}, documents=labelled(True, False)[::-1]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"expected": ["d1", "d9"]},
        {"expected": {"document_ids": ["d1", "d9"]}},
        {"expected": {"document_ids": {"d1": 2, "d9": 1}}},
        {"metadata": {"expected_document_ids": ["d1", "d9"]}},
        {"metadata": {"relevant_document_ids": {"d1": 1, "d9": True}}},
    ],
)
def test_expected_ids_tell_of_documents_that_were_not_found(fields: dict[str, Any]) -> None:
    documents = labelled(True, None, True)  # what is expected comes before labels
    assert value({"type": "recall_at_k"}, documents=documents, **fields) == 1 / 2
    assert value({"type": "mrr"}, documents=documents, **fields) == 1 / 2
    assert value({"type": "recall_at_k", "expected_ids": ["d0"]}, documents=documents, **fields) == 1


def test_a_document_that_comes_twice_counts_once() -> None:
    twice = [RetrievedDocument("", at, "a") for at in range(2)]
    assert value({"type": "precision_at_k", "expected_ids": ["a"]}, documents=twice) == 0.5
    assert value({"type": "recall_at_k", "expected_ids": ["a"]}, documents=twice) == 1


def test_nothing_retrieved_is_a_miss_and_no_labels_are_no_judgement() -> None:
    assert value({"type": "hit_rate", "expected_ids": ["a"]}) == 0
    assert value({"type": "recall_at_k", "expected_ids": ["a"]}) == 0
    for made in ({"type": "ndcg"}, {"type": "hit_rate"}):
        with pytest.raises(NotApplicable, match="no document has a label"):
            make(made)(Subject(documents=labelled(None, None), expected="an answer"))
    with pytest.raises(NotApplicable, match="none of the documents is relevant"):
        make({"type": "ndcg"})(Subject(documents=labelled(False, 0, -1, float("nan"))))
    with pytest.raises(ValueError, match="expected_ids: must be a list of ids"):
        make({"type": "ndcg", "expected_ids": {"a": "b"}})


QUESTION = "How long does a refund take?"
NEAR = "A refund takes 14 days."
FAR = "Rex is the office dog."


@pytest.mark.parametrize("method", ["overlap", "bm25"])
def test_lexical_relevance_gives_each_document_a_score_and_their_mean(method: str) -> None:
    documents = [RetrievedDocument(FAR, 0), RetrievedDocument(NEAR, 1), RetrievedDocument("", 2)]
    mean, *each = make({"type": "lexical_relevance", "method": method})(Subject(input=QUESTION, documents=documents))
    assert [one.document_position for one in each] == [0, 1, 2] and mean.document_position is None
    values = [one.score for one in each]
    assert values[0] == values[2] == 0 and 0 < values[1] <= 1  # type: ignore[operator]
    assert mean.score == pytest.approx(values[1] / 3)  # type: ignore[operator]
    assert "document 1" in str(mean.explanation)


def test_the_question_of_a_conversation_is_what_the_user_said_last() -> None:
    said = [{"role": "user", "content": "Who is Rex?"}, {"role": "assistant", "content": "A dog."}]
    subject = Subject(messages=[*said, {"role": "user", "content": QUESTION}], documents=[RetrievedDocument(NEAR)])
    assert make({"type": "lexical_relevance"})(subject)[1].score > 0  # type: ignore[operator]
    with pytest.raises(NotApplicable, match="no question"):
        make({"type": "lexical_relevance"})(Subject(documents=[RetrievedDocument(NEAR)]))
    with pytest.raises(NotApplicable, match="no documents"):
        make({"type": "lexical_relevance"})(Subject(input=QUESTION))
