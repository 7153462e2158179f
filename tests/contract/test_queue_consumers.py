"""Summariser and indexer over every engine: what they make of batches, and that no crash loses or doubles it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from store_data import Sent, batch, catch_up, llm, send, span_id, trace_id

from collector.queue import consumers
from collector.queue.api import INDEX, SUMMARISE, Item
from collector.queue.consumers import Index, Summarise, build_workers
from collector.queue.worker import Settings, Worker
from collector.storage.api import TraceQuery, UsageQuery

LATER = 60 * 10**9


class Killed(BaseException):
    """The process dies here."""


class Clock:
    """Far ahead of the wall clock, by which stores date their items."""

    now = 2**62

    def __call__(self) -> int:
        return self.now


class Steps:
    """Counts what a worker asks of store and queue, and kills it before or after one of these calls."""

    def __init__(self, fatal: int = -1, *, after: bool = False) -> None:
        self.fatal = fatal
        self.after = after
        self.calls: list[str] = []

    def watch(self, target: Any) -> Any:
        return _Watched(target, self)

    def take(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        fatal = len(self.calls) == self.fatal
        if fatal and not self.after:
            raise Killed
        result = call()
        if fatal:
            raise Killed
        return result


class _Watched:
    def __init__(self, target: Any, steps: Steps) -> None:
        self._target = target
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return lambda *args, **kwargs: self._steps.take(name, lambda: method(*args, **kwargs))


def worker_of(store: Any, consumer: str, clock: Clock, steps: Steps | None = None) -> Worker:
    watch = (steps or Steps()).watch
    queue = watch(store.queue)
    handler = (Summarise if consumer == SUMMARISE else Index)(watch(store), queue, clock=clock)
    return Worker(queue, consumer, handler, name="w", settings=Settings(limit=64), clock=clock)


def run(store: Any, clock: Clock | None = None) -> None:
    """Until nothing is left to do."""
    for consumer in (SUMMARISE, INDEX):
        worker = worker_of(store, consumer, clock or Clock())
        while worker.run_once():
            pass


def conversation(number: int, project: str = "p") -> list[Sent]:
    attributes = {"openinference.span.kind": "AGENT", "input.value": f"question{number}", "output.value": "answer"}
    return [
        Sent(number, 0, name="agent", at=0, lasts=5, project=project, attributes=attributes),
        llm(number, 1, 0, at=1, project=project, user="ada", cost=0.25),
        llm(number, 2, 0, at=2, project=project, cost=0.5, tokens=(20, 10)),
    ]


def spoil(sent: Any, number: int) -> Any:
    """The batch with the original of one trace damaged."""
    for chunk in sent.chunks:
        if chunk.trace_id == trace_id(number):
            chunk.data = b"no zstd frame"
    return sent


def test_a_batch_becomes_summaries_and_can_be_found(store: Any) -> None:
    send(store, *conversation(1), *conversation(2))
    assert store.list_traces(TraceQuery()).items == []
    run(store)
    page = store.list_traces(TraceQuery(q="question2"))
    (found,) = page.items
    assert (found.trace_id, found.input, found.output, found.stale) == (trace_id(2), "question2", "answer", False)
    assert (found.usage.total_tokens, found.cost.total, found.llm_calls) == (45, 750_000_000_000, 2)
    (usage,) = store.usage(UsageQuery(project="p"))
    assert (usage.traces, usage.calls, usage.usage.total_tokens) == (2, 4, 90)


def test_workers_are_woken_by_commits(store: Any) -> None:
    workers = build_workers(store, name="test")
    workers.start()
    try:
        for number in range(3):
            send(store, *conversation(number))
            until = time.monotonic() + 30
            while not store.list_traces(TraceQuery(q=f"question{number}")).items:
                assert time.monotonic() < until
                time.sleep(0.01)
    finally:
        workers.stop()
    assert [worker.counters.outages for worker in workers.each] == [0, 0]


def test_a_trace_that_grew_in_many_batches_is_read_once(store: Any) -> None:
    for part in range(20):
        send(store, *(llm(1, 3 * part + n, None if part == n == 0 else 0, at=part) for n in range(3)))
    steps = Steps()
    worker_of(store, SUMMARISE, Clock(), steps).run_once()
    assert steps.calls.count("spans_of_traces") == 1
    assert store.queue.stats(SUMMARISE, now_ns=0).ready == 0
    assert store.get_trace(trace_id(1)).span_count == 60


def test_late_spans_and_a_late_root_repair_the_summary(store: Any) -> None:
    agent, first, second = conversation(1)
    send(store, second)
    run(store)
    assert store.get_trace(trace_id(1)).name == "op"
    send(store, first)
    assert store.get_trace(trace_id(1)).stale
    run(store)
    send(store, agent)
    run(store)
    found = store.get_trace(trace_id(1))
    assert (found.name, found.span_count, found.stale, found.llm_calls) == ("agent", 3, False, 2)


def test_what_is_counted_is_written_to_the_spans_and_repaired(store: Any) -> None:
    send(store, llm(1, 1, 0, at=1))
    run(store)
    send(store, llm(1, 0, at=0, lasts=9, tokens=(10, 5)))
    run(store)
    outer, inner = store.get_spans(trace_id(1), originals=False)
    assert (outer.counted, outer.duplicate_of, inner.counted) == (
        False,
        f"{trace_id(1).hex()}:{inner.span_id.hex()}",
        True,
    )
    assert store.usage(UsageQuery())[0].calls == 1
    send(store, llm(1, 2, 0, at=2, tokens=(100, 1)))  # now the outer one is neither of two different calls
    run(store)
    assert [span.counted for span in store.get_spans(trace_id(1), originals=False)] == [False, True, True]
    send(store, llm(1, 3, 1, at=1, tokens=(10, 5)))
    run(store)
    counted = {span.span_id: span.counted for span in store.get_spans(trace_id(1), originals=False)}
    assert counted == {span_id(0): False, span_id(1): False, span_id(2): True, span_id(3): True}
    assert store.usage(UsageQuery())[0].usage.total_tokens == 116


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("consumer", [SUMMARISE, INDEX])
def test_a_crash_between_any_two_steps_neither_loses_nor_doubles(
    store: Any, consumer: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SLICE_SPANS", 3)  # so that a round has several writes
    clock = Clock()
    for fatal in range(1, 100):
        project = f"p{fatal}"
        send(store, *conversation(fatal, project))
        send(store, *conversation(1000 + fatal, project), Sent(fatal, 9, 0, name="late", project=project))
        steps = Steps(fatal, after=after)
        try:
            while worker_of(store, consumer, clock, steps).run_once():
                pass
        except Killed:
            clock.now += LATER
        run(store, clock)
        assert all(store.queue.stats(name, now_ns=0).lag_ns == 0 for name in (SUMMARISE, INDEX))
        (usage,) = store.usage(UsageQuery(project=project))
        assert (usage.traces, usage.calls, usage.usage.total_tokens) == (2, 4, 90)
        assert [trace.stale for trace in store.list_traces(TraceQuery(project=project, q="question")).items] == [
            False
        ] * 2
        if len(steps.calls) < fatal:
            break
    assert fatal > 5
    assert store.queue.buried() == []


def test_one_damaged_trace_is_set_aside_and_the_others_are_completed(store: Any) -> None:
    store.submit(spoil(batch(*conversation(1), *conversation(2)), 1)).result(30)
    send(store, *conversation(3))
    run(store)
    assert {trace.trace_id: trace.input for trace in store.list_traces(TraceQuery()).items} == {
        trace_id(1): None,  # its facts are in columns, what it said is not
        trace_id(2): "question2",
        trace_id(3): "question3",
    }
    assert store.usage(UsageQuery())[0].calls == 6
    assert len(store.list_traces(TraceQuery(q="answer")).items) == 2
    (lost_trace,) = store.queue.buried(SUMMARISE)
    (lost_chunk,) = store.queue.buried(INDEX)
    assert lost_trace.payload == {"trace_id": trace_id(1).hex()}
    assert list(lost_chunk.payload) == ["original_id"]
    assert "Zstd" in lost_trace.reason
    assert "Zstd" in lost_chunk.reason


def test_what_was_set_aside_is_set_aside_once_and_can_be_revived(store: Any) -> None:
    for span in range(3):
        store.submit(spoil(batch(Sent(1, span, name="bad")), 1)).result(30)
        run(store)
    assert len(store.queue.buried(SUMMARISE)) == 1
    assert len(store.queue.buried(INDEX)) == 3
    assert store.queue.revive() == 4
    run(store)
    assert len(store.queue.buried()) == 4
    store.queue.revive()
    for consumer in (SUMMARISE, INDEX):
        store.queue.ack(store.queue.claim(consumer, "test", limit=9, lease_ns=1, now_ns=2**62))
    item = Item(0, SUMMARISE, 1, 1, "")
    store.queue.set_aside(item, {"trace_id": trace_id(2).hex()}, reason="mended since", now_ns=0)
    send(store, *conversation(2))
    store.queue.revive()
    run(store)
    assert store.queue.buried(SUMMARISE) == []
    assert store.get_trace(trace_id(2)).input == "question2"


def test_an_item_that_makes_no_sense_is_buried(store: Any) -> None:
    for payload in ({}, {"trace_id": "xyz"}, {"trace_id": 7}, {"original_id": "1"}):
        for consumer in (SUMMARISE, INDEX):
            store.queue.put(consumer, 1, now_ns=0, payload=payload)
    store.queue.put(SUMMARISE, 99, now_ns=0)  # a batch of which nothing is left
    store.queue.put(INDEX, 99, now_ns=0)
    run(store)
    assert len(store.queue.buried(SUMMARISE)) == len(store.queue.buried(INDEX)) == 4


def test_a_trace_too_large_for_memory_is_set_aside(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MAX_SPANS", 5)
    send(store, *(Sent(1, number) for number in range(6)), *conversation(2))
    run(store)
    assert [trace.trace_id for trace in store.list_traces(TraceQuery()).items] == [trace_id(2)]
    (buried,) = store.queue.buried()
    assert buried.reason == "the trace has 6 spans, more than 5 are not summarised"


def test_the_workers_leave_what_a_reference_leaves(store: Any) -> None:
    """As ``catch_up`` of the contract suite, which takes the shortest way."""
    send(store, *conversation(1))
    run(store)
    ours = store.get_trace(trace_id(1))
    send(store, *conversation(2))
    catch_up(store)
    theirs = store.get_trace(trace_id(2))
    assert (ours.usage, ours.cost, ours.output) == (theirs.usage, theirs.cost, theirs.output)
