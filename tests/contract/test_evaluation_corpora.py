"""What a rule's RAG verdict knows of documents that were not retrieved: what the project's other traces retrieved."""

from __future__ import annotations

from typing import Any

import pytest
from evaluation_stage import Stage, saying, stage
from store_data import Sent, send

from collector.evaluation.corpora import FRESH_NS
from collector.queue.retry import SECOND_NS

__all__ = ["saying", "stage"]

LAMP = ("lamp", "The desk lamp L1 needs a bulb with a small screw base.")
WARRANTY = ("warranty", "The warranty of the Kettle K2 lasts two years from the day of purchase.")
ASKED = "How long does the warranty of the Kettle K2 last?"
SOUP = ("soup", "Boil the peas for twenty minutes and add mint.")
UNKNOWN = "I could not find that in the documents."


def rag(number: int, question: str, answer: str, *documents: tuple[str, str], project: str = "shop") -> list[Sent]:
    root = {"openinference.span.kind": "CHAIN", "input.value": question, "output.value": answer}
    found: dict[str, Any] = {"openinference.span.kind": "RETRIEVER", "input.value": question}
    for at, (name, text) in enumerate(documents):
        prefix = f"retrieval.documents.{at}.document"
        found |= {f"{prefix}.id": name, f"{prefix}.content": text}
    return [
        Sent(number, 0, name="rag", attributes=root, project=project),
        Sent(number, 1, 0, name="retrieve", attributes=found, project=project),
    ]


def verdict(stage: Stage, number: int) -> Any:
    (found,) = [one for one in stage.scores(number) if one.name == "rag_verdict"]
    return found


def test_a_document_that_another_trace_retrieved_is_missed(stage: Stage) -> None:
    stage.add("verdict", evaluator={"type": "rag_verdict"}, projects=("shop",))
    send(stage.store, *rag(1, "Is there a warranty?", "It lasts two years.", WARRANTY, LAMP))
    stage.work()
    send(stage.store, *rag(2, ASKED, UNKNOWN, SOUP, LAMP))
    stage.work(FRESH_NS / SECOND_NS)
    assert verdict(stage, 2).label == "not_retrieved"
    assert "warranty" in verdict(stage, 2).explanation
    assert verdict(stage, 1).label == "answered"


def test_what_is_known_of_a_project_is_not_all_that_there_is(stage: Stage) -> None:
    stage.add("verdict", evaluator={"type": "rag_verdict"}, projects=("shop", "other"))
    send(stage.store, *rag(1, "Is there a warranty?", "It lasts two years.", WARRANTY, project="other"))
    send(stage.store, *rag(2, ASKED, UNKNOWN, SOUP, LAMP))
    stage.work()
    found = verdict(stage, 2)
    assert (found.label, found.metadata["knows_corpus"]) == ("not_answerable", False)
    assert "is not known" in found.explanation


@pytest.mark.parametrize("told", [{"corpus": "none"}, {"corpus": "project"}])
def test_a_rule_may_do_without(stage: Stage, told: dict[str, Any]) -> None:
    send(stage.store, *rag(1, "Is there a warranty?", "It lasts two years.", WARRANTY))
    stage.add("verdict", evaluator={"type": "rag_verdict", **told}, projects=("shop",))
    send(stage.store, *rag(2, ASKED, UNKNOWN, SOUP, LAMP))
    stage.work()
    assert verdict(stage, 2).label == ("not_answerable" if told["corpus"] == "none" else "not_retrieved")
