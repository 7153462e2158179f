"""Destinations, and the queue's items that are for them, on every engine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from store_data import Sent, batch, llm, send, span_id, trace_id

from collector.annotations import Annotation, Target
from collector.destinations import Destination, Masking
from collector.queue.api import SUMMARISE, Item
from collector.storage.forward_api import Follow, NameTaken, Settled, Tally

PHOENIX = Destination(
    "local",
    "phoenix",
    "http://127.0.0.1:6006",
    api_key="env:PHOENIX_API_KEY",
    headers={"x-team": "search"},
    projects=("p", "shop"),
    filter="kind == 'llm'",
    sample_rate=0.5,
    masking=Masking(("email",), ("colour",)),
    options={"verify": True},
)
BACKEND = Destination("backend", "otlp", "http://127.0.0.1:4318")
LATER = 2**62


def add(store: Any, destination: Destination, from_ns: int | None = None) -> Destination:
    added: Destination = store.add_destination(destination, from_ns=from_ns, now_ns=time.time_ns()).result(30)
    return added


def claim(store: Any, consumer: str, now_ns: int = LATER) -> list[Item]:
    items: list[Item] = store.queue.claim(consumer, "test", limit=100, lease_ns=10**9, now_ns=now_ns)
    return items


def test_a_destination_is_kept_as_it_was_said(store: Any) -> None:
    added = add(store, PHOENIX)
    assert added == replace(PHOENIX, id=added.id, created_ns=added.created_ns)
    add(store, BACKEND)
    assert [found.name for found in store.destinations()] == ["backend", "local"]
    assert store.destinations()[1] == added


def test_a_name_is_taken_once(store: Any) -> None:
    add(store, BACKEND)
    with pytest.raises(NameTaken):
        add(store, replace(PHOENIX, name="backend"))
    add(store, PHOENIX)
    with pytest.raises(NameTaken):
        store.change_destination("local", {"name": "backend"}, now_ns=1).result(30)


def test_fields_are_changed_by_name(store: Any) -> None:
    added = add(store, BACKEND)
    changes = {"state": "paused", "endpoint": "http://127.0.0.1:9", "sample_rate": 0.1}
    assert store.change_destination("backend", changes, now_ns=1).result(30) == replace(added, **changes)
    assert store.destinations() == [replace(added, **changes)]
    assert store.change_destination("nobody", changes, now_ns=1).result(30) is None


def test_every_batch_leaves_an_item_for_each_destination(store: Any) -> None:
    send(store, llm(1, 0))
    one, two = add(store, BACKEND), add(store, PHOENIX)
    send(store, llm(2, 0), llm(2, 1, 0))
    for destination in (one, two):
        (item,) = claim(store, destination.consumer)
        batch = store.spans_of_batches([item.batch_id])[item.batch_id]
        assert {(span.trace_id, span.span_id) for span in batch.spans} == {
            (trace_id(2), span_id(0)),
            (trace_id(2), span_id(1)),
        }
        assert store.originals_of([span.chunk for span in batch.spans])


def test_what_was_stored_before_is_queued_from_a_date_on(store: Any) -> None:
    send(store, llm(1, 0))

    middle = time.time_ns()
    send(store, llm(2, 0))
    every, since = add(store, BACKEND, 0), add(store, PHOENIX, middle)
    send(store, llm(3, 0))
    assert len(claim(store, every.consumer)) == 3
    assert len(claim(store, since.consumer)) == 2


def test_a_removed_destination_takes_its_items_along(store: Any) -> None:
    gone = add(store, BACKEND)
    send(store, llm(1, 0))
    assert store.remove_destination("backend").result(30)
    assert not store.remove_destination("backend").result(30)
    assert claim(store, gone.consumer) == []
    again = add(store, BACKEND)
    assert again.id != gone.id
    assert claim(store, again.consumer) == []


def test_settling_replaces_an_item_by_what_follows_and_counts(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0), llm(1, 1, 0))
    (item,) = claim(store, added.consumer)
    payload = {"spans": [f"{trace_id(1).hex()}:{span_id(1).hex()}"], "n": 1}
    follows = (
        Follow(added.verifier, None, due_ns=5),
        Follow(added.consumer, payload, due_ns=7),
        Follow(added.consumer, {**payload, "x": "é\0"}, due_ns=0, reason="it is \0broken"),
    )
    tally = Tally(sent=1, skipped=2, retried=3, annotated=0, rejected=4)
    done = store.settle(added.id, [Settled(item, follows)], tally, now_ns=9, error="said", peer="00000000000000bb")
    assert done == 1
    (status,) = store.destination_statuses(now_ns=time.time_ns())
    assert status.tally == tally
    assert (status.waiting, status.unverified, status.buried) == (1, 2, 1)
    assert (status.last_sent_ns, status.last_error, status.last_error_ns) == (9, "said", 9)
    assert status.destination.peer == "00000000000000bb"
    assert claim(store, added.consumer, now_ns=6) == []
    (verify,) = claim(store, added.verifier, now_ns=6)
    assert (verify.batch_id, verify.payload, verify.attempts) == (item.batch_id, None, 1)
    (rest,) = claim(store, added.consumer, now_ns=8)
    assert (rest.batch_id, rest.payload) == (item.batch_id, payload)
    (buried,) = store.queue.buried(added.consumer)
    assert "broken" in buried.reason


def test_an_item_that_is_no_longer_ours_settles_nothing(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0))
    (item,) = claim(store, added.consumer)
    stolen = replace(item, token="else")
    follow = Follow(added.consumer, None, due_ns=0)
    assert store.settle(added.id, [Settled(stolen, (follow,))], Tally(sent=1), now_ns=9) == 0
    (status,) = store.destination_statuses(now_ns=time.time_ns())
    assert (status.tally, status.waiting) == (Tally(), 1)


def test_the_oldest_item_says_how_far_behind_a_destination_is(store: Any) -> None:
    added = add(store, BACKEND)
    assert store.destination_statuses(now_ns=time.time_ns())[0].lag_ns == 0
    begin = time.time_ns()
    send(store, llm(1, 0))
    (item,) = claim(store, added.consumer)
    store.settle(added.id, [Settled(item, (Follow(added.verifier, None, due_ns=0),))], Tally(), now_ns=1)
    lag = store.destination_statuses(now_ns=begin + 10**10)[0].lag_ns
    assert 9 * 10**9 < lag <= 10**10


def test_replay_queues_what_does_not_wait_already(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0), llm(1, 1, 0))
    send(store, llm(2, 0))
    first, _ = claim(store, added.consumer)
    assert store.settle(added.id, [Settled(first)], Tally(sent=2), now_ns=1) == 1
    assert store.replay("backend", from_ns=0, to_ns=2**63 - 1, now_ns=time.time_ns()).result(30) == 3
    assert store.destination_statuses(now_ns=1)[0].waiting == 3
    assert store.replay("backend", from_ns=0, to_ns=1, now_ns=1).result(30) == 0
    assert store.replay("nobody", from_ns=0, to_ns=1, now_ns=1).result(30) == 0


def test_what_is_buried_is_revived_or_dropped(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0))
    (item,) = claim(store, added.consumer)
    follows = tuple(Follow(added.consumer, {"spans": [], "n": n}, due_ns=0, reason="no") for n in (1, 2, 3))
    store.settle(added.id, [Settled(item, follows)], Tally(), now_ns=1)
    first, second, _ = sorted(one.id for one in store.queue.buried(added.consumer))
    assert store.revive_buried("backend", item_id=first).result(30) == 1
    assert len(claim(store, added.consumer)) == 1
    assert store.drop_buried("backend", item_id=second).result(30) == 1
    assert store.drop_buried("backend").result(30) == 1
    assert store.queue.buried(added.consumer) == []
    assert store.revive_buried("nobody").result(30) == 0


def test_replay_revives_what_is_buried_of_its_time(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0))
    (item,) = claim(store, added.consumer)
    store.settle(added.id, [Settled(item, (Follow(added.consumer, None, 0, "no"),))], Tally(), now_ns=1)
    store.replay("backend", from_ns=0, to_ns=2**63 - 1, now_ns=time.time_ns()).result(30)
    assert store.queue.buried(added.consumer) == []
    assert len(claim(store, added.consumer)) == 1


def test_annotations_leave_items_for_destinations_that_take_them(store: Any) -> None:
    phoenix, backend = add(store, PHOENIX), add(store, BACKEND)
    about_span = Annotation("good", Target(trace_id(1), span_id(0)), score=1.0)
    about_trace = Annotation("good", Target(trace_id(1)), score=0.5)
    about_session = Annotation("good", Target(session_id="s"), score=0.1)
    kept = store.put_annotations([about_span, about_trace, about_session]).result(30)
    (item,) = claim(store, phoenix.consumer)
    assert item.payload == {"annotations": [one.id.hex() for one in kept], "n": 3}
    assert claim(store, backend.consumer) == []
    assert store.annotations_by_id([kept[1].id, b"?" * 16]) == [kept[1]]
    about = store.annotations_about([span_id(0)], [trace_id(1)], ["s"])
    assert {found for found, _ in about} == {one.id for one in kept}
    assert store.annotations_about([], [trace_id(1)], []) == [(kept[1].id, kept[1])]
    store.change_annotation(kept[0].id, {"score": 0.2}).result(30)
    (changed,) = claim(store, phoenix.consumer)
    assert changed.payload["annotations"] == [kept[0].id.hex()]


def test_the_way_that_spans_came_is_kept(store: Any) -> None:
    added = add(store, BACKEND)

    found = batch(Sent(1, 0))
    for chunk in found.chunks:
        chunk.via = "00000000000000cc"
    store.submit(found).result(30)
    (item,) = claim(store, added.consumer)
    kept = store.spans_of_batches([item.batch_id])[item.batch_id]
    assert kept.via == {kept.spans[0].chunk: "00000000000000cc"}


def test_the_collector_has_an_id(backend: Any) -> None:
    first = backend.open()
    assert len(bytes.fromhex(first.collector_id)) == 8
    backend.needs("durability")
    assert backend.open().collector_id == first.collector_id


def test_a_trace_is_found_by_a_span_id(store: Any) -> None:
    send(store, llm(1, 5))
    assert store.trace_of_span(span_id(5)) == trace_id(1)
    assert store.trace_of_span(span_id(6)) is None


def test_what_waits_for_a_consumer_is_counted_in_spans(store: Any) -> None:
    added = add(store, BACKEND)
    send(store, llm(1, 0), llm(1, 1, 0))
    send(store, llm(2, 0))
    first, second = claim(store, added.consumer)
    assert store.batch_sizes([first.batch_id, second.batch_id, 999]) == {first.batch_id: 2, second.batch_id: 1}
    assert (store.queued(added.consumer), store.queued(added.verifier)) == (3, 0)
    follows = (Follow(added.verifier, {"spans": ["a"], "n": 5}, 0), Follow(added.verifier, None, 0, reason="no"))
    store.settle(added.id, [Settled(first, follows)], Tally(), now_ns=1)
    assert (store.queued(added.consumer), store.queued(added.verifier)) == (1, 5)


def test_batches_that_are_still_to_be_summarised_are_known(store: Any) -> None:
    add(store, BACKEND)
    send(store, llm(1, 0))
    (item,) = store.queue.claim(SUMMARISE, "test", limit=9, lease_ns=1, now_ns=LATER)
    assert store.awaiting_summary([item.batch_id, 999]) == {item.batch_id}
    store.queue.ack([item])
    assert store.awaiting_summary([item.batch_id]) == set()
