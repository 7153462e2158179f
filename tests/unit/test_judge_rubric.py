"""What counts as a judge's answer, and what does not."""

from __future__ import annotations

import json

import pytest

from tracekit.evals.rubric import MAX_ANSWER, MAX_EXPLANATION, Choice, Rubric, Unfit, rubric_of

RUBRIC = Rubric((Choice("correct", 1.0, "all of it"), Choice("Partly right", 0.5), Choice("incorrect", 0.0)))


def said(label: object, explanation: object = "It fits.") -> str:
    return json.dumps({"explanation": explanation, "label": label})


@pytest.mark.parametrize(
    "text",
    [
        said("correct"),
        said(" Correct "),
        f"```json\n{said('correct')}\n```",
        f"Here is my judgement:\n{said('correct')}\nI hope that helps {{you}}.",
        f"<think>maybe {said('incorrect')}</think>\n{said('correct')}",
        f"{said('correct')}\n{said('correct')}",
        '{"label": "correct", "explanation": "It fits.", "confidence": 0.7}',
        'The set {1, 2} is no JSON. {"explanation": "It fits.", "label": "correct"}',
    ],
)
def test_one_object_with_a_label_is_found(text: str) -> None:
    verdict = RUBRIC.read(text)
    assert (verdict.choice, verdict.explanation) == (RUBRIC.choices[0], "It fits.")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("The answer is correct.", "it holds no JSON object"),
        ("correct", "it holds no JSON object"),
        ('["correct"]', "it holds no JSON object"),
        ('{"explanation": "x", "label": "corr', "it holds no JSON object"),
        ('{"verdict": "correct"}', 'its JSON object has no "label"'),
        (said("purple"), "'purple' is none of the labels"),
        (said("correct or incorrect"), "none of the labels"),
        (said("in-correct"), "none of the labels"),
        (said(1), '"label" is no text'),
        (said(True), '"label" is no text'),
        (said(["correct"]), '"label" is no text'),
        (said(None), 'there is no "label"'),
        (said("correct", ""), 'there is no "explanation"'),
        (said("correct", None), 'there is no "explanation"'),
        ('{"label": "correct"}', 'there is no "explanation"'),
        (f"{said('correct')} or rather {said('incorrect')}", "several JSON objects that disagree"),
        ('{"explanation": "x", "label": "correct", "label": "incorrect"}', "the same field twice"),
        ("{" * 100_000, f"longer than {MAX_ANSWER} characters"),
        ("{" * 60_000, "it holds no JSON object"),
        ('{"label":' * 7_000, "it holds no JSON object"),
        ("[" * 60_000, "it holds no JSON object"),
        ('{"explanation": "x", "label": ' + "9" * 60_000 + "}", ""),
    ],
)
def test_anything_else_is_unfit_and_says_why(text: str, why: str) -> None:
    with pytest.raises(Unfit) as caught:
        RUBRIC.read(text)
    assert why in str(caught.value) and len(str(caught.value)) < 300


def test_an_explanation_is_cut_to_its_bound() -> None:
    assert len(RUBRIC.read(said("correct", "x" * 50_000)).explanation) == MAX_EXPLANATION


def test_the_schema_has_the_explanation_before_the_label_and_forces_one() -> None:
    schema = RUBRIC.schema("correctness")
    assert list(schema["properties"]) == schema["required"] == ["explanation", "label"]
    assert schema["properties"]["label"]["enum"] == ["correct", "Partly right", "incorrect"]
    assert schema["additionalProperties"] is False
    assert '- "correct": all of it\n- "Partly right"\n' in RUBRIC.instructions()


def test_rubrics_of_settings() -> None:
    assert rubric_of({"good": 1, "bad": 0}).choices == (Choice("good", 1.0), Choice("bad", 0.0))
    listed = [{"label": "spam", "description": "unasked"}, {"label": "ham", "score": 0.25}]
    assert rubric_of(listed).choices == (Choice("spam", None, "unasked"), Choice("ham", 0.25))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("good, bad", "list of choices"),
        (3, "list of choices"),
        ([], "2 to 50 choices, not 0"),
        ({"good": 1}, "2 to 50 choices, not 1"),
        ({"good": 1, "Good ": 0}, "same label"),
        ({"good": 1, " ": 0}, "no label"),
        (["good", "bad"], "a choice has a label: 'good'"),
        ({"good": "1", "bad": 0}, "its score must be a number"),
        ({"good": True, "bad": 0}, "its score must be a number"),
        ({"good": float("nan"), "bad": 0}, "its score must be a number"),
        ([{"label": "good", "weight": 1}, {"label": "bad"}], "there is no weight"),
        ([{"label": "good", "description": 5}, {"label": "bad"}], "its description must be a text"),
    ],
)
def test_rubrics_that_cannot_be(given: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rubric_of(given)
