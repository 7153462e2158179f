"""What a page shows, from its address and back."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.filters import GROUPINGS, RANGES, SORTS, STATUSES, Filters, parse

HOUR = 3_600 * 10**9
NOW = 1_773_324_333 * 10**9


def test_nothing_asked_for() -> None:
    filters = parse({})
    assert filters == Filters()
    assert filters.query_string() == ""
    assert filters.bounds(NOW) == (NOW - 24 * HOUR, None)
    assert not filters.narrowed


def test_trace_query() -> None:
    filters = parse(
        {"project": " shop ", "range": "1h", "status": "error", "q": "kettle", "user_id": "ada", "sort": "cost"}
    )
    query = filters.trace_query(NOW, limit=7, cursor="c")
    assert (query.project, query.status, query.q, query.user_id) == ("shop", "error", "kettle", "ada")
    assert (query.from_ns, query.to_ns) == (NOW - HOUR, None)
    assert (query.sort, query.descending, query.limit, query.cursor) == ("cost", True, 7, "c")


def test_moments_win_over_the_range() -> None:
    filters = parse({"range": "1h", "from": "2026-03-12T14:00:00.250Z", "to": "2026-03-12T15:00:00+01:00"})
    assert filters.bounds(NOW) == (1_773_324_000_250_000_000, 1_773_324_000 * 10**9)
    assert filters.query_string() == "?from=2026-03-12T14%3A00%3A00.25Z&to=2026-03-12T14%3A00%3A00Z"
    assert filters.query_string(from_ns=None, to_ns=None) == "?range=1h"


@pytest.mark.parametrize("name", ["range", "from", "to", "status", "sort", "order", "live", "by"])
def test_what_makes_no_sense_is_left_out(name: str) -> None:
    assert parse({name: "<nonsense>"}) == Filters()


def test_hostile_values_are_bounded() -> None:
    assert parse({"q": "a\0b", "project": "  "}) == Filters(q="ab")
    assert len(parse({"q": "x" * 10**6}).q or "") == 1_000


texts = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40))


@given(
    st.builds(
        Filters,
        project=texts.map(lambda t: (t or "").strip() or None),
        range=st.sampled_from(sorted(RANGES)),
        status=st.sampled_from([None, *STATUSES]),
        q=texts.map(lambda t: (t or "").strip() or None),
        user_id=texts.map(lambda t: (t or "").strip() or None),
        session_id=texts.map(lambda t: (t or "").strip() or None),
        sort=st.sampled_from(SORTS),
        descending=st.booleans(),
        live=st.booleans(),
        by=st.sampled_from(GROUPINGS),
    )
)
def test_an_address_means_what_it_was_made_from(filters: Filters) -> None:
    assert parse(dict(parse_qsl(filters.query_string().removeprefix("?")))) == filters
