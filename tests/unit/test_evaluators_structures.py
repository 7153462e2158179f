"""Evaluators of JSON, of tools that were called, of what is cited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracekit.evals.api import NotApplicable, RetrievedDocument, Score, Subject, ToolUse
from tracekit.evals.checks_json import at_path, path_of
from tracekit.evals.json_schema import Schema, TooLarge
from tracekit.evals.registry import make


def scores(made: dict[str, Any], **fields: Any) -> list[Score]:
    return list(make(made)(Subject(**fields)))


def score(made: dict[str, Any], **fields: Any) -> Any:
    (found,) = scores(made, **fields)
    return found.score


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "output", "right"),
    [
        ({}, '{"a": 1}', True),
        ({}, "[1, 2", False),
        ({}, "", False),
        ({}, "NaN", False),
        ({}, "[Infinity]", False),
        ({}, "3", True),
        ({"kind": "object"}, "[]", False),
        ({"kind": "array"}, "[]", True),
        ({"kind": "object"}, {"already": "parsed"}, True),
        ({}, '```json\n{"a": 1}\n```', False),
        ({"allow_fence": True}, '```json\n{"a": 1}\n```\n', True),
        ({"allow_fence": True}, '```\n{"a": ```', False),
        ({}, "[" * 100_000, False),
        ({}, '{"a": 1} and more', False),
    ],
)
def test_valid_json(made: dict[str, Any], output: Any, right: bool) -> None:
    assert score({"type": "valid_json", **made}, output=output) is right


ORDER = {
    "type": "object",
    "required": ["id", "items"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^o-[0-9]+$"},
        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
    },
    "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number", "exclusiveMinimum": 0}}}},
}


def test_json_schema_says_what_is_wrong_and_where() -> None:
    made = {"type": "json_schema", "schema": ORDER}
    assert score(made, output='{"id": "o-1", "items": [{"price": 2.5}]}') is True
    (found,) = scores(made, output={"id": "x", "items": [{"price": 0}], "more": 1})
    assert found.score is False and found.explanation is not None
    assert found.explanation.split("; ") == [
        "$.id: does not match '^o-[0-9]+$'",
        "$.items[0].price: is not more than 0",
        "$.more: is not allowed",
    ]
    assert score(made, output="no JSON") is False
    assert scores({"type": "json_schema", "schema": json.dumps(ORDER)}, output="{}")[0].score is False


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"type": "text"}, "#/type: must be of null"),
        ({"properties": {"a": {"minimum": "1"}}}, "#/properties/a/minimum: must be a number"),
        ({"items": 3}, "#/items: a schema is an object"),
        ({"anyOf": []}, "#/anyOf: must be a list of schemas"),
        ({"if": True}, "#/if: this keyword is not understood"),
        ({"pattern": "(?=a)"}, "#/pattern: uses what cannot be searched in bounded time"),
        ({"$ref": "#/$defs/none"}, "#/$ref: leads nowhere"),
        ({"$ref": "https://example.com/s.json"}, "#/$ref: leads nowhere"),
        ({"multipleOf": 0}, "#/multipleOf: must be a number above 0"),
        ({"required": "a"}, "#/required: must be a list of names"),
        ({"minLength": -1}, "#/minLength: must be a whole number"),
        ([], "#: a schema is an object"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema: Any, wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        make({"type": "json_schema", "schema": schema})
    assert str(refused.value).startswith(f"schema: {wrong}")


def test_schemas_that_never_end_or_multiply_cost_a_bounded_time() -> None:
    endless = Schema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})
    with pytest.raises(TooLarge):
        endless.faults(1)
    doubling: Any = {"$defs": {"a0": {"type": "integer"}}, "$ref": "#/$defs/a30"}
    for at in range(1, 31):
        doubling["$defs"][f"a{at}"] = {"allOf": [{"$ref": f"#/$defs/a{at - 1}"}] * 2}
    with pytest.raises(TooLarge):
        Schema(doubling).faults(1)
    with pytest.raises(NotApplicable, match="too deep or too large"):
        make({"type": "json_schema", "schema": doubling})(Subject(output="1"))
    assert len(Schema({"items": False}).faults([1] * 1_000)) == 20


def test_recursive_schemas_reach_as_deep_as_the_value() -> None:
    tree = Schema(
        {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "additionalProperties": {"$ref": "#/$defs/t"}}}}
    )
    assert tree.faults({"a": {"b": {}}}) == []
    assert tree.faults({"a": {"b": 1}}) == ["$.a.b: is not of type object"]


def test_json_fields_is_the_share_that_is_equal() -> None:
    made = {"type": "json_fields", "fields": {"city": "Bonn", "items[1].price": 2, "$.none": None}}
    (found,) = scores(made, output='{"city": "Bonn", "items": [1, {"price": 2.0}]}')
    assert found.score == pytest.approx(2 / 3) and found.explanation == "wrong or missing: '$.none'"
    assert score({"type": "json_fields"}, output='```json\n{"a": 1, "b": 2}\n```', expected='{"a": 1, "b": 3}') == 0.5
    listed = {"type": "json_fields", "fields": ["a.b"], "tolerance": 0.1}
    assert score(listed, output={"a": {"b": 1.05}}, expected={"a": {"b": 1, "c": 2}}) == 1
    assert score(listed, output={"a": {"b": True}}, expected={"a": {"b": 1}}) == 0
    assert score(listed, output="no JSON", expected={"a": {"b": 1}}) == 0
    with pytest.raises(NotApplicable, match="no JSON with these fields"):
        make(listed)(Subject(output="{}", expected={"x": 1}))


def test_paths() -> None:
    assert path_of("a.b[0][2].c") == path_of("$.a.b[0][2].c") == ["a", "b", 0, 2, "c"]
    assert at_path({"a": [{"b": 7}]}, path_of("a[0].b")) == 7
    for wrong in ("a..b", "a[", "a[x]", "a]"):
        with pytest.raises(ValueError, match="is no path"):
            path_of(wrong)
    for path in ("a[1]", "a.b", "b", "a[0].b.c"):
        with pytest.raises(LookupError):
            at_path({"a": [{"b": 7}]}, path_of(path))


# --- tools ------------------------------------------------------------------------------------------------------------

SEARCH, FETCH = ToolUse("search", {"q": "a", "k": 3}), ToolUse("fetch", {"id": 7})


@pytest.mark.parametrize(
    ("made", "tools", "f1", "precision", "recall"),
    [
        ({"expected": ["search", "fetch"]}, [FETCH, SEARCH], 1, 1, 1),
        ({"expected": ["search", "fetch"], "ordered": True}, [FETCH, SEARCH], 0.5, 0.5, 0.5),
        ({"expected": ["search"]}, [SEARCH, FETCH], 2 / 3, 0.5, 1),
        ({"expected": ["search", "fetch"]}, [SEARCH], 2 / 3, 1, 0.5),
        ({"expected": ["search", "search"]}, [SEARCH], 2 / 3, 1, 0.5),
        ({"expected": ["search"]}, [], 0, 0, 0),
        ({"expected": [{"name": "search", "arguments": {"q": "a"}}]}, [SEARCH], 1, 1, 1),
        ({"expected": [{"name": "search", "arguments": {"q": "a"}}], "arguments": "exact"}, [SEARCH], 0, 0, 0),
        ({"expected": [{"name": "search", "arguments": {"q": "b"}}]}, [SEARCH], 0, 0, 0),
        ({"expected": [{"name": "search", "arguments": {"q": "b"}}], "arguments": "ignore"}, [SEARCH], 1, 1, 1),
        (
            {"expected": [{"name": "search", "schema": {"required": ["q", "k"]}}, {"name": "fetch", "schema": False}]}
            | {"arguments": "schema"},
            [SEARCH, FETCH],
            0.5, 0.5, 0.5,
        ),
        # the call that fits both must not be given to the first, which fits another too
        (
            {"expected": ["search", {"name": "search", "arguments": {"q": "a"}}]},
            [SEARCH, ToolUse("search", {"q": "z"})],
            1, 1, 1,
        ),
    ],
)  # fmt: skip
def test_tool_calls(made: dict[str, Any], tools: list[ToolUse], f1: float, precision: float, recall: float) -> None:
    found = scores({"type": "tool_calls", **made}, tools=tools)
    assert [one.name for one in found] == ["tool_calls", "tool_calls.precision", "tool_calls.recall"]
    assert [one.score for one in found] == pytest.approx([f1, precision, recall])


def test_tools_may_be_named_by_the_example_or_be_wanted_not_to_be_called() -> None:
    assert scores({"type": "tool_calls"}, tools=[SEARCH], expected={"tools": ["search"]})[0].score == 1
    assert scores({"type": "tool_calls"}, tools=[SEARCH], expected=[{"name": "search"}])[0].score == 1
    (none,) = scores({"type": "tool_calls", "expected": []}, tools=[])
    assert none.score == 1
    (some,) = scores({"type": "tool_calls", "expected": []}, tools=[SEARCH])
    assert some.score == 0 and some.explanation == "not expected: 'search'"
    for expected in (None, "an answer", {"answer": 1}, [3]):
        with pytest.raises(NotApplicable):
            make({"type": "tool_calls"})(Subject(tools=[SEARCH], expected=expected))


# --- citations --------------------------------------------------------------------------------------------------------

DOCUMENTS = [
    RetrievedDocument("Refunds take 14 days, counted from the day of the return.", 0, "faq-3"),
    RetrievedDocument("Rex is the office dog.", 1, "doc-2"),
]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("It takes 14 days [1].", 1),
        ("It takes 14 days[1][2], see [3].", 2 / 3),
        ("Both [1, 2] and [1-3].", 4 / 5),
        ("By name [doc-2], [faq-3] and [doc-9].", 2 / 3),
        ("By name [Doc: faq-3] and 【2†source】.", 1),
        ('It says "refunds take 14 days, counted from the day".', 1),
        ('It says "refunds take 30 days, counted from the day".', 0),
        ("It says “Refunds take 14 days ... the day of the return” [1].", 1),
        ("It says “the day of the return ... Refunds take 14 days”.", 0),
        ('The "office dog" [2] is no quote.', 1),
        ("A range [1-99999] is none, [0] is wrong.", 0),
    ],
)
def test_citations(text: str, right: float) -> None:
    assert score({"type": "citations"}, output=text, documents=DOCUMENTS) == pytest.approx(right)


def test_what_is_no_citation_is_not_judged() -> None:
    for text in (
        "It takes [sic] 14 days.",
        "Take `items[1]` here.",
        "```\nitems[1]\n```",
        "See [the page](https://example.com).",
        "Nothing.",
    ):
        with pytest.raises(NotApplicable, match="cites nothing"):
            make({"type": "citations"})(Subject(output=text, documents=DOCUMENTS))
        assert score({"type": "citations", "required": True}, output=text, documents=DOCUMENTS) == 0
    with pytest.raises(NotApplicable, match="no documents"):
        make({"type": "citations"})(Subject(output="So [1]."))
    assert score({"type": "citations", "first_number": 0}, output="So [0].", documents=DOCUMENTS) == 1
