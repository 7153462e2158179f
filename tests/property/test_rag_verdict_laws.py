"""Laws of the local RAG verdict, whatever the texts."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rag_verdict.cases import make_cases
from tracekit.evals.api import NotApplicable, RetrievedDocument, Subject
from tracekit.evals.registry import make
from tracekit.evals.verdict import LABELS, RagVerdictEvaluator

WORDS = ["no", "not", "never", "1.200", "2 340", "yes,", "and a half", "score", "second", "the", "Oven.", "[1]"]
EVALUATOR = RagVerdictEvaluator()
CASES = make_cases()
ANSWERED = [case for case in CASES if EVALUATOR.verdict(case.subject())[0].label == "answered"][:60]
HOSTILE = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="0123456789.,-− °€%$abkmghl\n[]'’not", max_size=120),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.sampled_from(["\ud800", "\x00" * 50, "a" * 5000, "1" * 400, "9," * 300, "no " * 500, "((((" * 100, "?" * 1000]),
)


@settings(max_examples=150, deadline=None)
@given(HOSTILE, st.lists(HOSTILE, max_size=4), HOSTILE, st.lists(HOSTILE, max_size=3))
def test_hostile_texts_get_a_verdict_whose_indices_exist(
    question: str, documents: list[str], answer: str, corpus: list[str]
) -> None:
    given_documents = [RetrievedDocument(text, at) for at, text in enumerate(documents)]
    subject = Subject(input=question, output=answer, documents=given_documents, metadata={"corpus": corpus})
    try:
        found, _ = EVALUATOR.verdict(subject)
    except NotApplicable:
        return
    held = [text for text in documents if text.strip()]
    assert found.label in LABELS and len(found.documents) == len(held)
    for sentence in found.sentences:
        assert answer[sentence.start : sentence.end] == sentence.text
        assert sentence.document is None or 0 <= sentence.document < len(held)
    for cell in found.cells:
        assert 0 <= cell.sentence < len(found.sentences) and 0 <= cell.document < len(held)
        assert 0 <= cell.start <= cell.end <= len(held[cell.document]) and 0.0 <= cell.support <= 1.0
    json.dumps(found.as_metadata())


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(case, dice) -> None:  # type: ignore[no-untyped-def]
    subject = case.subject()
    order = list(range(len(subject.documents)))
    dice.shuffle(order)
    turned = [subject.documents[at] for at in order]
    one, _ = EVALUATOR.verdict(subject)
    other, _ = EVALUATOR.verdict(
        Subject(input=subject.input, output=subject.output, documents=turned, metadata=subject.metadata)
    )
    assert one.label == other.label and one.missing == other.missing
    assert [each.standing for each in one.sentences] == [each.standing for each in other.sentences]
    assert {(cell.sentence, cell.document, cell.relation) for cell in one.cells} == {
        (cell.sentence, order[cell.document], cell.relation) for cell in other.cells
    }


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ANSWERED), st.text(alphabet="bcdfghjkqvwxz ", min_size=5, max_size=300), st.integers(0, 5))
def test_a_document_that_shares_nothing_changes_no_answered(case, text: str, at: int) -> None:  # type: ignore[no-untyped-def]
    subject = case.subject()
    documents = list(subject.documents)
    documents.insert(at, RetrievedDocument(f"zz{text}", 99, "noise"))
    found, _ = EVALUATOR.verdict(replace(subject, documents=documents))
    assert found.label == "answered"
    assert not any(use.used for use in found.documents if use.id == "noise")


def test_long_texts_cost_little_and_say_that_they_were_cut() -> None:
    long = "The oven of number 7 is not hot, and 8 pounds of flour are in the north cellar. " * 1_200
    subject = Subject(
        input="Is the oven hot? " * 500,
        output=long,
        documents=[RetrievedDocument(long, at) for at in range(2)],
        metadata={"corpus": [long[: 10_000 + at] for at in range(6)]},
    )
    verdict = make({"type": "rag_verdict"})(subject)[0]
    assert verdict.metadata["cut"] is True
    assert len(json.dumps(verdict.metadata)) < 40_000
