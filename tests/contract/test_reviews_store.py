"""Traces handed out for review, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from store_data import llm, stored, trace_id

from collector.annotations import Annotation, Target
from collector.filters.parse import parse
from collector.storage.api import TraceQuery
from collector.storage.reviews_api import RESERVED_NS, SKIPPED_NS, Review, ReviewQuery

NOW = 10**18


def fill(store: Any, count: int = 3) -> None:
    stored(store, *(llm(number, 0, at=float(number)) for number in range(1, count + 1)))


def ask(store: Any, reviewer: str, now: int = NOW, *, name: str = "ok", each: bool = False, **traces: Any) -> Review:
    found: Review = store.next_review(ReviewQuery(name, reviewer, TraceQuery(**traces), each), now_ns=now)
    return found


def said(store: Any, number: int, reviewer: str, **more: Any) -> None:
    fields = {"name": "ok", "score": True, **more}
    store.put_annotations([Annotation(target=Target(trace_id(number)), identifier=reviewer, **fields)]).result(30)


def test_the_oldest_is_reserved_and_extended_by_asking_again(store: Any) -> None:
    fill(store)
    assert ask(store, "ada") == Review(trace_id(1), NOW + RESERVED_NS, 3)
    assert ask(store, "bob") == Review(trace_id(2), NOW + RESERVED_NS, 2)
    assert ask(store, "ada", NOW + 5).reserved_until_ns == NOW + 5 + RESERVED_NS
    assert ask(store, "cy", NOW + RESERVED_NS).trace_id == trace_id(2)
    assert ask(store, "bob", NOW + RESERVED_NS).trace_id == trace_id(3)
    assert ask(store, "cy", name="other").trace_id == trace_id(1)


def test_what_a_person_annotated_is_not_handed_out(store: Any) -> None:
    fill(store)
    ask(store, "ada")
    said(store, 1, "ada")
    said(store, 2, "judge", annotator_kind="llm")
    said(store, 3, "ada", name="other")
    assert ask(store, "ada") == Review(trace_id(2), NOW + RESERVED_NS, 2)
    assert ask(store, "bob").trace_id == trace_id(3)
    assert ask(store, "cy") == Review()


def test_each_reviewer_may_be_asked(store: Any) -> None:
    fill(store, 1)
    assert ask(store, "ada", each=True).trace_id == trace_id(1)
    assert ask(store, "bob", each=True) == Review()
    said(store, 1, "ada")
    assert ask(store, "ada", each=True) == Review()
    assert ask(store, "bob", each=True).trace_id == trace_id(1)
    said(store, 1, "bob")
    assert ask(store, "bob", each=True) == Review()


def test_a_skipped_trace_goes_to_others_and_comes_back_after_a_day(store: Any) -> None:
    fill(store, 1)
    ask(store, "ada")
    assert store.skip_review(trace_id(1), "ok", "ada", now_ns=NOW)
    assert not store.skip_review(trace_id(9), "ok", "ada", now_ns=NOW)
    assert ask(store, "ada", NOW + SKIPPED_NS - 1) == Review()
    assert ask(store, "bob", NOW + 1).trace_id == trace_id(1)
    assert ask(store, "ada", NOW + SKIPPED_NS).trace_id == trace_id(1)


def test_only_matching_traces_are_handed_out(store: Any) -> None:
    stored(store, llm(1, 0), llm(2, 0, at=1.0, project="shop"), llm(3, 0, at=2.0, project="shop", text="refund"))
    assert ask(store, "ada", project="shop").trace_id == trace_id(2)
    assert ask(store, "bob", filter=parse("'refund' in input", "trace")) == Review(trace_id(3), NOW + RESERVED_NS, 1)
    assert ask(store, "cy", project="nowhere") == Review()
    assert ask(store, "cy", to_ns=1) == Review()


def test_two_reviewers_never_get_the_same_trace(store: Any) -> None:
    fill(store, 12)
    names = [f"reviewer {number}" for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda name: ask(store, name), names))
    handed = [one.trace_id for one in found if one.trace_id]
    assert sorted(handed) == [trace_id(number) for number in range(1, 13)]
    assert sum(one == Review() for one in found) == 4
