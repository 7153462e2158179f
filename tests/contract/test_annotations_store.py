"""Annotations: stored once for a target, name and identifier, before or after what they are about."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from backends import Backend
from store_data import Sent, send, span_id, stored, trace_id

from collector.annotations import Annotation, Target
from collector.storage.annotations_api import AnnotationQuery
from collector.storage.api import BadCursor, Refused

TRACE, SPAN = trace_id(1), span_id(7)
FULL = Annotation(
    name="helpful",
    target=Target(TRACE, SPAN, "s1", 2),
    annotator_kind="llm",
    identifier="judge-1",
    score=0.25,
    label="poor",
    value={"stars": 1},
    correction={"answer": "42"},
    explanation="\u201cno\u201d \U0001f600",
    metadata={"model": "gpt-4o", "deep": [1, {"a": None}]},
    source={"protocol": "x"},
    created_ns=1_000,
)


def put(store: Any, *annotations: Annotation) -> list[Annotation]:
    kept: list[Annotation] = store.put_annotations(annotations).result(30)
    return kept


def named(name: str, target: Target | None = None, **fields: Any) -> Annotation:
    return Annotation(name, target or Target(TRACE), **fields)


def names(store: Any, **conditions: Any) -> list[str]:
    return [item.name for item in store.list_annotations(AnnotationQuery(**conditions)).items]


def test_everything_comes_back(store: Any) -> None:
    (stored,) = put(store, FULL)
    assert stored.id is not None and stored.updated_ns is not None
    assert replace(stored, id=None, updated_ns=None) == FULL
    assert store.get_annotation(stored.id) == stored
    assert store.annotations_of_trace(TRACE) == [stored]
    assert store.list_annotations(AnnotationQuery()).items == [stored]


@pytest.mark.parametrize("score", [True, False, 1.0, 0.0, -3.5, None])
def test_a_flag_stays_a_flag_and_a_number_a_number(store: Any, score: Any) -> None:
    (stored,) = put(store, named("n", score=score, label="x"))
    found = store.get_annotation(stored.id)
    assert found.score == score and type(found.score) is type(score)


def test_the_same_target_name_and_identifier_is_one_annotation(store: Any) -> None:
    (first,) = put(store, named("n", score=1.0, explanation="why", created_ns=5))
    (second,) = put(store, named("n", label="good", created_ns=9))
    assert (second.id, second.created_ns) == (first.id, 5)
    assert second.updated_ns >= first.updated_ns
    (found,) = store.annotations_of_trace(TRACE)
    assert (found.label, found.score, found.explanation) == ("good", None, None)


@pytest.mark.parametrize(
    "other",
    [
        named("m"),
        named("n", identifier="b"),
        named("n", Target(TRACE, SPAN)),
        named("n", Target(TRACE, None, "s")),
        named("n", Target(TRACE, SPAN, None, 0)),
        named("n", Target(None, SPAN)),
        named("n", Target(None, None, "s")),
    ],
)
def test_what_differs_in_any_of_them_is_another(store: Any, other: Annotation) -> None:
    first, second = put(store, named("n"), other)
    assert first.id != second.id
    assert len(store.list_annotations(AnnotationQuery()).items) == 2


def test_an_id_that_the_sender_chose_is_kept_and_is_one_annotation(store: Any) -> None:
    chosen = uuid.uuid4().bytes
    (first,) = put(store, named("n", identifier="a", id=chosen, score=1.0, created_ns=5))
    (moved,) = put(store, named("n", Target(TRACE, SPAN), identifier="a", id=chosen, score=0.0))
    assert (first.id, moved.id, moved.created_ns) == (chosen, chosen, 5)
    assert store.list_annotations(AnnotationQuery()).items == [moved]


def test_twice_in_one_request_stores_the_last(store: Any) -> None:
    put(store, named("n", score=1.0), named("n", score=2.0))
    assert [item.score for item in store.annotations_of_trace(TRACE)] == [2.0]


def test_it_may_come_before_its_trace_and_without_knowing_it(store: Any) -> None:
    put(store, named("early", Target(TRACE, SPAN)), named("by span alone", Target(None, SPAN)))
    assert names(store, trace_id=TRACE) == ["early"]
    send(store, Sent(1, 7))
    assert sorted(names(store, trace_id=TRACE)) == ["by span alone", "early"]
    assert {item.name for item in store.annotations_of_trace(TRACE)} == {"by span alone", "early"}


def test_those_of_a_projects_traces(store: Any) -> None:
    stored(store, Sent(1, 7, project="shop"), Sent(2, 7, project="office"))
    put(store, named("a"), named("b", Target(trace_id(2))), named("c", Target(None, SPAN)))
    assert names(store, project="shop") == ["a"]
    assert names(store, project="office", names=("a",)) == []


def test_conditions_hold_together(store: Any) -> None:
    put(
        store,
        named("a", Target(TRACE), created_ns=1),
        named("b", Target(TRACE, SPAN), annotator_kind="llm", created_ns=2),
        named("a", Target(trace_id(2), SPAN), annotator_kind="code", created_ns=3),
        named("c", Target(None, None, "s1"), created_ns=4),
        named("d", Target(TRACE, span_id(8)), created_ns=5),
    )
    assert names(store) == ["d", "c", "a", "b", "a"]
    assert names(store, newest_first=False) == ["a", "b", "a", "c", "d"]
    assert names(store, trace_id=TRACE) == ["d", "b", "a"]
    assert names(store, span_id=SPAN) == ["a", "b"]
    assert names(store, trace_id=TRACE, span_id=SPAN) == ["b"]
    assert names(store, session_id="s1") == ["c"]
    assert names(store, session_id="s\0") == []
    assert names(store, names=("a", "c")) == ["c", "a", "a"]
    assert names(store, kinds=("llm", "code")) == ["a", "b"]
    assert names(store, spans=(SPAN,)) == ["a", "b"]
    assert names(store, spans=(span_id(8),), whole_traces=(TRACE,)) == ["d", "a"]
    assert names(store, whole_traces=(TRACE, trace_id(2))) == ["a"]
    assert names(store, limit=2, offset=1) == ["c", "a"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_neither_double_nor_skip_while_more_arrive(store: Any, newest_first: bool) -> None:
    put(store, *(named(f"n{number}", created_ns=number // 3) for number in range(20)))
    seen: list[str] = []
    cursor = None
    while True:
        query = AnnotationQuery(names=(), newest_first=newest_first, limit=3, cursor=cursor)
        page = store.list_annotations(query)
        seen += [item.name for item in page.items]
        put(store, named(f"late{len(seen)}", created_ns=100 if newest_first else -1))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"n{number}" for number in range(20))


def test_a_cursor_belongs_to_its_query(store: Any) -> None:
    put(store, named("a"), named("b"))
    page = store.list_annotations(AnnotationQuery(limit=1))
    with pytest.raises(BadCursor):
        store.list_annotations(AnnotationQuery(limit=1, names=("a",), cursor=page.next_cursor))
    with pytest.raises(BadCursor):
        store.list_annotations(AnnotationQuery(cursor="nonsense"))


def test_a_change_touches_what_it_names(store: Any) -> None:
    (stored,) = put(store, FULL)
    changed = store.change_annotation(stored.id, {"score": True, "explanation": None}).result(30)
    assert changed == replace(stored, score=True, explanation=None, updated_ns=changed.updated_ns)
    assert store.get_annotation(stored.id) == changed
    assert store.change_annotation(uuid.uuid4().bytes, {"score": 1.0}).result(30) is None


def test_what_is_deleted_is_gone(store: Any) -> None:
    (stored,) = put(store, FULL)
    assert store.delete_annotation(stored.id).result(30) is True
    assert store.delete_annotation(stored.id).result(30) is False
    assert store.get_annotation(stored.id) is None and store.annotations_of_trace(TRACE) == []


def test_what_was_acknowledged_is_there_after_a_restart(backend: Backend) -> None:
    backend.needs("durability")
    first = backend.open()
    (stored,) = put(first, FULL)
    first.close()
    assert backend.open().get_annotation(stored.id) == stored


def test_what_no_column_takes_is_refused_and_nothing_of_it_stored(backend: Backend) -> None:
    backend.needs("transactions")
    store = backend.open()
    with pytest.raises(Refused):
        put(store, named("fine"), named("n", Target(TRACE, None, None, 2**70)))
    assert store.list_annotations(AnnotationQuery()).items == []


def test_two_collectors_that_store_the_same_one_store_it_once(backend: Backend) -> None:
    backend.needs("processes")
    stores = [backend.open() for _ in range(2)]
    chosen = uuid.uuid4().bytes
    waiting = [
        store.put_annotations([named("n", id=chosen, score=float(number))]) for number in range(10) for store in stores
    ]
    assert {future.result(30)[0].id for future in waiting} == {chosen}
    assert len(stores[0].list_annotations(AnnotationQuery()).items) == 1
