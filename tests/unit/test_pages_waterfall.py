"""Spans as the rows of a tree with a waterfall."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from collector.model import Cost, Span, Usage
from dashboards import waterfall
from dashboards.waterfall import DUPLICATE, ERROR, ERROR_BELOW, INFRASTRUCTURE, ORPHAN, PARTS


def span(number: int, parent: int | None, start: int, end: int, **facts: object) -> Span:
    parent_id = None if parent is None else parent.to_bytes(8, "big")
    made = Span(b"t" * 16, number.to_bytes(8, "big"), parent_id, f"s{number}", start, end)
    return dataclasses.replace(made, **facts)


def numbers(built: waterfall.Waterfall) -> list[int]:
    return [int.from_bytes(row.span.span_id, "big") for row in built.rows]


def test_rows_are_depth_first_and_children_by_start() -> None:
    built = waterfall.build([span(3, 1, 50, 60), span(1, None, 0, 100), span(4, 2, 15, 20), span(2, 1, 10, 40)])
    assert numbers(built) == [1, 2, 4, 3]
    assert [row.depth for row in built.rows] == [0, 1, 2, 1]
    assert [row.size for row in built.rows] == [4, 2, 1, 1]
    assert (built.start_ns, built.end_ns) == (0, 100)


def test_no_spans() -> None:
    assert waterfall.build([]).rows == []
    assert waterfall.as_columns(waterfall.build([]))["ids"] == []


def test_a_span_without_its_parent_is_a_root() -> None:
    built = waterfall.build([span(2, 99, 0, 5), span(3, 2, 1, 2)])
    assert numbers(built) == [2, 3]
    assert built.rows[0].flags & ORPHAN
    assert not built.rows[1].flags & ORPHAN


def test_errors_are_seen_from_the_root_down() -> None:
    spans = [span(1, None, 0, 9), span(2, 1, 0, 5), span(3, 2, 0, 5, status="error"), span(4, 1, 6, 7)]
    flags = {row.span.span_id[-1]: row.flags for row in waterfall.build(spans).rows}
    assert flags == {1: ERROR_BELOW, 2: ERROR_BELOW, 3: ERROR, 4: 0}


def test_infrastructure_is_only_what_has_nothing_else_beneath() -> None:
    httpx = "opentelemetry.instrumentation.httpx"
    spans = [
        span(1, None, 0, 9, scope="opentelemetry.instrumentation.fastapi"),  # a server with a model call beneath
        span(2, 1, 0, 5, kind="llm"),
        span(3, 2, 0, 5, scope=httpx),
        span(4, 3, 0, 1, scope=httpx),
        span(5, 1, 6, 7, scope=httpx, status="error"),
        span(6, 1, 8, 9, kind="llm", scope="opentelemetry.instrumentation.openai_v2"),
    ]
    folded = [row.span.span_id[-1] for row in waterfall.build(spans).rows if row.flags & INFRASTRUCTURE]
    assert folded == [3, 4]


def test_sums_count_every_call_once() -> None:
    def call(number: int, parent: int, tokens: int, cost: int | None, counted: bool = True) -> Span:
        price = Cost("computed", cost) if cost is not None else Cost()
        usage = Usage(total_tokens=tokens)
        return span(number, parent, 0, 1, kind="llm", usage=usage, cost=price, counted=counted)

    spans = [
        span(1, None, 0, 9, kind="agent", usage=Usage(total_tokens=35), counted=False),
        call(2, 1, 20, 300),
        call(3, 2, 20, 300, counted=False),
        call(4, 1, 15, None),
    ]
    root, second, third, fourth = waterfall.build(spans).rows
    assert (root.tokens, root.cost, root.calls, root.unpriced) == (35, 300, 2, 1)
    assert (second.tokens, second.cost) == (20, 300)
    assert (third.tokens, third.flags & DUPLICATE) == (None, DUPLICATE)
    assert (fourth.cost, fourth.unpriced) == (None, 1)
    columns = waterfall.as_columns(waterfall.build(spans))
    assert columns["cost"] == ["≥ $0.00000000030", "$0.00000000030", "", "unpriced"]
    assert columns["tokens"] == ["35", "20", "", "15"]


def test_critical_path_is_what_the_end_waited_for() -> None:
    spans = [span(1, None, 0, 100), span(2, 1, 10, 60), span(3, 1, 20, 90), span(4, 3, 30, 80)]
    built = waterfall.build(spans)
    stretches = sorted((s, e, numbers(built)[row]) for row, s, e in built.critical)
    assert stretches == [(0, 20, 1), (20, 30, 3), (30, 80, 4), (80, 90, 3), (90, 100, 1)]


def test_columns_place_bars_and_first_tokens_on_one_axis() -> None:
    spans = [span(1, None, 1_000, 2_000), span(2, 1, 1_250, 1_750, kind="llm", time_to_first_token_ns=100)]
    columns = waterfall.as_columns(waterfall.build(spans))
    assert columns["left"] == [0, PARTS // 4]
    assert columns["width"] == [PARTS, PARTS // 2]
    assert columns["first"] == [-1, PARTS // 10]
    assert [columns["names"][n] for n in columns["name"]] == ["s1", "s2"]
    assert [columns["kinds"][n] for n in columns["kind"]] == ["task", "llm"]


def test_ticks_are_round_and_few() -> None:
    assert waterfall.ticks(1) == [0]
    assert waterfall.ticks(1_240) == [0, 500, 1_000]
    assert waterfall.ticks(600 * 10**9) == [n * 120 * 10**9 for n in range(5)]
    assert len(waterfall.ticks(10**18)) <= 5


parents = st.lists(st.one_of(st.none(), st.integers(0, 24)), min_size=1, max_size=24)


@given(parents, st.randoms(use_true_random=False))
def test_every_span_has_one_row_whatever_the_parents_say(found: list[int | None], dice: object) -> None:
    spans = []
    for number, parent in enumerate(found):
        start = dice.randint(0, 1_000)  # type: ignore[attr-defined]
        spans.append(span(number, parent, start, start + dice.randint(0, 500)))  # type: ignore[attr-defined]
    built = waterfall.build(spans)
    rows = built.rows
    assert sorted(numbers(built)) == list(range(len(found)))
    assert rows[0].depth == 0
    for index, row in enumerate(rows):
        assert 1 <= row.size <= len(rows) - index
        inside = rows[index + 1 : index + row.size]
        assert all(other.depth > row.depth for other in inside)
        after = index + row.size
        assert after == len(rows) or rows[after].depth <= row.depth
        if row.depth:
            above = next(other for other in reversed(rows[:index]) if other.depth == row.depth - 1)
            assert above.span.span_id == row.span.parent_span_id
    for index, start, end in built.critical:
        assert rows[index].span.start_ns <= start < end <= rows[index].span.end_ns


def test_a_chain_of_thousands_does_not_recurse() -> None:
    spans = [span(n, n - 1 if n else None, n, 10_000 - n) for n in range(5_000)]
    built = waterfall.build(spans)
    assert [row.depth for row in built.rows] == list(range(5_000))
    assert built.rows[0].size == 5_000
