"""Rendering of model objects: every span, whatever is in it, becomes valid JSON with the API's names."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.api import render
from collector.api.values import encode
from collector.model import Content, Cost, Document, Embedding, Event, Link, Message, Span, Tool, TraceSummary, Usage
from collector.storage.api import UsageRow

TRACE = bytes(range(16))
NOBODY = render.Belonging(None, None, None, None)


def span(number: int, parent: int | None = None, **fields: Any) -> Span:
    above = None if parent is None else parent.to_bytes(8, "big")
    return Span(TRACE, number.to_bytes(8, "big"), above, f"span {number}", 0, 10**6, **fields)


def summary(**fields: Any) -> TraceSummary:
    return TraceSummary(TRACE, "shop", "ask", 0, 10**9, "ok", 3, **fields)


def belongings_of(*spans: Span, **fields: Any) -> list[render.Belonging]:
    found = render.belongings(spans, summary(**fields))
    return [found[one.span_id] for one in spans]


def test_a_span_belongs_where_its_ancestors_belong() -> None:
    root, middle, leaf = belongings_of(
        span(1, session_id="root's", tags=["prod"]),
        span(2, 1, session_id="own", metadata={"a": 1}),
        span(3, 2),
        user_id="ada",
    )
    assert (root.session_id, middle.session_id, leaf.session_id) == ("root's", "own", "own")
    assert root.user_id == middle.user_id == leaf.user_id == "ada"
    assert leaf.tags == ["prod"] and leaf.metadata == {"a": 1} and root.metadata == {}


def test_missing_and_circular_parents_end_at_the_trace() -> None:
    found = belongings_of(span(1, 2), span(2, 1, user_id="bob"), span(3, 99), span(4, 4), session_id="s")
    assert {one.session_id for one in found} == {"s"}
    assert found[1].user_id == "bob" and found[2].user_id is None


def test_a_chain_longer_than_the_stack() -> None:
    spans = [span(1, user_id="ada"), *(span(number, number - 1) for number in range(2, 5000))]
    found = render.belongings(reversed(spans), summary())
    assert found[spans[-1].span_id].user_id == "ada"


def test_unknown_is_null_and_never_zero() -> None:
    facts = render.span_facts(span(1, usage=Usage(input_tokens=0), cost=Cost()), NOBODY)
    assert facts["usage"]["input_tokens"] == 0 and facts["usage"]["output_tokens"] is None
    assert facts["cost"] == {
        "total": None, "input": None, "output": None, "status": "unpriced", "price_id": None, "reported_total": None,
    }  # fmt: skip
    assert render.span_facts(span(1), NOBODY)["usage"] is None
    assert render.trace(summary())["cost"] is None


def test_both_costs_are_shown_where_one_was_reported() -> None:
    shown = render.cost(Cost("reported", 2_000_000, 500_000, 1_500_000, "openai/gpt", 2_000_001))
    assert shown == {
        "total": "0.000002", "input": "0.0000005", "output": "0.0000015", "status": "reported",
        "price_id": "openai/gpt", "reported_total": "0.000002000001",
    }  # fmt: skip


def test_originals_are_shown_as_they_were_sent() -> None:
    sent = replace(
        span(1),
        attributes={"raw": b"\x01", "nan": float("nan"), "big": 2**60, "<script>": "</script>"},
        events=[Event("exception", 1, {"exception.type": "x.Y"})],
        links=[Link(b"\x01", b"", {"a": [1, 2.5]})],
        resource={"service.name": "shop"},
    )
    payload = json.loads(encode(render.span_payload(sent, Content())))
    assert payload["attributes"] == {"raw": "AQ==", "nan": "NaN", "big": 2**60, "<script>": "</script>"}
    assert payload["events"] == [
        {"name": "exception", "time": "1970-01-01T00:00:00.000000001Z", "attributes": {"exception.type": "x.Y"}}
    ]
    assert payload["links"] == [{"trace_id": "01", "span_id": "", "attributes": {"a": [1, 2.5]}}]
    assert payload["resource"] == {"service.name": "shop"}


def test_usage_rows_carry_their_group_beside_the_figures() -> None:
    ranks = {"p50": 10**6, "p90": None, "p99": None}
    row = UsageRow({"user_id": None, "tag:tier": "gold"}, 2, 3, 1, Usage(), Cost("computed", 1), 0, ranks, ranks)
    shown = render.usage_rows([row])["items"][0]
    assert shown["user_id"] is None and shown["tag:tier"] == "gold"
    assert shown["latency_ms"] == {"p50": 1.0, "p90": None, "p99": None}
    assert shown["cost"]["total"] == "0.000000000001"


TEXT = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
MAPPING = st.dictionaries(TEXT, JSON, max_size=3)
COUNT = st.none() | st.integers()
SPANS = st.builds(
    Span,
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.none() | st.binary(max_size=9),
    TEXT,
    st.integers(),
    st.integers(),
    resource=MAPPING,
    attributes=MAPPING,
    events=st.lists(st.builds(Event, TEXT, st.integers(), MAPPING), max_size=2),
    links=st.lists(st.builds(Link, st.binary(max_size=3), st.binary(max_size=3), MAPPING), max_size=2),
    usage=st.none() | st.builds(Usage, COUNT, COUNT, COUNT),
    cost=st.none() | st.builds(Cost, total=COUNT, reported_total=COUNT),
    time_to_first_token_ns=COUNT,
    tags=st.none() | st.lists(TEXT, max_size=2),
    metadata=st.none() | MAPPING,
)
CONTENTS = st.builds(
    Content,
    input_messages=st.lists(st.builds(Message, TEXT, parts=st.lists(MAPPING, max_size=2)), max_size=2),
    input=JSON,
    documents=st.lists(st.builds(Document, TEXT, TEXT, st.floats(), JSON), max_size=2),
    embeddings=st.lists(st.builds(Embedding, vector=st.none() | st.lists(st.floats(), max_size=3)), max_size=1),
    tool=st.none() | st.builds(Tool, arguments=JSON, result=JSON),
    parameters=MAPPING,
)


@given(SPANS, CONTENTS)
@settings(max_examples=150, deadline=None)
def test_any_span_becomes_valid_json(sent: Span, content: Content) -> None:
    found = render.belongings([sent], summary())[sent.span_id]
    shown = json.loads(encode(render.span_facts(sent, found) | render.span_payload(sent, content)))
    assert shown["span_id"] == sent.span_id.hex()
