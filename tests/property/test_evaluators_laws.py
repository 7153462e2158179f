"""What holds for whatever an evaluator is given: it judges or says why not, within its bounds, twice the same."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekit.evals.api import Evaluator, NotApplicable, RetrievedDocument, Score, Subject, ToolUse
from tracekit.evals.json_schema import Schema
from tracekit.evals.languages import LANGUAGES, detect
from tracekit.evals.lexical import Bm25, idf, overlap, sentences, terms, word_pieces, words
from tracekit.evals.patterns import Pattern
from tracekit.evals.registry import make, needs_judge, types
from tracekit.evals.relevance import by_words, passages
from tracekit.evals.retrieval import average_precision, hit, ndcg, precision, recall, reciprocal_rank
from tracekit.evals.similarity import distance, subsequence

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: every type that asks no model, as a rule might have it
MADE: list[dict[str, Any]] = [
    {"type": "exact_match", "tolerance": 0.5},
    {"type": "contains", "value": "a"},
    {"type": "contains_any", "values": ["a", "b"]},
    {"type": "contains_all", "values": ["a", "b"]},
    {"type": "not_contains", "values": ["a"]},
    {"type": "starts_with", "value": "a"},
    {"type": "ends_with", "value": "a"},
    {"type": "regex", "pattern": r"(\w+\s?)+$"},
    {"type": "output_length", "max": 10, "unit": "words"},
    {"type": "valid_json", "allow_fence": True},
    {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    {"type": "json_fields"},
    {"type": "latency_ms", "max": 100},
    {"type": "time_to_first_token_ms", "max": 100},
    {"type": "tokens", "max": 100},
    {"type": "cost_usd", "max": 1},
    {"type": "status_ok"},
    {"type": "tool_calls"},
    {"type": "tool_calls", "expected": ["a", {"name": "b", "arguments": {"x": 1}}], "ordered": True},
    {"type": "citations", "required": True},
    {"type": "language"},
    {"type": "refusal"},
    {"type": "repetition", "min_words": 1},
    {"type": "pii"},
    {"type": "levenshtein"},
    {"type": "rouge_l"},
    {"type": "precision_at_k", "k": 3},
    {"type": "recall_at_k"},
    {"type": "hit_rate"},
    {"type": "mrr"},
    {"type": "map"},
    {"type": "ndcg", "gain": "exponential"},
    {"type": "lexical_relevance"},
    {"type": "lexical_relevance", "method": "bm25"},
]

odd_texts = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(codec=None), max_size=20),  # lone surrogates too
    st.sampled_from(
        ["", " ", "\x00", "[1] [2-3]", "[" * 500, '"' * 99, "a" * 3000, "{" * 3000, "NaN", "1e999", "\ud800"]
    ),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_texts | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
documents = st.builds(
    RetrievedDocument,
    text=odd_texts,
    position=st.integers(-2, 9),
    id=st.none() | st.sampled_from(["a", "b", "1", ""]),
    relevant=st.none() | st.booleans() | st.floats() | st.just(10**400),
)
numbers = st.none() | st.integers() | st.floats() | st.just(10**400)
subjects = st.builds(
    Subject,
    input=values,
    output=values,
    expected=values,
    documents=st.lists(documents, max_size=5),
    messages=st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": values}), max_size=2
    ),
    tools=st.lists(st.builds(ToolUse, name=st.sampled_from(["a", "b", "c"]), arguments=values), max_size=5),
    metadata=st.dictionaries(st.sampled_from(["expected_document_ids", "relevant_document_ids"]), values),
    status=st.sampled_from(["ok", "error", "unset"]),
    error=st.none() | odd_texts,
    latency_ms=numbers,
    time_to_first_token_ms=numbers,
    total_tokens=numbers,
    cost_usd=numbers,
)


EVALUATORS = [(one["type"], make(one)) for one in MADE]


def judged(evaluator: Evaluator, subject: Subject) -> list[Score] | str:
    try:
        return list(evaluator(subject))
    except NotApplicable as error:
        assert str(error)
        return str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=subjects)
def test_each_judges_within_its_bounds_or_says_why_not_and_twice_the_same(subject: Subject) -> None:
    for name, evaluator in EVALUATORS:
        found = judged(evaluator, subject)
        assert judged(evaluator, subject) == found, name
        for score in found if isinstance(found, list) else []:
            assert score.name.startswith(name)
            assert isinstance(score.score, bool) or 0.0 <= score.score <= 1.0, name  # type: ignore[operator]
            assert score.explanation is None or len(score.explanation) < 5_000


def test_every_type_that_asks_no_judge_and_has_bounds_is_held_to_them() -> None:
    elsewhere = {"readability", "embedding_relevance", "embedding_similarity", "function", "rag_verdict"}
    libraries = {"autoevals", "openevals", "phoenix-evals"}
    assert {one for one in types() if not needs_judge(one)} <= {name for name, _ in EVALUATORS} | elsewhere | libraries


def test_what_is_nested_too_deeply_is_not_judged_and_breaks_nothing() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    documents = [RetrievedDocument("a")]
    subject = Subject(input=deep, output=deep, expected=deep, tools=[ToolUse("b", deep)], documents=documents)
    for _, evaluator in EVALUATORS:
        judged(evaluator, subject)
    # and it is said why, where the value had to be looked into
    contains = make({"type": "contains", "value": "a"})
    assert judged(contains, subject) == "the input or the output is nested too deeply"


# --- retrieval --------------------------------------------------------------------------------------------------------

grades = st.lists(st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 0.5]), max_size=8)
cuts = st.none() | st.integers(1, 10)
MEASURES = [precision, recall, hit, reciprocal_rank, average_precision, ndcg]


@FAST
@given(found=grades, missed=grades, k=cuts)
def test_every_measure_of_retrieval_is_from_0_to_1(found: list[float], missed: list[float], k: int | None) -> None:
    for measure in MEASURES:
        value = measure(found, [*found, *missed], k)
        assert value is None or 0 <= value <= 1 + 1e-12, measure.__name__


@FAST
@given(found=grades, k=cuts)
def test_the_best_order_is_1_and_none_is_better_than_it(found: list[float], k: int | None) -> None:
    best = sorted(found, reverse=True)
    for measure in (ndcg, average_precision):
        value = measure(best, found, k)
        assert value is None or math.isclose(value, 1.0)
    for measure in MEASURES:
        here, there = measure(found, found, k), measure(best, found, k)
        assert here is None or there is None or here <= there + 1e-12
    assert reciprocal_rank(best, found, k) == hit(best, found, k) == float(any(found))


@FAST
@given(found=grades, k=st.integers(1, 8), data=st.data())
def test_the_order_within_the_first_k_is_nothing_to_precision_recall_and_hits(
    found: list[float], k: int, data: st.DataObject
) -> None:
    mixed = [*data.draw(st.permutations(found[:k])), *data.draw(st.permutations(found[k:]))]
    for measure in (precision, recall, hit):
        assert measure(found, found, k) == measure(mixed, found, k)
    # and what comes behind k is nothing to any
    for measure in MEASURES:
        assert measure(found, found, k) == measure([*found[:k], *mixed[k:]], found, k)


@FAST
@given(found=grades, at=st.integers(0, 7))
def test_a_relevant_document_that_moves_up_makes_nothing_worse(found: list[float], at: int) -> None:
    if at + 1 < len(found) and found[at + 1] > found[at]:
        moved = [*found[:at], found[at + 1], found[at], *found[at + 2 :]]
        for measure in MEASURES:
            before, after = measure(found, found, None), measure(moved, found, None)
            assert before is not None and after is not None and after >= before - 1e-12


# --- texts ------------------------------------------------------------------------------------------------------------


@FAST
@given(text=odd_texts | st.text("ab. \n!?[1]。हि", max_size=80))
def test_pieces_are_where_they_say_and_none_overlap(text: str) -> None:
    for pieces in (word_pieces(text), sentences(text)):
        assert all(text[piece.start : piece.end] == piece.text and piece.text for piece in pieces)
        assert all(one.end <= other.start for one, other in pairwise(pieces))
    inside = [
        any(piece.start <= word.start and word.end <= piece.end for piece in sentences(text))
        for word in word_pieces(text)
    ]
    assert all(inside), "a word is in no sentence"
    assert all(len(part) <= 1_000 for part in passages(text))


@FAST
@given(query=st.lists(st.sampled_from("abcde")), texts=st.lists(st.lists(st.sampled_from("abcdef")), max_size=5))
def test_overlaps_and_bm25_are_within_their_bounds(query: list[str], texts: list[list[str]]) -> None:
    weights = idf(texts)
    assert all(weight > 0 for weight in weights.values())
    assert all(0 <= overlap(query, text, weights) <= 1 + 1e-12 for text in texts)
    assert not query or math.isclose(overlap(query, query, weights), 1.0)
    ranked = Bm25(texts)
    assert all(0 <= score <= ranked.best(query) + 1e-9 for score in ranked.scores(query))
    for method in ("overlap", "bm25"):
        assert all(0 <= value <= 1 for value in by_words(" ".join(query), [" ".join(text) for text in texts], method))


@FAST
@given(text=odd_texts)
def test_words_are_the_same_in_any_case_and_languages_are_known_ones(text: str) -> None:
    assert words(text) == words(text.casefold()) or not text.isascii()
    assert set(terms(text)) or not set(terms(text + " "))
    guess = detect(text)
    assert guess.language is None or guess.language in LANGUAGES
    assert 0 <= guess.share <= 1


# --- algorithms against the plain ones --------------------------------------------------------------------------------


def plain_distance(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for at, sign in enumerate(one, 1):
        before, row[0] = row[0], at
        for there, peer in enumerate(other, 1):
            before, row[there] = row[there], min(row[there] + 1, row[there - 1] + 1, before + (sign != peer))
    return row[-1]


def plain_subsequence(one: str, other: str) -> int:
    row = [0] * (len(other) + 1)
    for sign in one:
        before = 0
        for there, peer in enumerate(other, 1):
            before, row[there] = row[there], before + 1 if sign == peer else max(row[there], row[there - 1])
    return row[-1]


@settings(max_examples=200, deadline=None)
@given(one=st.text("abcé", max_size=90), other=st.text("abcé", max_size=90))
def test_distances_and_common_subsequences_are_those_of_the_plain_algorithms(one: str, other: str) -> None:
    assert distance(one, other) == plain_distance(one, other)
    assert subsequence(one, other) == plain_subsequence(one, other)


signs = st.sampled_from(
    ["a", "b", "A", r"\d", r"\w", r"\s", ".", "[ab]", "[^a]", "[a-c1]", r"\.", "1", " ", "é", r"[^\W\d]"]
)
patterns = st.recursive(
    signs | st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "{0,2}?"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
        inner.map(lambda part: f"({part})"),
        inner.map(lambda part: f"(?i:{part})"),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(
    pattern=patterns,
    text=st.text("abAB1 \n.éÉ_", max_size=12),
    flags=st.sampled_from(["", "(?i)", "(?m)", "(?s)", "(?a)"]),
)
def test_a_pattern_finds_what_re_finds(pattern: str, text: str, flags: str) -> None:
    found = re.search(flags + pattern, text)
    assert Pattern(flags + pattern).found_in(text) is (found is not None)
    whole = re.fullmatch(flags + pattern, text)
    assert Pattern(flags + pattern, whole=True).found_in(text) is (whole is not None)


small = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, 0.3])
    | st.sampled_from(["", "a", "ab", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
keywords = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["null", "boolean", "string", "array", "object", "number", "integer"])}
    ),
    st.fixed_dictionaries({"enum": st.lists(small, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"const": small}),
    st.fixed_dictionaries({"minLength": st.integers(0, 2), "pattern": st.sampled_from(["a", "^b", "[^a]"])}),
    st.fixed_dictionaries({"minimum": st.integers(-2, 2), "exclusiveMaximum": st.integers(-2, 3)}),
    st.fixed_dictionaries({"multipleOf": st.sampled_from([1, 2, 0.5])}),
    st.fixed_dictionaries({"minItems": st.integers(0, 2), "maxItems": st.integers(0, 3), "uniqueItems": st.booleans()}),
    st.fixed_dictionaries({"required": st.lists(st.sampled_from("abc"), max_size=2, unique=True)}),
    st.fixed_dictionaries({"minProperties": st.integers(0, 2), "maxProperties": st.integers(0, 2)}),
)
schemas = st.recursive(
    keywords | st.booleans(),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2)}),
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"prefixItems": st.lists(inner, min_size=1, max_size=2), "items": inner}),
        st.fixed_dictionaries({"additionalProperties": inner, "properties": st.just({"a": True})}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"$defs": st.fixed_dictionaries({"x": inner}), "$ref": st.just("#/$defs/x")}),
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(schema=schemas, value=small)
def test_a_schema_allows_what_the_library_jsonschema_allows(schema: Any, value: Any) -> None:
    if "$defs" in str(schema)[8:]:  # a reference is looked up from the root alone
        return
    assert (Schema(schema).faults(value) == []) is jsonschema.Draft202012Validator(schema).is_valid(value)
