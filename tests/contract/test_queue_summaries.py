"""Storing summaries: in one transaction with their items, and never a lesser one over a fuller one."""

from __future__ import annotations

import random
import threading
from typing import Any

from backends import Backend
from sqlalchemy import text
from store_data import Sent, llm, send, span_id, trace_id

from collector.model import Content, SummaryUpdate
from collector.queue.api import SUMMARISE, Item
from collector.storage.api import UsageQuery
from collector.summarise.summary import summarise

NOW = 2**62


def claim(store: Any, limit: int = 100) -> list[Item]:
    items: list[Item] = store.queue.claim(SUMMARISE, "test", limit=limit, lease_ns=10**9, now_ns=NOW)
    return items


def updates_of(store: Any, *numbers: int) -> list[SummaryUpdate]:
    spans = store.spans_of_traces([trace_id(number) for number in numbers])
    return [summarise(found, lambda _: Content()) for found in spans.values()]


def counted(store: Any, number: int = 1) -> list[bool]:
    return [span.counted for span in store.get_spans(trace_id(number), originals=False)]


def tokens(store: Any) -> list[tuple[int, int | None]]:
    return [(row.calls, row.usage.total_tokens) for row in store.usage(UsageQuery())]


def test_reading_for_consumers(store: Any) -> None:
    send(store, llm(1, 1), llm(2, 1))
    send(store, llm(1, 2), Sent(3, 1, status="error", message="KeyError: x", attributes={"tag.tags": ["t"]}))
    assert store.traces_of_batches([1]) == {trace_id(1): 2, trace_id(2): 1}
    assert store.traces_of_batches([1, 2]) == {trace_id(1): 2, trace_id(2): 1, trace_id(3): 1}
    assert store.traces_of_batches([77]) == {}
    found = store.spans_of_traces([trace_id(3), trace_id(1), trace_id(9)])
    assert {number: len(spans) for number, spans in found.items()} == {trace_id(3): 1, trace_id(1): 2}
    for number, spans in found.items():
        known = {span.span_id: span for span in store.get_spans(number, originals=False)}
        for span in spans:
            assert span.chunk in store.originals_of([span.chunk])
            span.chunk = 0
            assert span == known[span.span_id]
    assert store.originals_of([]) == {}


def test_nothing_is_stored_when_the_claims_are_gone(store: Any) -> None:
    send(store, llm(1, 1))
    items, updates = claim(store), updates_of(store, 1)
    store.queue.release(items)
    assert store.complete_summaries(items, updates) == 0
    assert store.usage(UsageQuery()) == []
    (again,) = claim(store)
    assert store.complete_summaries([items[0], again], updates) == 1
    assert store.complete_summaries([again], updates) == 0
    assert tokens(store) == [(1, 15)]


def test_a_part_of_a_larger_work_is_stored_without_items(store: Any) -> None:
    send(store, llm(1, 1))
    assert store.complete_summaries([], updates_of(store, 1)) == 0
    assert tokens(store) == [(1, 15)]
    assert store.queue.stats(SUMMARISE, now_ns=NOW).ready == 1


def test_a_lesser_summary_does_not_replace_a_fuller_one(store: Any) -> None:
    send(store, llm(1, 1))
    early = updates_of(store, 1)
    send(store, llm(1, 2, at=2), llm(1, 3, at=4))
    slow, quick = claim(store, 1), claim(store, 1)
    assert store.complete_summaries(quick, updates_of(store, 1)) == 1
    assert store.complete_summaries(slow, early) == 1
    found = store.get_trace(trace_id(1))
    assert (found.span_count, found.usage.total_tokens, found.stale) == (3, 45, False)
    assert tokens(store) == [(3, 45)]


def test_marks_of_a_lesser_summary_do_not_survive_a_fuller_one(store: Any) -> None:
    bare = Sent(1, 1, 0, at=1, attributes={"openinference.span.kind": "LLM"})
    send(store, llm(1, 0, at=0, lasts=9), bare)
    early = updates_of(store, 1)
    assert list(early[0].uncounted) == [span_id(1)]
    send(store, llm(1, 2, 0, at=2, tokens=(7, 7)))
    late = updates_of(store, 1)  # read before the early one is stored
    assert late[0].uncounted == {}
    store.complete_summaries([], early)
    assert counted(store) == [True, False, True]
    store.complete_summaries([], late)
    assert counted(store) == [True, True, True]
    assert tokens(store) == [(3, 29)]


def test_calls_that_are_none_any_more_are_gone(store: Any) -> None:
    send(store, llm(1, 1, 0, at=1), llm(1, 2, 0, at=2))
    store.complete_summaries(claim(store), updates_of(store, 1))
    (update,) = updates_of(store, 1)
    fewer = SummaryUpdate(update.summary, update.calls[:1], {update.calls[1].span_id: None})
    store.complete_summaries([], [fewer])
    assert tokens(store) == [(1, 15)]
    assert counted(store) == [True, False]
    store.complete_summaries([], [update])
    assert tokens(store) == [(2, 30)]
    assert counted(store) == [True, True]


def test_many_traces_at_once(store: Any) -> None:
    send(store, *(llm(number, span, None, at=span) for number in range(75) for span in (1, 2)))
    store.complete_summaries(claim(store), updates_of(store, *range(75)))
    assert tokens(store) == [(150, 2250)]
    send(store, *(llm(number, 3, None, at=3) for number in range(75)))
    store.complete_summaries(claim(store), updates_of(store, *range(75)))
    assert tokens(store) == [(225, 3375)]


def test_a_summary_of_spans_that_were_deleted_is_replaced(sql_backend: Backend) -> None:
    store = sql_backend.open()
    send(store, llm(1, 1), llm(1, 2, at=2), llm(1, 3, at=4))
    store.complete_summaries(claim(store), updates_of(store, 1))
    store.database.write(
        lambda connection: connection.execute(text("DELETE FROM spans WHERE span_id = :id"), {"id": span_id(3)})
    ).result()
    store.complete_summaries([], updates_of(store, 1))
    found = store.get_trace(trace_id(1))
    assert (found.span_count, found.stale) == (2, False)
    assert tokens(store) == [(2, 30)]


def test_workers_of_several_collectors_on_the_same_traces(sql_backend: Backend) -> None:
    """Each reads, dawdles and stores, over and over, while the traces grow; in the end everything is told."""
    stores = [sql_backend.open() for _ in range(2)]
    traces = range(4)
    grown = threading.Event()

    def work(store: Any, seed: int) -> None:
        pick = random.Random(seed)
        while True:
            last = grown.is_set()
            held = updates_of(store, *pick.sample(traces, k=len(traces)))
            if pick.random() < 0.5:
                updates_of(store, 1)
            store.complete_summaries(claim(store, 2), held)
            if last and not store.queue.stats(SUMMARISE, now_ns=NOW).ready:
                return

    threads = [threading.Thread(target=work, args=(store, seed)) for seed, store in enumerate([*stores, *stores])]
    for thread in threads:
        thread.start()
    for part in range(10):
        send(stores[part % 2], *(llm(number, 2 * part, at=part) for number in traces))
        send(stores[part % 2], *(llm(number, 2 * part + 1, 2 * part, at=part, lasts=0.5) for number in traces))
    grown.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    store = stores[0]
    for number in traces:
        (expected,) = updates_of(store, number)
        found = store.get_trace(trace_id(number))
        assert (found.span_count, found.stale, found.usage) == (20, False, expected.summary.usage)
        spans = store.get_spans(trace_id(number), originals=False)
        assert {span.span_id: span.duplicate_of for span in spans if not span.counted} == expected.uncounted
    assert tokens(store) == [(40, 600)]
