"""What a queue promises to those who claim from it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from backends import Backend

from collector.queue.api import Item
from collector.queue.memory import MemoryQueue
from collector.storage.sql.queue import SqlQueue

LEASE = 30
NOW = 1_000


@pytest.fixture
def queue(backend: Backend) -> Any:
    return open_queue(backend)


def open_queue(backend: Backend) -> Any:
    return MemoryQueue() if backend.url is None else SqlQueue(backend.database())


def put(queue: Any, *batches: int, consumer: str = "a", now: int = 0) -> list[int]:
    return [queue.put(consumer, batch, now_ns=now) for batch in batches]


def claim(queue: Any, limit: int = 100, *, consumer: str = "a", now: int = NOW, lease: int = LEASE) -> list[Item]:
    items: list[Item] = queue.claim(consumer, "worker", limit=limit, lease_ns=lease, now_ns=now)
    return items


def batches(items: list[Item]) -> list[int]:
    return [item.batch_id for item in items]


def test_items_are_claimed_oldest_first_up_to_the_limit(queue: Any) -> None:
    put(queue, 7, 8, now=20)
    put(queue, 9, now=10)
    first = claim(queue, 2)
    assert batches(first) == [9, 7]
    assert [item.attempts for item in first] == [1, 1]
    assert batches(claim(queue)) == [8]
    assert claim(queue) == []


def test_a_consumer_gets_its_own_items_only(queue: Any) -> None:
    put(queue, 1, consumer="a")
    put(queue, 2, consumer="b")
    assert [(item.consumer, item.batch_id) for item in claim(queue, consumer="b")] == [("b", 2)]
    assert claim(queue, consumer="c") == []


def test_an_item_is_not_claimed_before_it_is_due(queue: Any) -> None:
    put(queue, 1, now=NOW + 1)
    assert claim(queue, now=NOW) == []
    assert batches(claim(queue, now=NOW + 1)) == [1]


def test_a_payload_comes_as_it_went(queue: Any) -> None:
    payload = {"trace_id": "ab", "n": 1, "deep": {"list": [None, True, "ü"]}}
    queue.put("a", 5, now_ns=0, payload=payload)
    put(queue, 6)
    assert [item.payload for item in claim(queue)] == [payload, None]


def test_what_is_acknowledged_is_gone(queue: Any) -> None:
    put(queue, 1, 2, 3)
    done, kept = claim(queue, 2), claim(queue)
    assert queue.ack(done) == 2
    assert queue.ack(done) == 0
    assert queue.stats("a", now_ns=NOW).claimed == len(kept)
    assert queue.rescue(now_ns=NOW + 10 * LEASE) == 1
    assert batches(claim(queue)) == [3]


def test_no_two_workers_get_the_same_item(queue: Any) -> None:
    put(queue, *range(40))
    found: list[int] = []
    start = threading.Barrier(5)

    def work(name: str) -> None:
        start.wait()
        while items := queue.claim("a", name, limit=3, lease_ns=LEASE, now_ns=NOW):
            found.extend(batches(items))
            assert queue.ack(items) == len(items)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(found) == Counter(range(40))


def test_an_item_whose_lease_has_run_out_is_rescued(queue: Any) -> None:
    put(queue, 1)
    (lost,) = claim(queue)
    assert queue.rescue(now_ns=NOW + LEASE - 1) == 0
    assert claim(queue) == []
    assert queue.rescue(now_ns=NOW + LEASE) == 1
    (again,) = claim(queue)
    assert (again.id, again.attempts) == (lost.id, 2)
    assert again.token != lost.token


def test_a_heartbeat_keeps_the_lease(queue: Any) -> None:
    put(queue, 1, 2)
    first, second = claim(queue)
    assert queue.extend([first], lease_ns=LEASE, now_ns=NOW + 20) == [first]
    assert queue.rescue(now_ns=NOW + LEASE) == 1
    assert queue.extend([first, second], lease_ns=LEASE, now_ns=NOW + LEASE) == [first]


def test_an_outdated_claim_changes_nothing(queue: Any) -> None:
    put(queue, 1)
    (stale,) = claim(queue)
    queue.rescue(now_ns=NOW + LEASE)
    for holder in ("nobody", "another"):
        current = claim(queue, now=NOW + LEASE) if holder == "another" else []
        assert queue.ack([stale]) == 0
        assert queue.extend([stale], lease_ns=10**9, now_ns=NOW) == []
        assert not queue.retry(stale, at_ns=0, error="late")
        assert not queue.bury(stale, reason="late")
        assert queue.release([stale]) == 0
        stats = queue.stats("a", now_ns=NOW)
        assert (stats.ready, stats.claimed, stats.buried) == ((0, 1, 0) if current else (1, 0, 0))
    assert queue.ack(current) == 1


def test_items_of_several_claims_are_judged_each_by_its_own(queue: Any) -> None:
    put(queue, 1)
    (stale,) = claim(queue)
    queue.rescue(now_ns=NOW + LEASE)
    put(queue, 2)
    current = claim(queue, now=NOW + LEASE)  # the same item again, and another, under one new token
    other = next(item for item in current if item.batch_id == 2)
    assert queue.ack([stale, other]) == 1
    assert queue.stats("a", now_ns=NOW).claimed == 1


def test_a_retry_waits_for_its_time_and_counts(queue: Any) -> None:
    put(queue, 1)
    (item,) = claim(queue)
    assert queue.retry(item, at_ns=NOW + 50, error="no route")
    assert claim(queue, now=NOW + 49) == []
    (again,) = claim(queue, now=NOW + 50)
    assert again.attempts == 2


def test_a_buried_item_stays_visible_until_it_is_revived(queue: Any) -> None:
    put(queue, 1, 2)
    put(queue, 3, consumer="b")
    first, second = claim(queue)
    (third,) = claim(queue, consumer="b")
    assert queue.bury(first, reason="bad span")
    assert queue.bury(second, reason="worse")
    assert queue.bury(third, reason="other")
    assert claim(queue, now=10 * NOW) == []
    assert queue.rescue(now_ns=10**12) == 0
    shown = queue.buried("a")
    assert [(found.id, found.batch_id, found.attempts, found.reason) for found in shown] == [
        (second.id, 2, 1, "worse"),
        (first.id, 1, 1, "bad span"),
    ]
    assert [found.consumer for found in queue.buried()] == ["b", "a", "a"]
    assert len(queue.buried(limit=1)) == 1
    assert queue.revive("a", item_id=first.id) == 1
    assert queue.revive("b", item_id=second.id) == 0
    assert [(item.batch_id, item.attempts) for item in claim(queue)] == [(1, 1)]
    assert queue.revive() == 2
    assert batches(claim(queue)) == [2]
    assert queue.buried() == []


def test_what_is_given_back_is_ready_at_once_and_not_counted(queue: Any) -> None:
    put(queue, 1, 2)
    items = claim(queue)
    assert queue.release(items) == 2
    again = claim(queue)
    assert batches(again) == [1, 2]
    assert [item.attempts for item in again] == [1, 1]


def test_a_part_is_set_aside_once(queue: Any) -> None:
    put(queue, 1)
    (item,) = claim(queue)
    assert queue.set_aside(item, {"trace_id": "aa"}, reason="cannot be read", now_ns=NOW)
    assert not queue.set_aside(item, {"trace_id": "aa"}, reason="again", now_ns=NOW)
    assert queue.set_aside(item, {"trace_id": "bb"}, reason="another", now_ns=NOW)
    assert queue.ack([item]) == 1
    assert [(found.payload, found.batch_id, found.reason) for found in queue.buried("a")] == [
        ({"trace_id": "bb"}, 1, "another"),
        ({"trace_id": "aa"}, 1, "cannot be read"),
    ]
    assert queue.revive("a") == 2
    assert [item.payload for item in claim(queue)] == [{"trace_id": "aa"}, {"trace_id": "bb"}]


def test_any_reason_can_be_kept(queue: Any) -> None:
    put(queue, 1, 2)
    first, second = claim(queue)
    assert queue.bury(first, reason="a\0b \ud800 ü" + "x" * 100_000)
    assert queue.retry(second, at_ns=0, error="\0\udfff")
    (shown,) = queue.buried("a")
    assert shown.reason.endswith("x")
    assert len(shown.reason) <= 100_100


def test_stats_count_by_state_and_tell_the_age_of_the_oldest(queue: Any) -> None:
    assert queue.stats("a", now_ns=NOW) == queue.stats("none", now_ns=NOW)
    assert queue.stats("a", now_ns=NOW).lag_ns == 0
    put(queue, 1, now=100)
    put(queue, 2, 3, now=200)
    put(queue, 4, consumer="b", now=1)
    (oldest,) = claim(queue, 1)
    stats = queue.stats("a", now_ns=NOW)
    assert (stats.ready, stats.claimed, stats.buried, stats.lag_ns) == (2, 1, 0, NOW - 100)
    queue.bury(oldest, reason="bad")
    stats = queue.stats("a", now_ns=NOW)
    assert (stats.ready, stats.claimed, stats.buried, stats.lag_ns) == (2, 0, 1, NOW - 200)


def test_nothing_at_all_is_fine(queue: Any) -> None:
    assert (queue.ack([]), queue.release([]), queue.extend([], lease_ns=1, now_ns=0)) == (0, 0, [])
    assert (queue.rescue(now_ns=0), queue.revive()) == (0, 0)


def test_items_outlive_the_process(backend: Backend) -> None:
    backend.needs("durability")
    queue = open_queue(backend)
    put(queue, 1, 2)
    (held,) = claim(queue, 1)
    reopened = open_queue(backend)
    assert batches(claim(reopened)) == [2]
    assert reopened.rescue(now_ns=NOW + LEASE) == 2
    assert reopened.stats("a", now_ns=NOW).ready == 2
    assert queue.ack([held]) == 0
