"""What a trace's summary says: root, extent, status, error, owners, sums, question and answer."""

from __future__ import annotations

import pytest
from summarise_spans import SECOND, T0, chat, llm, no_content, price, span, span_id, update_of

from collector.model import PREVIEW_CHARS, Content, Cost, ErrorInfo, Usage
from collector.summarise.summary import preview, summarise


def test_a_trace_is_its_roots_and_reaches_over_all_its_spans() -> None:
    summary = update_of(
        span(1, 0, at=-1, lasts=2), span(0, name="ask", project="shop", at=0, lasts=3), span(2, 0, at=2, lasts=9)
    ).summary
    assert (summary.name, summary.project, summary.root_span_id) == ("ask", "shop", span_id(0))
    assert (summary.start_ns, summary.end_ns) == (T0 - SECOND, T0 + 11 * SECOND)
    assert summary.span_count == 3


def test_of_several_roots_the_earliest_and_of_those_the_longest() -> None:
    assert update_of(span(0, at=1), span(1, at=0)).summary.root_span_id == span_id(1)
    assert update_of(span(0, lasts=1), span(1, lasts=2)).summary.root_span_id == span_id(1)


def test_a_span_without_parent_is_root_before_one_whose_parent_is_missing() -> None:
    assert update_of(span(0, 99, at=0), span(1, at=5)).summary.root_span_id == span_id(1)
    assert update_of(span(0, 99, at=3), span(1, 98, at=1), span(2, 0, at=0)).summary.root_span_id == span_id(1)


def test_a_late_root_repairs_the_summary() -> None:
    early = [llm(1, 0, at=1), span(2, 0, at=2, session_id="leaf", kind="tool")]
    before = update_of(*early).summary
    after = update_of(*early, span(0, name="root", at=0, lasts=9, session_id="s", user_id="u")).summary
    assert (before.name, before.session_id) == ("span 1", "leaf")
    assert (after.name, after.session_id, after.user_id) == ("root", "s", "u")
    assert after.span_count == 3


@pytest.mark.parametrize(
    ("root", "child", "trace"),
    [
        ("ok", "ok", "ok"),
        ("ok", "error", "ok"),
        ("error", "ok", "error"),
        ("unset", "error", "error"),
        ("unset", "ok", "unset"),
        ("unset", "unset", "unset"),
    ],
)
def test_the_roots_status_decides_where_it_has_one(root: str, child: str, trace: str) -> None:
    summary = update_of(span(0, status=root), span(1, 0, status=child)).summary
    assert summary.status == trace
    assert summary.error_count == [root, child].count("error")


def test_the_error_is_the_roots_or_where_it_came_from() -> None:
    deep, wide = ErrorInfo("Deep", "here"), ErrorInfo("Other", "later")
    failing = [
        span(1, 0, status="error", error=ErrorInfo("Step")),
        span(2, 1, status="error", error=deep, at=1),
        span(3, 0, status="error", error=wide, at=2),
    ]
    own = ErrorInfo("Root", "all of it")
    assert update_of(span(0, status="error", error=own, lasts=9), *failing).summary.error == own
    assert update_of(span(0, status="error", lasts=9), *failing).summary.error == deep
    assert update_of(span(0, lasts=9), *failing).summary.error == deep
    assert update_of(span(0, status="ok", lasts=9), *failing).summary.error is None


def test_owners_come_from_the_root_else_from_the_first_span_that_has_them() -> None:
    children = [
        span(1, 0, at=2, session_id="late", tags=["b"], metadata={"k": 2}),
        span(2, 0, at=1, session_id="early", user_id="u", tags=["a"]),
    ]
    found = update_of(span(0, lasts=9, tags=[], metadata=None), *children).summary
    assert (found.session_id, found.user_id, found.tags, found.metadata) == ("early", "u", ["a"], {"k": 2})
    owned = update_of(span(0, lasts=9, session_id="root", tags=["r"], metadata={"k": 1}), *children).summary
    assert (owned.session_id, owned.user_id, owned.tags, owned.metadata) == ("root", "u", ["r"], {"k": 1})


def test_a_call_belongs_to_the_nearest_ancestor_that_has_an_owner() -> None:
    update = update_of(
        span(0, lasts=9, user_id="trace"),
        span(1, 0, kind="agent", user_id="agent", session_id="s"),
        span(2, 1, kind="task"),
        llm(3, 2, at=1),
        llm(4, 2, at=2, user_id="own"),
        llm(5, 0, at=3),
    )
    assert [call.user_id for call in update.calls] == ["agent", "own", "trace"]
    assert [call.session_id for call in update.calls] == ["s", "s", "s"]


def test_a_call_has_the_traces_project_and_what_is_known_of_its_model() -> None:
    update = update_of(
        span(0, project="front", lasts=9),
        llm(1, 0, at=1, project="back", request_model="gpt-4o", response_model="gpt-4o-2024-08-06", provider="openai"),
        llm(2, 0, at=2, project="back", request_model="gpt-4o"),
    )
    assert [(call.project, call.model, call.provider) for call in update.calls] == [
        ("front", "gpt-4o-2024-08-06", "openai"),
        ("front", "gpt-4o", None),
    ]


def test_unknown_is_not_nothing() -> None:
    assert update_of(span(0)).summary.usage is None
    assert update_of(span(0)).summary.cost is None
    unknown = update_of(llm(0, None, None)).summary
    assert (unknown.usage, unknown.cost, unknown.unpriced_calls) == (None, Cost("unpriced"), 1)
    partly = update_of(llm(0, None, (10, None)), llm(1, None, (1, 2), at=2)).summary
    assert partly.usage == Usage(11, 2, 3)


def test_costs_add_up_and_say_how_they_are_known() -> None:
    def cost_of(*costs: Cost | None) -> tuple[Cost | None, int]:
        summary = update_of(*(llm(number, at=2 * number, cost=cost) for number, cost in enumerate(costs))).summary
        return summary.cost, summary.unpriced_calls

    assert cost_of(price(4), price(6)) == (price(10), 0)
    assert cost_of(price(4, "reported"), price(6, "reported")) == (price(10, "reported"), 0)
    assert cost_of(price(4, "reported"), price(6)) == (price(10), 0)
    assert cost_of(price(4), price(None), None) == (price(4), 2)
    assert cost_of(price(None)) == (Cost("unpriced"), 1)
    assert cost_of(price(0)) == (price(0), 0)
    both = Cost("computed", 5, 2, 3, "p", reported_total=7)
    assert cost_of(both, price(1)) == (Cost("computed", 6, 2, 4, reported_total=7), 0)


def test_the_first_token_is_the_roots_or_the_first_of_any_call() -> None:
    calls = [
        llm(1, 0, at=1, time_to_first_token_ns=3 * SECOND),
        llm(2, 0, at=2, time_to_first_token_ns=SECOND),
        llm(3, 0, at=0.5),
    ]
    assert update_of(span(0, lasts=9), *calls).summary.time_to_first_token_ns == 3 * SECOND
    own = span(0, lasts=9, time_to_first_token_ns=7)
    assert update_of(own, *calls).summary.time_to_first_token_ns == 7
    assert update_of(span(0)).summary.time_to_first_token_ns is None


def test_question_and_answer_come_from_the_content() -> None:
    summary = update_of(span(0, kind="agent"), contents={0: chat("why?", "because")}).summary
    assert (summary.input, summary.output) == ("why?", "because")
    values = update_of(span(0), contents={0: Content(input={"a": 1}, output=[1, None])}).summary
    assert (values.input, values.output) == ({"a": 1}, [1, None])


@pytest.mark.parametrize("short", ["text", {"a": [1, 2.5, None, True]}, [], 7, None, "ü" * PREVIEW_CHARS])
def test_a_preview_keeps_what_is_short(short: object) -> None:
    assert preview(short) == short


def test_a_preview_cuts_what_is_long_and_holds_only_what_json_can() -> None:
    assert preview("x" * 10_000) == "x" * PREVIEW_CHARS
    cut = preview({"texts": ["word " * 100] * 100})
    assert cut.startswith('{"texts":["word word')
    assert len(cut) == PREVIEW_CHARS
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    for odd in ({"big": 2**80}, {1: "x"}, {"bytes": b"\xff"}, deep, {"lone": "\ud800"}):
        found = preview(odd)
        assert isinstance(found, str)
        assert len(found) <= PREVIEW_CHARS


def test_parents_in_a_circle_are_cut_at_the_earliest() -> None:
    circle = update_of(span(0, 2, at=3), span(1, 0, at=1), span(2, 1, at=2), llm(3, 2, at=4, kind="llm")).summary
    assert (circle.root_span_id, circle.span_count) == (span_id(1), 4)
    alone = update_of(span(0, 0)).summary
    assert alone.root_span_id == span_id(0)
    beside = update_of(span(0, at=5), span(1, 2, at=1), span(2, 1, at=2, user_id="u")).summary
    assert (beside.root_span_id, beside.user_id) == (span_id(0), "u")


@pytest.mark.parametrize("kind", ["llm", "chain", "task"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_of_thousands_of_spans_is_no_trouble(kind: str, backwards: bool) -> None:
    count = 6_000
    spans = [
        llm(number, number - 1 if number else None, kind=kind, at=-number if backwards else number, lasts=0.5)
        for number in range(count)
    ]
    update = summarise(spans, no_content)
    assert update.summary.span_count == count
    assert len(update.calls) == 1
    assert len(update.uncounted) == count - 1


def test_thousands_of_calls_beneath_one_are_no_trouble() -> None:
    spans = [llm(0, None, None, lasts=1e6), *(llm(n, 0, at=n, response_id=f"r{n // 2}") for n in range(1, 6_001))]
    assert len(summarise(spans, no_content).calls) == 6_000
