"""Usage by group: the groups are a partition, and their sums are those of the calls."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_data import SECOND, T0, Sent, llm, stored
from store_library import PROJECTS

from collector.model import Cost
from collector.storage.api import UsageQuery, UsageRow

Stores = tuple[Any, Any]

NAMES = ["user_id", "session_id", "project", "model", "provider", "day", "hour", "tag:tier", "tag:x", "tag:o'dd\"]"]
moments = st.integers(-1, 210_000).map(lambda at: T0 + at * SECOND)
queries = st.builds(
    UsageQuery,
    project=st.sampled_from([None, None, *PROJECTS, "nowhere"]),
    from_ns=st.none() | moments,
    to_ns=st.none() | moments,
    group_by=st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple),
)
law = settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def group(row: UsageRow) -> tuple[str | None, ...]:
    return tuple(row.group.values())


@law
@given(query=queries)
def test_every_engine_says_the_same(library: Stores, query: UsageQuery) -> None:
    store, reference = library
    assert store.usage(query) == reference.usage(query)


@law
@given(query=queries)
def test_groups_add_up_to_the_whole(library: Stores, query: UsageQuery) -> None:
    store, _ = library
    rows = store.usage(query)
    whole = store.usage(UsageQuery(query.project, query.from_ns, query.to_ns))
    assert len({group(row) for row in rows}) == len(rows)
    assert all(list(row.group) == list(query.group_by) for row in rows)
    for pick in (lambda row: row.calls, lambda row: row.errors, lambda row: row.unpriced_calls):
        assert sum(map(pick, rows)) == sum(map(pick, whole))
    for part in range(8):
        assert _sum(astuple(row.usage)[part] for row in rows) == _sum(astuple(row.usage)[part] for row in whole)
    assert _sum(row.cost.total for row in rows) == _sum(row.cost.total for row in whole)
    costs = [-1 if row.cost.total is None else row.cost.total for row in rows]
    assert costs == sorted(costs, reverse=True)


def _sum(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def test_nothing_stored_is_no_row(store: Any) -> None:
    assert store.usage(UsageQuery()) == []
    assert store.usage(UsageQuery(group_by=("model", "day"))) == []


def test_users_pay_for_their_calls(store: Any) -> None:
    stored(
        store,
        llm(1, 1, user="ada", cost=0.5, tokens=(10, 5), lasts=1),
        llm(2, 1, user="ada", cost=0.25, tokens=(20, 5), lasts=3, status="error"),
        llm(3, 1, user="bob", model="mystery", tokens=(1, 1)),
        Sent(4, 1, attributes={"user.id": "bob"}),
    )
    ada, bob = store.usage(UsageQuery(group_by=("user_id",)))
    assert ada.group == {"user_id": "ada"}
    assert (ada.traces, ada.calls, ada.errors, ada.unpriced_calls) == (2, 2, 1, 0)
    assert (ada.usage.input_tokens, ada.usage.total_tokens) == (30, 40)
    assert (ada.cost.status, ada.cost.total) == ("reported", 750_000_000_000)
    assert ada.latency_ns == {"p50": SECOND, "p90": 3 * SECOND, "p99": 3 * SECOND}
    assert ada.time_to_first_token_ns == {"p50": None, "p90": None, "p99": None}
    assert (bob.traces, bob.calls, bob.unpriced_calls, bob.cost) == (2, 1, 1, Cost("unpriced"))


def test_groups_of_calls_leave_out_traces_without_calls(store: Any) -> None:
    stored(store, llm(1, 1), Sent(2, 1))
    assert [row.traces for row in store.usage(UsageQuery(group_by=("model",)))] == [1]
    assert [row.traces for row in store.usage(UsageQuery(group_by=("project",)))] == [2]
    assert [row.traces for row in store.usage(UsageQuery())] == [2]


def test_days_and_hours_are_named_by_their_start(store: Any) -> None:
    stored(store, llm(1, 1, at=0), llm(2, 1, at=86_400), Sent(3, 1, at=3_600))
    days = {group(row): row.traces for row in store.usage(UsageQuery(group_by=("day",)))}
    hours = {group(row) for row in store.usage(UsageQuery(group_by=("hour",)))}
    assert days == {("2026-01-02T00:00:00Z",): 2, ("2026-01-03T00:00:00Z",): 1}
    assert hours == {("2026-01-02T03:00:00Z",), ("2026-01-03T03:00:00Z",), ("2026-01-02T04:00:00Z",)}


def test_a_tag_is_a_metadata_value_or_the_rest_of_a_tag(store: Any) -> None:
    spans = [
        {"metadata": '{"tier": "gold"}', "tag.tags": ["tier:red"]},
        {"tag.tags": ["prod", "tier:red"]},
        {"tag.tags": ["tier=blue:1"]},
        {"metadata": '{"tier": 3}'},
        {"tag.tags": ["tiers:no"]},
    ]
    stored(store, *(llm(number, 1, attributes=attributes) for number, attributes in enumerate(spans)))
    found = {group(row): row.calls for row in store.usage(UsageQuery(group_by=("tag:tier",)))}
    assert found == {("gold",): 1, ("red",): 1, ("blue:1",): 1, ("3",): 1, (None,): 1}


@pytest.mark.parametrize("number", range(1, 12))
def test_percentiles_are_nearest_rank(store: Any, number: int) -> None:
    stored(store, *(llm(1, span, lasts=span + 1) for span in range(number)))
    (row,) = store.usage(UsageQuery())
    ordered = [(span + 1) * SECOND for span in range(number)]
    expected = {
        f"p{p}": min(v for v in ordered if sum(w <= v for w in ordered) * 100 >= p * number) for p in (50, 90, 99)
    }
    assert row.latency_ns == expected


def test_sums_stop_where_64_bits_do(store: Any) -> None:
    stored(store, *(llm(trace, number, tokens=(2**60, 1)) for trace in range(2) for number in range(20)))
    (row,) = store.usage(UsageQuery(group_by=("project",)))
    assert (row.usage.input_tokens, row.usage.output_tokens) == (2**63 - 1, 40)
