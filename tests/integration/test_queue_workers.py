"""Workers over a real queue: what they complete, try again, bury and give back, and how they start and stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from collector.queue.api import Item
from collector.queue.memory import MemoryQueue
from collector.queue.retry import SECOND_NS, Poison, RetryLater, RetryPolicy
from collector.queue.worker import Settings, Worker
from collector.storage.api import Unavailable

POLICY = RetryPolicy(attempts=3, first_ns=SECOND_NS, most_ns=SECOND_NS)


class Killed(BaseException):
    """The process dies here."""


class Clock:
    def __init__(self) -> None:
        self.now = 10 * SECOND_NS

    def __call__(self) -> int:
        return self.now


class Work:
    """A handler that acknowledges what it is given, except where ``fault`` raises."""

    def __init__(self, queue: MemoryQueue, fault: Callable[[Item], None] = lambda item: None) -> None:
        self.queue = queue
        self.fault = fault
        self.calls: list[list[int]] = []
        self.done: list[int] = []

    def __call__(self, items: Sequence[Item]) -> None:
        self.calls.append([item.batch_id for item in items])
        for item in items:
            self.fault(item)
        if self.queue.ack(list(items)) == len(items):
            self.done += [item.batch_id for item in items]


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def started() -> Iterator[Callable[[Worker], Worker]]:
    workers: list[Worker] = []

    def start(worker: Worker) -> Worker:
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()


def worker_of(queue: MemoryQueue, handler: Any, clock: Any = time.time_ns, **settings: Any) -> Worker:
    options = {"limit": 8, "retry": POLICY} | settings
    return Worker(queue, "a", handler, name="w", settings=Settings(**options), clock=clock)


def put(queue: MemoryQueue, *batches: int) -> None:
    for batch in batches:
        queue.put("a", batch, now_ns=0)


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def raising(error: BaseException, *batches: int) -> Callable[[Item], None]:
    def fault(item: Item) -> None:
        if item.batch_id in batches:
            raise error

    return fault


def states(queue: MemoryQueue, now_ns: int = 0) -> tuple[int, int, int]:
    stats = queue.stats("a", now_ns=now_ns)
    return stats.ready, stats.claimed, stats.buried


def test_what_is_claimed_together_is_handled_together(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, *range(10))
    work = Work(queue)
    worker = worker_of(queue, work, clock)
    assert [worker.run_once() for _ in range(3)] == [8, 2, 0]
    assert work.calls == [list(range(8)), [8, 9]]
    assert worker.counters.handled == 10


def test_a_poisoned_item_is_found_by_halving_and_the_others_are_completed(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, *range(8))
    work = Work(queue, raising(Poison("span 3 is rotten"), 3))
    worker = worker_of(queue, work, clock)
    worker.run_once()
    assert sorted(work.done) == [0, 1, 2, 4, 5, 6, 7]
    assert len(work.calls) == 7  # eight, two fours, two twos, two ones
    assert [(item.batch_id, item.reason) for item in queue.buried()] == [(3, "span 3 is rotten")]
    work.fault = raising(Poison(""))
    assert queue.revive() == 1
    worker.run_once()
    assert (sorted(work.done), states(queue)) == (list(range(8)), (0, 0, 0))


def test_a_failure_is_tried_again_later_and_buried_in_the_end(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, 1)
    work = Work(queue, raising(OSError("no route"), 1))
    worker = worker_of(queue, work, clock)
    worker.run_once()
    worker.run_once()
    assert len(work.calls) == 1  # not due yet
    for _ in range(5):
        clock.now += SECOND_NS
        worker.run_once()
    assert len(work.calls) == POLICY.attempts
    assert queue.buried()[0].reason == "given up after 3 attempts: OSError: no route"
    assert (worker.counters.retried, worker.counters.buried) == (2, 1)


def test_what_others_ask_for_is_waited(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, 1)
    work = Work(queue, raising(RetryLater("429", 20 * SECOND_NS), 1))
    worker = worker_of(queue, work, clock)
    worker.run_once()
    work.fault = raising(OSError())
    clock.now += 19 * SECOND_NS
    assert worker.run_once() == 0
    clock.now += SECOND_NS
    assert worker.run_once() == 1
    assert work.done == [1]


def test_an_outage_of_the_storage_is_nobodys_fault(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, 1, 2, 3)
    work = Work(queue, raising(Unavailable("the disk is full"), 1))
    worker = worker_of(queue, work, clock)
    with pytest.raises(Unavailable):
        worker.run_once()
    assert states(queue) == (3, 0, 0)
    work.fault = raising(OSError())
    worker.run_once()
    assert work.done == [1, 2, 3]
    assert worker.counters.retried == 0


def test_what_a_dead_worker_held_is_rescued(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, 1, 2)
    dying = worker_of(queue, Work(queue, raising(Killed(), 1)), clock)
    with pytest.raises(Killed):
        dying.run_once()
    assert states(queue) == (0, 2, 0)
    work = Work(queue)
    heir = worker_of(queue, work, clock)
    assert heir.run_once() == 0
    clock.now += Settings().lease_ns
    while heir.run_once():
        pass
    assert sorted(work.done) == [1, 2]
    assert heir.counters.rescued == 2


def test_an_item_that_kills_its_workers_is_buried_and_takes_no_other_with_it(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, *range(6))
    work = Work(queue, raising(Killed(), 2))
    for _ in range(20):
        try:
            while worker_of(queue, work, clock).run_once():
                pass
        except Killed:
            clock.now += 60 * SECOND_NS
    assert sorted(work.done) == [0, 1, 3, 4, 5]
    (buried,) = queue.buried()
    assert (buried.batch_id, buried.reason) == (2, "given up after 3 attempts: its workers did not come back")
    assert states(queue) == (0, 0, 1)


def test_what_many_dead_workers_held_is_not_done_one_by_one(queue: MemoryQueue, clock: Clock) -> None:
    put(queue, *range(64))
    work = Work(queue)
    with pytest.raises(Killed):
        worker_of(queue, Work(queue, raising(Killed(), 13)), clock, limit=64).run_once()
    clock.now += Settings().lease_ns
    heir = worker_of(queue, work, clock, limit=64)
    while heir.run_once():
        pass
    assert sorted(work.done) == list(range(64))
    assert [len(call) for call in work.calls] == [16, 16, 16, 16]


def test_a_started_worker_works_when_it_is_told(queue: MemoryQueue, started: Callable[[Worker], Worker]) -> None:
    work = Work(queue)
    worker = started(worker_of(queue, work))
    for batch in range(5):
        put(queue, batch)
        worker.notify()
        wait_until(lambda batch=batch: batch in work.done)
    assert work.done == list(range(5))


def test_a_started_worker_finds_work_that_nobody_tells_of(
    queue: MemoryQueue, started: Callable[[Worker], Worker]
) -> None:
    work = Work(queue)
    worker = started(worker_of(queue, work))
    put(queue, 1)
    wait_until(lambda: worker.counters.handled > 0)
    assert (work.done, states(queue)) == ([1], (0, 0, 0))


def test_a_worker_outlives_a_queue_that_cannot_be_reached(started: Callable[[Worker], Worker]) -> None:
    class Away(MemoryQueue):
        away = True

        def rescue(self, *, now_ns: int) -> int:
            if self.away:
                raise Unavailable("the server is gone")
            return super().rescue(now_ns=now_ns)

    queue = Away()
    put(queue, 1)
    work = Work(queue)
    worker = started(worker_of(queue, work))
    wait_until(lambda: worker.counters.outages > 1)
    queue.away = False
    worker.notify()
    wait_until(lambda: worker.counters.handled > 0)
    assert (work.done, states(queue)) == ([1], (0, 0, 0))


def test_the_lease_is_kept_while_work_lasts(queue: MemoryQueue, started: Callable[[Worker], Worker]) -> None:
    beats: list[int] = []

    class Watched(MemoryQueue):
        def extend(self, items: list[Item], *, lease_ns: int, now_ns: int) -> list[Item]:
            beats.append(now_ns)
            return super().extend(items, lease_ns=lease_ns, now_ns=now_ns)

    watched = Watched()
    put(watched, 1)
    work = Work(watched, lambda item: wait_until(lambda: len(beats) >= 4))
    worker = started(worker_of(watched, work, lease_ns=SECOND_NS // 10))
    wait_until(lambda: bool(work.done))
    assert worker.counters.lost == 0
    assert watched.stats("a", now_ns=0).ready == 0


def test_a_stop_waits_for_the_piece_in_hand_and_gives_back_the_rest(queue: MemoryQueue) -> None:
    put(queue, 1, 2, 3, 4)
    entered, leave = threading.Event(), threading.Event()

    def fault(item: Item) -> None:
        if len(work.calls) == 1:
            raise OSError("together they fail")
        entered.set()
        leave.wait(30)

    work = Work(queue, fault)
    worker = worker_of(queue, work)
    worker.start()
    assert entered.wait(30)
    worker.ask_to_stop()
    leave.set()
    worker.stop()
    assert work.done == [1, 2]
    assert states(queue) == (2, 0, 0)
    assert worker.counters.released == 2
    assert [item.attempts for item in queue.claim("a", "x", limit=9, lease_ns=1, now_ns=1)] == [1, 1]


def test_what_does_not_end_in_time_is_given_back_and_its_end_changes_nothing(queue: MemoryQueue) -> None:
    put(queue, 1)
    entered, leave = threading.Event(), threading.Event()

    def fault(item: Item) -> None:
        entered.set()
        leave.wait(30)

    work = Work(queue, fault)
    worker = worker_of(queue, work)
    worker.start()
    assert entered.wait(30)
    worker.stop(timeout_s=0.01)
    assert states(queue) == (1, 0, 0)
    leave.set()
    worker.stop()
    assert work.done == []
    assert states(queue) == (1, 0, 0)


def test_a_worker_that_was_never_started_can_be_stopped(queue: MemoryQueue) -> None:
    put(queue, 1)
    work = Work(queue)
    worker = worker_of(queue, work)
    worker.stop()
    worker.stop()
    assert (work.calls, states(queue)) == ([], (1, 0, 0))


def test_background_work_waits_while_ingest_is_busy_but_not_for_ever(queue: MemoryQueue) -> None:
    asked: list[int] = []
    put(queue, 1)
    work = Work(queue)
    worker = Worker(queue, "a", work, name="w", busy=lambda: asked.append(1) is None)
    worker.start()
    wait_until(lambda: work.done == [1])
    worker.stop()
    assert len(asked) > 1
