"""The filter language over stored traces: every engine finds what the filter in memory says of each trace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_data import Sent, catch_up, llm, send, trace_id
from store_library import SESSIONS, USERS, WORDS

from collector.filters.nodes import needs_originals
from collector.filters.parse import parse
from collector.storage.api import TooBroad, TraceQuery
from collector.storage.sql import candidates

Stores = tuple[Any, Any]
law = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

TEXTS = ["", "ok", "error", "prod", "gold", "free", "x", "llm", "root", "late", "gpt-4o", "o", "50%", "É", "'", "\\"]
text = st.sampled_from([*TEXTS, *WORDS, *filter(None, USERS + SESSIONS)]).map(repr)
number = st.sampled_from([-1, 0, 1, 3, 15, 500, 2000.5, 0.001, 0.25, 0.2500001, 1e30]).map(repr)
order = st.sampled_from(["<", "<=", ">", ">="])
equality = st.sampled_from(["==", "!="])
TEXT_FIELDS = ["name", "status", "session_id", "user_id", "project", "trace_id", "input", "error.type"]
SPAN_TEXTS = ["kind", "request_model", "provider", "service", "error.message", "scope", "span_id"]
NUMBERS = ["duration_ms", "cost", "total_tokens", "time_to_first_token_ms"]
JSON = ["metadata.tier", "metadata['n']", "metadata['x']", "metadata['it\\'s']"]


def leaves(prefix: str, texts: list[str], numbers: list[str], objects: list[str]) -> st.SearchStrategy[str]:
    def of(names: list[str]) -> st.SearchStrategy[str]:
        return st.sampled_from([prefix + name for name in names])

    lists = st.lists(text, min_size=0, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    any_json = text | number | st.sampled_from(["true", "false", "None"])
    return st.one_of(
        st.tuples(of(texts), equality | order, text).map(" ".join),
        st.tuples(of(texts), equality, st.just("None")).map(" ".join),
        st.tuples(of(texts + objects), st.just("in"), lists).map(" ".join),
        st.tuples(text, st.sampled_from(["in", "not in"]), of([*texts, *objects, "tags"])).map(" ".join),
        st.tuples(of(texts + objects), st.sampled_from([".startswith(", ".endswith("]), text, st.just(")")).map(
            "".join
        ),
        st.tuples(of(numbers), equality | order, number).map(" ".join),
        st.tuples(number, order, of(numbers)).map(" ".join),
        st.tuples(of(objects), equality, any_json).map(" ".join),
        st.tuples(of(objects), order, text | number).map(" ".join),
        of(objects),
        st.tuples(text, st.just(f"in {prefix}annotations")).map(" ".join),
        st.tuples(st.just(f"{prefix}annotations['helpful'].score"), equality | order, number).map(" ".join),
        st.tuples(st.just(f"{prefix}annotations['tone'].label"), equality, text | st.just("None")).map(" ".join),
    )


def joined(leaf: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(lambda one: f"not ({one})"),
            st.lists(inner, min_size=2, max_size=3).map(lambda some: "(" + ") and (".join(some) + ")"),
            st.lists(inner, min_size=2, max_size=3).map(lambda some: "(" + ") or (".join(some) + ")"),
        ),
        max_leaves=most,
    )


span_leaf = leaves(
    "span.",
    [name for name in TEXT_FIELDS if name != "input"] + SPAN_TEXTS,
    [*NUMBERS, "input_tokens", "output_tokens"],
    JSON,
) | st.sampled_from(["span.counted", "not span.counted", "span.counted == true"])
original_leaf = leaves(
    "span.", ["input", "output"], NUMBERS, ["attributes['user.id']", "attributes['llm.token_count.prompt']"]
)
spans = st.tuples(st.sampled_from(["any", "all"]), joined(span_leaf, 3)).map(lambda pair: f"{pair[0]}({pair[1]})")
opened = st.tuples(st.sampled_from(["any", "all"]), joined(original_leaf | span_leaf, 3)).map(
    lambda pair: f"{pair[0]}({pair[1]})"
)
trace_leaf = leaves("", TEXT_FIELDS, [*NUMBERS, "span_count", "error_count", "llm_calls"], JSON)


def found(store: Any, expression: str) -> list[bytes]:
    return [item.trace_id for item in store.list_traces(query(expression)).items]


def query(expression: str) -> TraceQuery:
    return TraceQuery(filter=parse(expression, "trace"), limit=10_000)


@law
@given(expression=joined(trace_leaf | spans, 5))
def test_columns_answer_as_the_trace_in_memory_does(library: Stores, expression: str) -> None:
    store, reference = library
    assert not needs_originals(parse(expression, "trace"))
    assert found(store, expression) == found(reference, expression)


@settings(law, max_examples=30)
@given(expression=joined(trace_leaf | opened, 4))
def test_so_do_originals(library: Stores, expression: str) -> None:
    store, reference = library
    assert found(store, expression) == found(reference, expression)


@settings(law, max_examples=20)
@given(expression=joined(trace_leaf | opened, 3), limit=st.integers(1, 40))
def test_pages_and_totals_are_of_the_filtered_traces(library: Stores, expression: str, limit: int) -> None:
    store, reference = library
    whole = reference.list_traces(query(expression)).items
    asked, items = TraceQuery(filter=parse(expression, "trace"), limit=limit), []
    while True:
        page = store.list_traces(asked)
        items += page.items
        if page.next_cursor is None:
            break
        asked = TraceQuery(filter=asked.filter, limit=limit, cursor=page.next_cursor)
    assert items == whole
    assert store.stats(query(expression), 4) == reference.stats(query(expression), 4)


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("status == 'error' and cost > 0.01", [2]),
        ("'refund' in input and user_id == 'u1'", [1]),
        ("any(span.kind == 'llm' and span.status == 'error')", [2]),
        ("all(span.kind != 'llm')", [1]),
        ("any(span.attributes['llm.token_count.prompt'] >= 100)", [2]),
        ("metadata.tier in ('gold', 'silver') and 'prod' in tags", [1]),
        ("not cost > 0", [1]),
        ("total_tokens == None", [1]),
        ("1 < total_tokens < 1000", [2]),
    ],
)
def test_what_a_filter_finds(store: Any, expression: str, numbers: list[int]) -> None:
    owner = {"user.id": "u1", "metadata": '{"tier": "gold"}', "tag.tags": ["prod"], "input.value": "my refund"}
    send(store, Sent(1, 1, attributes=owner), Sent(2, 1), llm(2, 2, 1, tokens=(100, 50), cost=0.25, status="error"))
    catch_up(store)
    assert sorted(found(store, expression)) == [trace_id(number) for number in numbers]


def test_a_question_that_would_open_too_much_is_refused(sql_backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = sql_backend.open()
    send(store, *(Sent(number, 1, name="a" if number < 3 else "b") for number in range(6)))
    catch_up(store)
    monkeypatch.setattr(candidates, "MAX_CANDIDATES", 4)
    with pytest.raises(TooBroad, match="narrow the time"):
        found(store, "any(span.attributes['x'] == 1)")
    assert len(found(store, "name == 'a' and not any(span.attributes['x'] == 1)")) == 3
