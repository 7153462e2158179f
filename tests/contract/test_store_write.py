"""What a write promises: acknowledged means stored, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from backends import Backend
from store_data import Sent, batch, llm, send, span_id, trace_id

from collector.codec.otlp import spans_of
from collector.model import SpanBatch
from collector.processors.sanitize import bound_facts, sanitize
from collector.storage.api import Overloaded, Refused, Unavailable, WriteResult
from collector.storage.sql import writer
from collector.storage.sql.writer import Limits


def ids(store: Any, *traces: int) -> set[tuple[int, bytes]]:
    return {(trace, span.span_id) for trace in traces for span in store.get_spans(trace_id(trace), originals=False)}


def test_a_stored_span_is_read_back_with_its_facts_and_its_original(store: Any) -> None:
    sent = llm(
        1, 2, 7, name="chat", user="ada", session="s1", tokens=(11, 4), cost=0.25, status="error", message="no luck",
        at=1.5, lasts=0.5,
        attributes={"tag.tags": ["a", "b"], "metadata": '{"tier": "gold", "n": 3}', "anything": [1, 2]},
    )  # fmt: skip
    expected = batch(sent).spans[0]
    assert send(store, sent) == WriteResult(1, 0)

    (found,) = store.get_spans(trace_id(1))
    for name in expected.__slots__:
        if name not in ("chunk", "position"):
            assert getattr(found, name) == getattr(expected, name), name
    assert found.attributes["anything"] == [1, 2]
    assert (found.user_id, found.usage.total_tokens, found.cost.total) == ("ada", 15, 250_000_000_000)
    assert store.get_span(trace_id(1), span_id(2)) == found


def test_facts_alone_come_without_the_original(store: Any) -> None:
    send(store, llm(1, 1, user="ada"))
    (found,) = store.get_spans(trace_id(1), originals=False)
    assert (found.user_id, found.attributes, found.resource) == ("ada", {}, {})


def test_spans_come_in_order_of_start_then_id(store: Any) -> None:
    send(store, Sent(1, 3, at=2), Sent(1, 2, at=1), Sent(2, 9), Sent(1, 1, at=2))
    assert [span.span_id for span in store.get_spans(trace_id(1))] == [span_id(2), span_id(1), span_id(3)]


def test_what_is_not_there_is_none(store: Any) -> None:
    assert store.get_trace(trace_id(1)) is None
    assert store.get_spans(trace_id(1)) == []
    send(store, Sent(1, 1))
    assert store.get_span(trace_id(1), span_id(2)) is None


def test_sending_twice_stores_once(store: Any) -> None:
    spans = [Sent(trace, number) for trace in range(3) for number in range(4)]
    assert send(store, *spans) == WriteResult(12, 0)
    assert send(store, *spans) == WriteResult(0, 12)
    assert send(store, *spans[:6], Sent(9, 9)) == WriteResult(1, 6)
    assert len(ids(store, 0, 1, 2, 9)) == 13


def test_a_span_twice_in_one_batch_is_stored_once(store: Any) -> None:
    assert send(store, Sent(1, 1), Sent(1, 1), Sent(1, 2)) == WriteResult(2, 1)
    assert [span.span_id for span in store.get_spans(trace_id(1))] == [span_id(1), span_id(2)]


def test_the_first_one_stays(store: Any) -> None:
    send(store, Sent(1, 1, name="first", attributes={"n": 1}))
    send(store, Sent(1, 1, name="second", attributes={"n": 2}), Sent(1, 2))
    found = store.get_span(trace_id(1), span_id(1))
    assert (found.name, found.attributes["n"]) == ("first", 1)


def test_an_original_that_no_span_points_to_is_not_kept(store: Any) -> None:
    send(store, Sent(1, 1), Sent(2, 1))
    send(store, Sent(1, 1), Sent(3, 1))
    kept = {number for batch_id in (1, 2) for number, _ in store.originals_of_batch(batch_id)}
    assert len(kept) == 3
    assert store.traces_of_batches([2]) == {trace_id(3): 1}


def test_a_batch_of_nothing_new_queues_no_work(store: Any) -> None:
    send(store, Sent(1, 1))
    send(store, Sent(1, 1))
    assert store.queue.stats("summarise", now_ns=0).ready == 1
    assert store.queue.stats("index", now_ns=0).ready == 1


def test_an_empty_batch_is_stored_at_once(store: Any) -> None:
    assert store.submit(SpanBatch()).result(30) == WriteResult(0, 0)


def test_fifty_threads_share_commits_and_lose_nothing(store: Any) -> None:
    start = threading.Barrier(50)

    def sender(number: int) -> None:
        start.wait()
        for part in range(4):
            assert send(store, Sent(number, part), Sent(1000, number * 4 + part)) == WriteResult(2, 0)

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(sender, range(50)))
    assert len(ids(store, *range(50), 1000)) == 400
    assert store.pending_spans() == 0


def test_the_same_spans_from_many_threads_are_stored_once(store: Any) -> None:
    spans = [Sent(trace, number) for trace in range(10) for number in range(10)]
    start = threading.Barrier(8)

    def sender(shift: int) -> WriteResult:
        start.wait()
        result: WriteResult = send(store, *spans[shift * 10 :], *spans[: shift * 10])
        return result

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(sender, range(8)))
    assert sum(result.stored for result in results) == 100
    assert sum(result.duplicates for result in results) == 700
    for trace in range(10):
        assert [span.attributes for span in store.get_spans(trace_id(trace))] == [{}] * 10


def test_subscribers_are_told_after_each_commit(store: Any) -> None:
    told = threading.Event()
    store.subscribe(told.set)
    send(store, Sent(1, 1))
    assert told.wait(10)


HOSTILE = [
    "\0",
    "a\0b",
    "\ud800",
    "\ud83d\ude00",
    "\U0001f600",
    "\u202eevil",
    "\ufffe",
    "'; DROP TABLE spans; --",
    "%s :x ?",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_odd_text_is_stored_and_harms_nothing(store: Any, text: str) -> None:
    send(store, Sent(1, 1, name="before"))
    decoded = batch(llm(2, 1, user="u", model="m"))
    for name in ("name", "user_id", "session_id", "scope", "request_model"):
        setattr(decoded.spans[0], name, text)
    bound_facts(sanitize(decoded).spans[0])
    assert store.submit(decoded).result(30).stored == 1
    assert store.get_span(trace_id(2), span_id(1)).user_id == decoded.spans[0].user_id
    assert store.get_span(trace_id(1), span_id(1)).name == "before"


def test_huge_values_are_stored(store: Any) -> None:
    huge = "x" * 3_000_000
    send(store, llm(1, 1, text=huge, tokens=(2**62, 1), at=0, lasts=4000 * 86400))
    found = store.get_span(trace_id(1), span_id(1))
    assert found.attributes["input.value"] == huge
    assert found.usage.input_tokens == 2**62


def test_a_batch_that_no_column_takes_fails_alone(backend: Backend) -> None:
    backend.needs("transactions")
    store = backend.open()
    release = threading.Event()
    for _ in range(store.database.writers):
        store.database.write(lambda _: release.wait(30))
    good = [store.submit(batch(Sent(number, 1), Sent(number, 2))) for number in range(20)]
    bad = batch(Sent(100, 1), Sent(100, 2))
    bad.spans[1].start_ns = 2**70
    refused = store.submit(bad)
    good += [store.submit(batch(Sent(number, 1))) for number in range(20, 30)]
    release.set()

    with pytest.raises(Refused):
        refused.result(30)
    assert sum(future.result(30).stored for future in good) == 50
    assert store.get_spans(trace_id(100)) == []
    assert store.pending_spans() == 0


def test_when_too_much_waits_the_sender_is_told_to_come_again(backend: Backend) -> None:
    backend.needs("waiting")
    store = backend.open(limits=Limits(spans=10))
    release = threading.Event()
    for _ in range(store.database.writers):
        store.database.write(lambda _: release.wait(30))
    waiting = [store.submit(batch(*(Sent(number, span) for span in range(5)))) for number in range(2)]
    assert store.pending_spans() == 10
    with pytest.raises(Overloaded) as refusal:
        store.submit(batch(Sent(9, 9)))
    assert refusal.value.retry_after_s > 0
    release.set()
    assert [future.result(30).stored for future in waiting] == [5, 5]
    assert send(store, Sent(9, 9)).stored == 1
    assert store.get_spans(trace_id(9), originals=False)[0].span_id == span_id(9)


def test_one_batch_over_the_limit_is_taken_when_nothing_waits(backend: Backend) -> None:
    backend.needs("waiting")
    store = backend.open(limits=Limits(spans=3))
    assert send(store, *(Sent(1, number) for number in range(8))).stored == 8


def test_closing_commits_what_was_submitted(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.needs("durability")
    monkeypatch.setattr(writer, "GROUP_SPANS", 4)  # many transactions
    store = backend.open()
    release = threading.Event()
    for _ in range(store.database.writers):
        store.database.write(lambda _: release.wait(30))
    futures = [store.submit(batch(Sent(number, 1), Sent(number, 2))) for number in range(30)]
    closing = threading.Thread(target=store.close)
    closing.start()
    release.set()
    assert [future.result(30) for future in futures] == [WriteResult(2, 0)] * 30
    closing.join(30)
    with pytest.raises(Unavailable):
        store.submit(batch(Sent(1, 9)))
    store.close()
    assert len(ids(backend.open(), *range(30))) == 60


def test_reopening_keeps_everything(backend: Backend) -> None:
    backend.needs("durability")
    store = backend.open()
    send(store, llm(1, 1, user="ada"), Sent(2, 1, project="other"))
    store.close()
    again = backend.open()
    assert again.get_span(trace_id(1), span_id(1)).user_id == "ada"
    assert send(again, llm(1, 1), Sent(3, 1, project="other"), Sent(4, 1, project="third")) == WriteResult(2, 1)
    assert {span.project for trace in (2, 3) for span in again.get_spans(trace_id(trace))} == {"other"}


def test_two_collectors_share_one_database(backend: Backend) -> None:
    backend.needs("processes")
    first, second = backend.open(), backend.open()
    spans = [Sent(trace, number, project=f"p{trace}") for trace in range(20) for number in range(5)]
    start = threading.Barrier(2)

    def sender(store: Any, order: int) -> int:
        start.wait()
        return sum(send(store, *spans[at : at + 10]).stored for at in list(range(0, 100, 10))[::order])

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(sender, (first, second), (1, -1)))
    assert sum(counts) == 100
    assert len(ids(first, *range(20))) == len(ids(second, *range(20))) == 100
    assert {found.name for found in first.projects()} == {f"p{number}" for number in range(20)}


def test_every_original_of_a_batch_is_given_to_the_index(store: Any) -> None:
    send(store, Sent(1, 1, name="one"), Sent(1, 2, name="two"), Sent(2, 1, name="three"))
    found = dict(store.originals_of_batch(1))
    assert store.originals_of(list(found)) == found
    assert sorted(span.name for data in found.values() for span in spans_of(data)) == ["one", "three", "two"]
