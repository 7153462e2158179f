"""The RAG verdict without a judge: what it says, what it names, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tracekit.evals.api import NotApplicable, RetrievedDocument, Subject
from tracekit.evals.registry import make
from tracekit.evals.verdict import rag_verdict
from tracekit.evals.verdict_facts import tokens

QUESTION = "How long should the seed cake be baked?"
CAKE = "A plain seed cake. Rub butter into flour. Bake the seed cake in a moderate oven for ninety minutes."
SOUP = "Green pea soup. Boil the peas with mint and serve it with fried bread."


def test_what_a_document_says_in_other_words_is_answered_and_the_place_is_named() -> None:
    found = rag_verdict(QUESTION, [SOUP, CAKE], "Sure! It needs an hour and a half in a moderate oven.")
    assert found.label == "answered" and found.score == 1.0
    assert [(one.standing, one.document) for one in found.sentences] == [("filler", None), ("supported", 1)]
    cell = next(cell for cell in found.cells if cell.relation == "supports")
    assert CAKE[cell.start : cell.end].endswith("for ninety minutes.")
    assert [use.used for use in found.documents] == [False, True]
    assert "document 2" in found.explanation


@pytest.mark.parametrize(
    ("question", "document", "answer", "reason"),
    [
        (
            QUESTION,
            CAKE,
            "The seed cake is baked in a moderate oven for forty minutes.",
            "forty minutes against ninety",
        ),
        ("Who led the ship?", "Captain Thorne led the ship.", "Captain Webb led the ship.", "Webb against Thorne"),
        ("Can cars go?", "Cars cannot be taken on the ferry.", "Cars can be taken on the ferry.", "negation of"),
        ("When?", "Gather the walnuts in July.", "Gather the walnuts in October.", "October against July"),
        ("Is it safe?", "The tent is not intended for snow.", "Yes, the tent is intended for snow.", "negation of"),
        ("How many oranges?", "Take twelve Seville oranges.", "Twenty.", "Twenty against twelve"),
        ("Does it rain there?", "It never rains in the desert.", "Yes.", "negation of rain"),
        ("How heavy is it?", "The bicycle weighs 11.4 kilograms.", "The bicycle weighs 14.1 kg.", "14.1 kg against"),
    ],
)
def test_a_number_a_name_a_negation_or_a_month_changed_is_contradicted(
    question: str, document: str, answer: str, reason: str
) -> None:
    found = rag_verdict(question, [SOUP, document], answer)
    assert found.label == "contradicted" and found.score == 0.0
    assert found.sentences[0].document == 1
    assert any(reason in cell.reason for cell in found.cells), found.cells


def test_declining_is_no_contradiction_and_ignores_what_was_retrieved() -> None:
    found = rag_verdict(QUESTION, [SOUP, CAKE], "I'm sorry, I could not find that in the documents.")
    assert found.label == "ignored" and found.sentences[0].standing == "refusal"
    assert [use.relevant for use in found.documents] == [False, True]
    assert "The answer is in document 2" in found.explanation


def test_what_was_not_retrieved_is_told_by_a_corpus_or_a_label_and_not_guessed_without_either() -> None:
    answer = "I don't know."
    by_corpus = rag_verdict(
        QUESTION, [SOUP], answer, corpus=[{"id": "cake", "text": CAKE}, {"id": "soup", "text": SOUP}]
    )
    assert (by_corpus.label, by_corpus.missing) == ("not_retrieved", ("cake",))
    by_label = rag_verdict(QUESTION, [SOUP], answer, expected_documents=["cake"])
    assert (by_label.label, by_label.missing) == ("not_retrieved", ("cake",))
    unknown = rag_verdict(QUESTION, [SOUP], answer)
    assert unknown.label == "not_answerable" and not unknown.knows_corpus
    assert "is not known" in unknown.explanation
    assert rag_verdict(QUESTION, [SOUP], answer, corpus=[SOUP]).label == "not_answerable"


def test_support_for_something_that_was_not_asked_is_no_answer() -> None:
    assert rag_verdict(QUESTION, [SOUP, CAKE], "Boil the peas with mint.").label == "ignored"


@pytest.mark.parametrize(
    "subject",
    [
        Subject(input=QUESTION, output="An answer.", documents=()),
        Subject(input=QUESTION, output="  ", documents=[RetrievedDocument(CAKE)]),
        Subject(input=None, output="An answer.", documents=[RetrievedDocument(CAKE)]),
        Subject(input=QUESTION, output="An answer.", documents=[RetrievedDocument(" ")]),
    ],
)
def test_without_question_documents_or_answer_there_is_nothing_to_say(subject: Subject) -> None:
    with pytest.raises(NotApplicable):
        make({"type": "rag_verdict"})(subject)


def test_scores_say_the_verdict_and_which_documents_were_used() -> None:
    documents = [RetrievedDocument(SOUP, 4, "soup"), RetrievedDocument(CAKE, 7, "cake")]
    subject = Subject(
        input={"question": QUESTION}, output="For ninety minutes, in a moderate oven.", documents=documents
    )
    verdict, *uses = make({"type": "rag_verdict"})(subject)
    assert (verdict.name, verdict.label, verdict.score) == ("rag_verdict", "answered", 1.0)
    assert [(one.label, one.document_position) for one in uses] == [("unused", 4), ("used", 7)]
    matrix = json.loads(json.dumps(verdict.metadata))["matrix"]
    assert len(matrix) == 1 and [entry[0] for entry in matrix[0]] == ["0", "+"]


def test_settings_are_checked_and_change_the_version() -> None:
    for wrong in (
        {"mode": "x"},
        {"thresholds": {"support": 2}},
        {"thresholds": {"x": 1}},
        {"other": 1},
        {"mode": "judge"},
    ):
        with pytest.raises(ValueError):
            make({"type": "rag_verdict", **wrong})
    strict = make({"type": "rag_verdict", "thresholds": {"support": 0.9}})
    assert strict.version != make({"type": "rag_verdict"}).version


@pytest.mark.parametrize(
    ("text", "values", "unit"),
    [
        ("an hour and a half", 5400, "s"),
        ("ninety minutes", 5400, "s"),
        ("thirty-one euros", 31, "eur"),
        ("140 million", 140_000_000, None),
        ("140,000,000", 140_000_000, None),
        ("2 340 mètres", 2340, "m"),
        ("-1.9 °C", -1.9, "°"),
        ("minus 1.9 degrees", -1.9, "°"),
        ("11.4kg", 11_400, "g"),
        ("the third day", 3 * 86400, "s"),
        ("1st May", 1, None),
    ],
)
def test_numbers_are_read_with_their_units(text: str, values: float, unit: str | None) -> None:
    number = next(token for token in tokens(text) if token.kind == "number")
    assert number.values[0] == pytest.approx(values) and number.unit == unit
