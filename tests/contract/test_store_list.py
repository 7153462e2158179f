"""Listing summaries: filters, sort orders, keyset pages, free text, the head of the list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_data import SECOND, T0, Sent, catch_up, llm, send, stored, trace_id
from store_library import PROJECTS, SESSIONS, USERS, WORDS

from collector.storage.api import BadCursor, StatsBucket, TraceQuery, UsageQuery
from collector.storage.sql import search

Stores = tuple[Any, Any]

moments = st.integers(-1, 210_000).map(lambda at: T0 + at * SECOND)
queries = st.builds(
    TraceQuery,
    project=st.sampled_from([None, None, *PROJECTS, "nowhere"]),
    session_id=st.sampled_from([None, None, *SESSIONS]),
    user_id=st.sampled_from([None, None, *USERS]),
    from_ns=st.none() | moments,
    to_ns=st.none() | moments,
    status=st.sampled_from([None, None, "ok", "error", "unset"]),
    q=st.sampled_from([None, None, None, "order", "ref", "krakow", "KRAKÓW", "order 7", "東", "case snake", "%"]),
    sort=st.sampled_from(["start_time", "duration", "cost", "tokens"]),
    descending=st.booleans(),
    limit=st.integers(1, 60),
    newer_than=st.none() | st.tuples(moments, st.integers(0, 200).map(trace_id)),
)
law = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def pages(store: Any, query: TraceQuery) -> list[Any]:
    """Everything, page by page."""
    found = []
    while True:
        page = store.list_traces(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.next_cursor is None:
            return found
        query = replace(query, cursor=page.next_cursor)


def names(store: Any, **conditions: Any) -> list[int]:
    return [int.from_bytes(item.trace_id, "big") - 1 for item in store.list_traces(TraceQuery(**conditions)).items]


@law
@given(query=queries)
def test_pages_of_any_size_are_the_whole_sorted_list(library: Stores, query: TraceQuery) -> None:
    store, reference = library
    whole = reference.list_traces(replace(query, limit=10_000))
    assert whole.next_cursor is None
    assert pages(store, query) == whole.items


@law
@given(query=queries, buckets=st.integers(0, 40))
def test_the_head_is_the_total_of_the_list(library: Stores, query: TraceQuery, buckets: int) -> None:
    store, reference = library
    head = store.stats(query, buckets)
    assert head == reference.stats(query, buckets)
    items = store.list_traces(replace(query, limit=10_000)).items
    assert (head.traces, head.errors) == (len(items), sum(item.status == "error" for item in items))
    if head.buckets:
        assert len(head.buckets) == buckets
        assert sum(bucket.traces for bucket in head.buckets) == head.traces
        assert all(a.end_ns == b.start_ns for a, b in zip(head.buckets, head.buckets[1:], strict=False))


@law
@given(query=queries)
def test_every_condition_holds(library: Stores, query: TraceQuery) -> None:
    for item in library[0].list_traces(replace(query, limit=10_000)).items:
        assert query.project in (None, item.project)
        assert query.session_id in (None, item.session_id)
        assert query.user_id in (None, item.user_id)
        assert query.status in (None, item.status)
        assert (query.from_ns or 0) <= item.start_ns < (query.to_ns or 2**63)
        assert query.newer_than is None or (item.start_ns, item.trace_id) > query.newer_than


@law
@given(number=st.integers(0, 160))
def test_one_trace_is_what_the_reference_says(library: Stores, number: int) -> None:
    store, reference = library
    assert store.get_trace(trace_id(number)) == reference.get_trace(trace_id(number))
    assert store.neighbours(trace_id(number)) == reference.neighbours(trace_id(number))
    assert [_plain(span) for span in store.get_spans(trace_id(number))] == [
        _plain(span) for span in reference.get_spans(trace_id(number))
    ]


def _plain(span: Any) -> Any:
    return replace(span, events=tuple(span.events), links=tuple(span.links), chunk=0, position=0)


def test_projects_are_those_that_sent_anything(library: Stores) -> None:
    store, reference = library
    assert store.projects() == reference.projects()
    assert [found.name for found in store.projects()] == sorted(PROJECTS)


def test_neighbours_are_of_the_same_project(store: Any) -> None:
    stored(store, *(Sent(number, 1, at=number, project="pq"[number % 2]) for number in range(6)))
    assert store.neighbours(trace_id(2)) == (trace_id(4), trace_id(0))
    assert store.neighbours(trace_id(5)) == (None, trace_id(3))
    assert store.neighbours(trace_id(9)) == (None, None)


def test_a_trace_is_listed_once_it_is_summarised(store: Any) -> None:
    send(store, llm(1, 1, name="ask"))
    assert names(store) == []
    early = store.get_trace(trace_id(1))
    catch_up(store)
    assert names(store) == [1]
    assert early.stale
    assert replace(early, stale=False) == store.get_trace(trace_id(1))


def test_a_summary_is_stale_until_it_covers_every_span(store: Any) -> None:
    stored(store, llm(1, 1))
    send(store, llm(1, 2))
    assert store.get_trace(trace_id(1)).stale
    assert [item.stale for item in store.list_traces(TraceQuery()).items] == [True]
    catch_up(store)
    found = store.get_trace(trace_id(1))
    assert (found.stale, found.span_count, found.llm_calls) == (False, 2, 2)


def test_rows_that_arrive_between_two_pages_shift_nothing(store: Any) -> None:
    stored(store, *(Sent(number, 1, at=number) for number in range(10)))
    first = store.list_traces(TraceQuery(limit=4))
    stored(store, *(Sent(number, 1, at=number) for number in range(20, 25)))
    rest = store.list_traces(TraceQuery(limit=100, cursor=first.next_cursor))
    assert [item.trace_id for item in first.items + rest.items] == [trace_id(number) for number in range(9, -1, -1)]


def test_the_live_tail_gives_what_is_newer(store: Any) -> None:
    stored(store, *(Sent(number, 1, at=1) for number in range(4)))
    assert names(store, newer_than=(T0 + SECOND, trace_id(1))) == [3, 2]
    stored(store, Sent(9, 1, at=2))
    assert names(store, newer_than=(T0 + SECOND, trace_id(3))) == [9]


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "AAAA", "é", "A" * 10_000, "\ud800"])
def test_what_is_no_cursor_is_refused(store: Any, cursor: str) -> None:
    with pytest.raises(BadCursor):
        store.list_traces(TraceQuery(cursor=cursor))


def test_a_cursor_of_another_query_is_refused(store: Any) -> None:
    stored(store, *(Sent(number, 1, at=number) for number in range(5)))
    cursor = store.list_traces(TraceQuery(limit=2)).next_cursor
    for other in (TraceQuery(sort="cost"), TraceQuery(descending=False), TraceQuery(user_id="ada"), TraceQuery(q="x")):
        with pytest.raises(BadCursor):
            store.list_traces(replace(other, cursor=cursor))
    # a range that moves with the clock between two pages is still the same list
    assert len(store.list_traces(TraceQuery(limit=2, cursor=cursor, from_ns=T0)).items) == 2


def test_free_text_finds_words_and_the_last_one_as_a_prefix(store: Any) -> None:
    stored(store, llm(1, 1, text="Where is my refund for order 4711?"), llm(2, 1, text="Refunded, thank you"))
    assert names(store, q="refund") == [2, 1]
    assert names(store, q="refund order") == [1]
    assert names(store, q="order refund") == [1]
    assert names(store, q="REF") == [2, 1]
    assert names(store, q="ref order") == []
    assert names(store, q="471") == [1]
    assert names(store, q="gpt 4o") == [2, 1]


@pytest.mark.parametrize("q", ["", "   ", "*", '"', "'", "()", "-- ;", "\0", "...", "\ud800"])
def test_free_text_without_a_word_is_no_condition(store: Any, q: str) -> None:
    stored(store, Sent(1, 1))
    assert names(store, q=q) == [1]


@pytest.mark.parametrize(
    "q", ['"refund', "refund*", "refund AND order", "NOT refund", "refund NEAR/2 x", "words:refund", "x & !y", "a'b\\"]
)
def test_free_text_is_never_a_query_language(store: Any, q: str) -> None:
    stored(store, llm(1, 1, text="refund and order a b"))
    assert set(names(store, q=q)) <= {1}


@pytest.mark.parametrize("text", ["\0", "a\0", "\ud800", "' OR 1=1 --", "x" * 100_000])
def test_what_no_column_holds_is_not_found(store: Any, text: str) -> None:
    stored(store, llm(1, 1, user="a", session="s"))
    assert names(store, project=text) == names(store, user_id=text) == names(store, session_id=text) == []
    assert store.stats(TraceQuery(user_id=text), 3).traces == store.stats(TraceQuery(project=text)).traces == 0
    assert store.usage(UsageQuery(project=text)) == []


@pytest.mark.parametrize("far", [2**63, 2**70, -(2**70)])
def test_the_end_of_time_is_no_fault(store: Any, far: int) -> None:
    stored(store, llm(1, 1))
    assert names(store, from_ns=far) == names(store, to_ns=-far) == ([] if far > 0 else [1])
    assert store.stats(TraceQuery(from_ns=far), 2).traces == (far < 0)
    assert len(store.usage(UsageQuery(to_ns=far))) == (far > 0)
    assert names(store, newer_than=(far, trace_id(1))) == ([] if far > 0 else [1])


def test_words_must_occur_in_one_chunk_of_the_trace(store: Any) -> None:
    stored(store, llm(1, 1, text="alpha"))
    stored(store, llm(1, 2, text="beta"))
    assert names(store, q="alpha") == names(store, q="beta") == [1]
    assert names(store, q="alpha beta") == []


@pytest.mark.parametrize("few", [1, 1000])
@pytest.mark.parametrize("word", WORDS)
def test_every_script_is_found_however_often(
    library: Stores, word: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    store, reference = library
    query = TraceQuery(q=word, limit=1000)
    assert store.list_traces(query).items == reference.list_traces(query).items
    assert store.stats(query, 7) == reference.stats(query, 7)
    assert store.list_traces(query).items


def test_a_range_has_its_start_and_not_its_end(store: Any) -> None:
    stored(store, *(llm(number, 1, at=number) for number in range(5)))
    low, high = T0 + SECOND, T0 + 3 * SECOND
    assert names(store, from_ns=low, to_ns=high) == [2, 1]
    assert store.stats(TraceQuery(from_ns=low, to_ns=high)).traces == 2
    # three buckets do not divide the range: the last one reaches beyond it, what it counts does not
    for end in (high, high + 1, high + 2):
        head = store.stats(TraceQuery(from_ns=low, to_ns=end), 3)
        inside = 2 + (end > high)
        assert (head.traces, sum(bucket.traces for bucket in head.buckets)) == (inside, inside)
    (row,) = store.usage(UsageQuery(from_ns=low, to_ns=high))
    assert (row.calls, row.traces) == (2, 2)


def test_the_head_of_nothing(store: Any) -> None:
    head = store.stats(TraceQuery(from_ns=0, to_ns=10, project="nowhere"), 2)
    assert (head.traces, head.errors, head.p50_ns, head.tokens, head.cost, head.unpriced_calls) == (
        0,
        0,
        None,
        None,
        None,
        0,
    )
    assert head.buckets == [StatsBucket(0, 5, 0, 0), StatsBucket(5, 10, 0, 0)]
    assert store.stats(TraceQuery(), 5).buckets == []


def test_sums_stop_where_64_bits_do(store: Any) -> None:
    stored(store, *(llm(number, 1, tokens=(2**62, 1)) for number in range(8)))
    assert store.stats(TraceQuery()).tokens == 2**63 - 1
