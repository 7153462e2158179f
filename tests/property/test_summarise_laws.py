"""What holds for every trace, however broken its tree and whatever order its spans come in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from summarise_spans import chat, llm, named, price, span_id

from collector.model import CALL_KINDS, KINDS, Content, Cost, Span, Usage
from collector.summarise.counting import knows
from collector.summarise.summary import summarise

_tokens = st.one_of(st.none(), st.sampled_from([0, 3, 7, 10, 2**62]))
_usages = st.one_of(
    st.none(),
    st.builds(Usage, _tokens, _tokens, _tokens, cache_read_tokens=_tokens, estimated=st.booleans()),
)
_costs = st.one_of(st.none(), st.builds(price, _tokens, st.sampled_from(["computed", "reported"])))
_owners = st.sampled_from([None, None, "x", "y"])


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Up to a dozen spans whose parents may be missing, later, themselves, or in a circle."""
    count = draw(st.integers(1, 12))
    return [
        llm(
            number,
            draw(st.one_of(st.none(), st.integers(0, count))),
            kind=draw(st.sampled_from(["llm", "llm", "llm", *KINDS])),
            at=draw(st.integers(0, 4)),
            lasts=draw(st.integers(0, 4)),
            usage=draw(_usages),
            cost=draw(_costs),
            status=draw(st.sampled_from(["ok", "unset", "error"])),
            response_id=draw(st.sampled_from([None, None, "r", "s"])),
            session_id=draw(_owners),
            user_id=draw(_owners),
            time_to_first_token_ns=draw(st.sampled_from([None, 5])),
        )
        for number in range(count)
    ]


def content_of(span: Span) -> Content:
    """Some spans have messages: the same ones in every run."""
    return chat("why", "so") if span.span_id[-1] % 3 else Content()


@given(trace=traces(), data=st.data())
def test_the_order_of_the_spans_does_not_matter(trace: list[Span], data: Any) -> None:
    shuffled = data.draw(st.permutations(trace))
    assert summarise(shuffled, content_of) == summarise(trace, content_of)


@given(trace=traces())
def test_to_summarise_twice_changes_nothing(trace: list[Span]) -> None:
    first = summarise(trace, content_of)
    marked = [
        replace(span, counted=span.span_id not in first.uncounted, duplicate_of=first.uncounted.get(span.span_id))
        for span in trace
    ]
    assert summarise(marked, content_of) == first


@given(trace=traces())
def test_the_totals_are_the_sums_over_the_counted_calls(trace: list[Span]) -> None:
    update = summarise(trace, content_of)
    usage, cost = update.summary.usage or Usage(), update.summary.cost or Cost()
    for name in ("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens"):
        assert getattr(usage, name) == _sum(getattr(call.usage, name) for call in update.calls if call.usage)
    for name in ("total", "input", "output"):
        assert getattr(cost, name) == _sum(getattr(call.cost, name) for call in update.calls if call.cost)
    assert update.summary.llm_calls == sum(call.kind == "llm" for call in update.calls)
    unpriced = sum(call.cost is None or call.cost.total is None for call in update.calls)
    assert update.summary.unpriced_calls == unpriced


@given(trace=traces())
def test_every_call_is_counted_or_somebodys_sight(trace: list[Span]) -> None:
    update = summarise(trace, content_of)
    calls = {call.span_id for call in update.calls}
    by_name = {named(span.span_id[-1] - 1): span for span in trace}
    assert not calls & update.uncounted.keys()
    for span in trace:
        if span.kind in CALL_KINDS or knows(span.usage):
            assert span.span_id in calls | update.uncounted.keys()
    for leader in filter(None, update.uncounted.values()):
        assert by_name[leader].span_id in calls


@given(trace=traces())
def test_the_summary_holds_the_trace(trace: list[Span]) -> None:
    summary = summarise(trace, content_of).summary
    assert summary.start_ns == min(span.start_ns for span in trace)
    assert summary.end_ns == max(span.end_ns for span in trace)
    assert (summary.span_count, summary.error_count) == (len(trace), sum(span.status == "error" for span in trace))
    assert summary.root_span_id in {span.span_id for span in trace}
    roots = [span for span in trace if span.parent_span_id is None]
    if roots:
        assert summary.root_span_id in {span.span_id for span in roots}
    for name in ("session_id", "user_id"):
        assert (getattr(summary, name) is None) == all(getattr(span, name) is None for span in trace)


def _sum(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return min(sum(known), 2**63 - 1) if known else None


def test_ids_are_as_the_strategies_assume() -> None:
    assert span_id(3)[-1] == 4
