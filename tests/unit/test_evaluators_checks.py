"""Evaluators that need no model: of texts, measurements, style."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.checks_language import grade, reading_ease, syllables
from tracekit.evals.lexical import words
from tracekit.evals.patterns import Pattern, TooCostly
from tracekit.evals.registry import make


def score(made: dict[str, Any], **fields: Any) -> Score:
    (found,) = make(made)(Subject(**fields))
    return found


def passed(made: dict[str, Any], **fields: Any) -> bool:
    found = score(made, **fields).score
    assert isinstance(found, bool)
    return found


@pytest.mark.parametrize(
    ("made", "output", "expected", "right"),
    [
        ({}, "  Hi   there\n", "Hi there", True),
        ({"ignore_whitespace": False}, "Hi  there", "Hi there", False),
        ({}, "hi there", "Hi there", False),
        ({"case_sensitive": False}, "hi THERE", "Hi there", True),
        ({}, "Cafe\u0301", "Café", True),
        ({}, {"a": 1, "b": [1.0, "x"]}, {"b": [1, "x"], "a": 1}, True),
        ({}, {"a": 1}, {"a": 1, "b": 2}, False),
        ({}, "3.0", 3, True),
        ({}, True, 1, False),
        ({"tolerance": 0.01}, "3.14", 3.1415926, True),
        ({"tolerance": 0.001}, "3.14", 3.1415926, False),
        ({"tolerance": 1}, {"a": [10]}, {"a": [11]}, True),
        ({}, "1,000", "1000", True),
        ({}, '{"a": 1}', {"a": 1}, True),
        ({"value": "yes"}, "yes", "no", True),
        ({}, 2**80, 2**80 + 1, False),
    ],
)
def test_exact_match(made: dict[str, Any], output: Any, expected: Any, right: bool) -> None:
    assert passed({"type": "exact_match", **made}, output=output, expected=expected) is right


@pytest.mark.parametrize(
    ("made", "output", "right"),
    [
        ({"type": "contains", "value": "REFUND"}, "A refund!", True),
        ({"type": "contains", "value": "REFUND", "case_sensitive": True}, "A refund!", False),
        ({"type": "contains", "value": "a b", "ignore_whitespace": True}, "A \n B", True),
        ({"type": "contains_any", "values": ["x", "fun"]}, "A refund!", True),
        ({"type": "contains_all", "values": ["x", "fun"]}, "A refund!", False),
        ({"type": "not_contains", "value": "x", "values": ["y"]}, "A refund!", True),
        ({"type": "not_contains", "values": ["fun"]}, "A refund!", False),
        ({"type": "starts_with", "value": "a re"}, "\n A refund!", True),
        ({"type": "starts_with", "value": "a re", "strip": False}, "\n A refund!", False),
        ({"type": "ends_with", "values": ["?", "!"]}, "A refund!\n", True),
        ({"type": "ends_with", "value": "end"}, "x" * 500_000 + "end", True),
        ({"type": "regex", "pattern": r"\d{3}"}, "call 555", True),
        ({"type": "regex", "pattern": r"\d{3}", "whole": True}, "call 555", False),
        ({"type": "regex", "pattern": r"\d{3}", "negate": True}, "call 555", False),
        ({"type": "regex", "pattern": "CALL", "case_sensitive": False}, "call 555", True),
        ({"type": "output_length", "max": 4}, "five!", False),
        ({"type": "output_length", "min": 2, "max": 2, "unit": "words"}, "two words", True),
        ({"type": "output_length", "max": 1, "unit": "sentences"}, "One. Two.", False),
        ({"type": "output_length", "min": 3, "unit": "lines"}, "a\nb\nc", True),
    ],
)
def test_texts(made: dict[str, Any], output: str, right: bool) -> None:
    found = score(made, output=output)
    assert found.score is right
    assert right or found.explanation


def test_what_was_expected_is_sought_where_no_text_is_given() -> None:
    assert passed({"type": "contains"}, output="Paris, of course", expected="paris")
    with pytest.raises(NotApplicable, match="no expected output"):
        make({"type": "contains"})(Subject(output="Paris"))


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        ({"type": "contains_any"}, "values: is missing"),
        ({"type": "contains_any", "values": []}, "values: must be a list of texts"),
        ({"type": "contains", "value": ""}, "value: must not be empty"),
        ({"type": "contains", "value": 3}, "value: must be a text"),
        ({"type": "contains", "valeu": "x"}, "valeu: there is no such setting; there are case_sensitive"),
        ({"type": "regex", "pattern": "("}, "pattern: is no regular expression"),
        ({"type": "regex", "pattern": r"(a)\1"}, "pattern: uses what cannot be searched in bounded time: groupref"),
        ({"type": "regex", "pattern": "(?=a)"}, "bounded time: assert"),
        ({"type": "regex", "pattern": "((a{99}){99}){99}"}, "pattern: is too large"),
        ({"type": "regex", "pattern": "a" * 1001}, "pattern: has 1001 characters"),
        ({"type": "output_length"}, "max: give min, max or both"),
        ({"type": "output_length", "max": 3, "unit": "miles"}, "unit: must be one of characters"),
        ({"type": "latency_ms", "max": True}, "max: must be a number"),
        ({"type": "latency_ms", "max": float("nan")}, "max: must be a number"),
        ({"type": "exact_match", "tolerance": -1}, "tolerance: must be from 0"),
        ({"type": "language", "language": "xx"}, "language: 'xx' cannot be told"),
        ({"type": "pii", "patterns": ["dna"]}, "patterns: there is no pattern dna"),
        ({"type": "status_ok", "name": ""}, "name: must have 1 to 200 characters"),
        ({"type": "nothing"}, "there is no evaluator 'nothing'"),
    ],
)
def test_wrong_settings_are_named(made: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        make(made)
    assert wrong in str(refused.value)


@pytest.mark.parametrize(
    "made",
    [{"type": "contains", "value": "a"}, {"type": "regex", "pattern": "a"}, {"type": "pii"}, {"type": "refusal"}],
)
def test_without_an_output_nothing_is_judged(made: dict[str, Any]) -> None:
    with pytest.raises(NotApplicable, match="no output"):
        make(made)(Subject(input="a"))


def test_versions_change_with_the_settings_and_not_with_their_order() -> None:
    one = make({"type": "contains", "value": "a", "case_sensitive": True})
    same = make({"case_sensitive": True, "value": "a", "type": "contains"})
    other = make({"type": "contains", "value": "b", "case_sensitive": True})
    assert one.version == same.version != other.version
    assert (one.name, one.annotator_kind) == ("contains", "code")
    assert make({"type": "contains", "value": "a", "name": "has_a"}).name == "has_a"


# --- patterns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+$", r"(\w+\s?)+!$", "(.*)*x", "a*a*a*a*a*a*b", "(a?){50}b"]
)
def test_patterns_that_keep_re_busy_for_ever_take_a_moment(pattern: str) -> None:
    begun = time.process_time()
    assert Pattern(pattern).found_in("a" * 50_000 + "?") is False
    assert time.process_time() - begun < 3


def test_a_pattern_that_would_take_too_long_on_a_text_is_not_judged() -> None:
    text = "".join(random.Random(7).choices("ab", k=60_000))
    hard = Pattern("a.{0,90}b.{200}c")
    begun = time.process_time()
    with pytest.raises(TooCostly):
        hard.found_in(text)
    assert time.process_time() - begun < 10
    with pytest.raises(NotApplicable, match="takes too long"):
        make({"type": "regex", "pattern": "a.{0,90}b.{200}c"})(Subject(output=text))


def test_deep_patterns_are_refused_and_not_a_crash() -> None:
    for pattern in ("(" * 450 + "a" + ")" * 450, "(?:" * 190 + "a" + ")*" * 190):
        try:
            Pattern(pattern)
        except ValueError as error:
            assert "regular expression" in str(error) or "too large" in str(error)


# --- measurements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "fields", "right"),
    [
        ({"type": "latency_ms", "max": 100}, {"latency_ms": 100.0}, True),
        ({"type": "latency_ms", "max": 100}, {"latency_ms": 100.5}, False),
        ({"type": "latency_ms", "min": 5}, {"latency_ms": 4.0}, False),
        ({"type": "time_to_first_token_ms", "max": 50}, {"time_to_first_token_ms": 49.0}, True),
        ({"type": "tokens", "max": 10}, {"total_tokens": 11}, False),
        ({"type": "tokens", "max": 10, "count": "input"}, {"total_tokens": 11, "input_tokens": 3}, True),
        ({"type": "tokens", "max": 10, "count": "output"}, {"output_tokens": 0}, True),
        ({"type": "cost_usd", "max": 0.01}, {"cost_usd": 0.0100001}, False),
        ({"type": "status_ok"}, {"status": "ok"}, True),
        ({"type": "status_ok"}, {"status": "unset"}, True),
        ({"type": "status_ok"}, {"status": "unset", "error": "boom"}, False),
        ({"type": "status_ok", "require_ok": True}, {"status": "unset"}, False),
        ({"type": "status_ok"}, {"status": "error", "error": "boom"}, False),
    ],
)
def test_measurements(made: dict[str, Any], fields: dict[str, Any], right: bool) -> None:
    assert passed(made, **fields) is right


@pytest.mark.parametrize("name", ["latency_ms", "time_to_first_token_ms", "tokens", "cost_usd"])
def test_what_is_not_known_is_not_judged(name: str) -> None:
    with pytest.raises(NotApplicable, match="is not known"):
        make({"type": name, "max": 1})(Subject(output="x"))
    assert passed({"type": "cost_usd", "max": 1}, cost_usd=0.0)


# --- style ------------------------------------------------------------------------------------------------------------


def test_language_is_that_of_the_question_or_the_one_that_is_set() -> None:
    german, english = (
        "Wie ist das Wetter heute und wie wird es morgen?",
        "It is sunny today and it will be so tomorrow.",
    )
    assert not passed({"type": "language"}, input=german, output=english)
    assert score({"type": "language"}, input=german, output=english).label == "en"
    assert passed({"type": "language"}, input=german, output="Es ist heute sonnig und bleibt auch morgen so.")
    assert passed({"type": "language", "languages": ["fr", "en"]}, input=german, output=english)
    with pytest.raises(NotApplicable, match="input cannot be told"):
        make({"type": "language"})(Subject(input="42", output=english))


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry — I cannot assist with this request.",
        "Sorry, I can't share that information.",
        "As an AI language model, I don't have opinions.",
        "I cannot provide medical advice.",
        "I am unable to answer this question.",
        "I must decline to write this.",
        "That would violate our content policy.",
        "Ich kann Ihnen dabei leider nicht helfen.",
        "Je ne peux pas vous aider à ce sujet.",
        "Lo siento, no puedo ayudarte con eso.",
        "很抱歉，我无法回答这个问题。",
        "К сожалению, я не могу помочь с этим.",
    ],
)
def test_refusals_are_found(text: str) -> None:
    assert not passed({"type": "refusal"}, output=text)
    assert passed({"type": "refusal", "expect_refusal": True}, output=text)
    assert score({"type": "refusal"}, output=text).label == "refusal"


@pytest.mark.parametrize(
    "text",
    [
        "You can't return it after 14 days. Write to the shop.",
        "The API cannot provide more than 100 rows.",
        "Sorry for the delay! Your parcel is on its way.",
        "I can help you with that.",
        "Our policy allows returns within 14 days.",
        "Je peux vous aider.",
        "She said she was sorry and he was glad.",
    ],
)
def test_answers_are_no_refusals(text: str) -> None:
    assert passed({"type": "refusal"}, output=text)
    assert score({"type": "refusal"}, output=text).label == "answer"


def test_repetition_is_the_share_that_repeats() -> None:
    once = (
        "The quick brown fox jumps over the lazy dog while seventeen grey herons watch from a flat stone by the river."
    )
    assert score({"type": "repetition"}, output=once).score == 1
    twice = score({"type": "repetition"}, output=f"{once} {once}")
    assert twice.score == pytest.approx(0.5) and "50%" in str(twice.explanation)
    loop = score({"type": "repetition"}, output="I think that we should go and " * 30)
    assert isinstance(loop.score, float) and loop.score < 0.1
    assert passed({"type": "repetition", "threshold": 0.5}, output=f"{once} {once}")
    assert not passed({"type": "repetition", "threshold": 0.4}, output=f"{once} {once}")
    assert score({"type": "repetition"}, output="no no no no no").score == 1  # too short to say


def test_readability_is_by_the_formulas() -> None:
    said = words("The cat sat on the mat.")
    assert [syllables(word) for word in ("cat", "table", "made", "wanted", "jumped", "banana", "the", "rhythm")] == [
        1, 2, 1, 2, 1, 3, 1, 1,
    ]  # fmt: skip
    # six words, one sentence, six syllables: worked out by hand
    assert reading_ease(said, 1) == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    assert grade(said, 1) == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    easy = "The cat sat on the mat. The dog ran to the red house and saw a big bird."
    hard = (
        "Notwithstanding considerable institutional heterogeneity, contemporary administrative organizations "
        "systematically underestimate interdependencies characterizing multidimensional accountability arrangements."
    )
    flesch, years = {"type": "readability"}, {"type": "readability", "measure": "grade"}
    assert score(flesch, output=easy).score > 90 > 30 > score(flesch, output=hard).score  # type: ignore[operator]
    assert passed({**years, "max": 6}, output=easy) and not passed({**years, "max": 12}, output=hard)
    with pytest.raises(NotApplicable, match="fewer than 10 words"):
        make(flesch)(Subject(output="Too short."))


def test_personal_data_is_found_and_never_repeated() -> None:
    found = score({"type": "pii"}, output="Write to bob@example.com, or pay with 4111 1111 1111 1111.")
    assert found.score is False and found.explanation == "holds 'card', 'email'"
    assert passed({"type": "pii"}, output="Write to us, order 4711 is of the 1st of May 2024.")
    assert passed({"type": "pii", "patterns": ["card"]}, output="bob@example.com")
    assert passed({"type": "pii"}, output="was [masked email] before")


def test_likeness_to_what_was_expected() -> None:
    assert score({"type": "levenshtein"}, output="kitten", expected="sitting").score == pytest.approx(1 - 3 / 7)
    assert score({"type": "levenshtein"}, output="", expected="").score == 1
    assert passed({"type": "levenshtein", "case_sensitive": False, "threshold": 1}, output="ABC", expected="abc")
    # the example of Lin (2004): "police killed the gunman" and "police kill the gunman" have 3 words in common
    lin = {"output": "police kill the gunman", "expected": "police killed the gunman"}
    assert score({"type": "rouge_l"}, **lin).score == 0.75
    assert score({"type": "rouge_l"}, output="the gunman kill police", expected=lin["expected"]).score == 0.5
    assert score({"type": "rouge_l", "measure": "recall"}, output="police", expected=lin["expected"]).score == 0.25
    with pytest.raises(NotApplicable, match="no expected output"):
        make({"type": "rouge_l"})(Subject(output="x"))


def test_long_texts_are_compared_in_a_moment() -> None:
    begun = time.process_time()
    found = score({"type": "levenshtein"}, output="ab" * 50_000, expected="ba" * 50_000)
    assert found.score == pytest.approx(1 - 2 / 10_000)
    assert score({"type": "rouge_l"}, output="a b " * 50_000, expected="b a " * 50_000).score == pytest.approx(
        1 - 1 / 5_000
    )
    assert time.process_time() - begun < 5
