"""A consumer's thread: claim with a lease, work, complete; retry or bury what fails; give back what a stop interrupts.

What is claimed together is handled together, so that a handler can do in one go what several batches ask for (one
growing trace is summarised once, not once for each of its batches). Where that fails, the items are halved until the
one at fault is alone: the others are completed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from collector.queue.api import Item, Queue
from collector.queue.retry import SECOND_NS, Bury, Pause, Poison, RetryPolicy, decide, describe
from collector.storage.api import Unavailable

log = structlog.get_logger("collector.queue")

#: A round that found less than it could have taken is followed by a pause of this, or of this many times what it took
#: up to the most: what arrives meanwhile is done in one go, and a consumer never takes a whole core from ingest.
LINGER_S: Final = 0.05
LINGER_FACTOR: Final = 2.0
MOST_LINGER_S: Final = 2.0
#: Waiting for work: from one look at the queue to the next, doubling while nothing comes. ``notify`` cuts it short.
FIRST_IDLE_S: Final = 0.1
MOST_IDLE_S: Final = 2.0
#: While ingest is busy, work waits, looking this often, but never longer than the most: the lag stays bounded.
YIELD_STEP_S: Final = 0.02
MOST_YIELD_S: Final = 0.5
#: Each time an item comes back it is handled with a quarter as many others.
_NARROWER: Final = 2


def make_way(busy: Callable[[], bool]) -> None:
    """Wait while ``busy`` (see ``MOST_YIELD_S``): called between pieces of background work."""
    until = time.monotonic() + MOST_YIELD_S
    while busy() and time.monotonic() < until:
        time.sleep(YIELD_STEP_S)


class Handler(Protocol):
    """The work of one consumer.

    Does what the items stand for, and removes them in the same transaction as the results, guarded by their tokens.
    Raises ``Poison`` for what can never succeed, ``RetryLater`` or anything else for what may succeed later. Called
    again with fewer of the items then; those that it completed before it raised are gone. ``Unavailable`` and ``Pause``
    are nobody's fault: the items are given back and no attempt is counted.
    """

    def __call__(self, items: Sequence[Item]) -> None: ...


@dataclass(slots=True)
class Counters:
    """Items since the start. ``handled`` were given to the handler and did not fail."""

    claimed: int = 0
    handled: int = 0
    retried: int = 0
    buried: int = 0
    released: int = 0
    rescued: int = 0
    #: leases that had run out, or claims that somebody else has, when the heartbeat came
    lost: int = 0
    #: rounds that failed because the queue itself could not be reached
    outages: int = 0
    #: rounds that ended because what the work needs was away
    pauses: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """``limit`` items are claimed at most at once; ``lease_ns`` is how long a claim lasts without a heartbeat."""

    limit: int = 1
    lease_ns: int = 15 * SECOND_NS
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def _together(again: Sequence[Item], settings: Settings) -> int:
    """How many of the first of these are handled together. One of them may be what killed their last workers, so the
    more often an item came back, the fewer it is taken with, until it cannot take any other down with it."""
    room = settings.limit
    for number, item in enumerate(again):
        last = item.attempts >= settings.retry.attempts
        room = min(room, 1 if last else max(1, settings.limit >> (_NARROWER * (item.attempts - 1))))
        if number >= room:
            return number
    return len(again)


class Worker:
    """One consumer's thread and its heartbeat. ``busy`` says whether ingest needs the machine more just now, ``ready``
    whether anything may be claimed."""

    def __init__(
        self,
        queue: Queue,
        consumer: str,
        handler: Handler,
        *,
        name: str,
        settings: Settings | None = None,
        busy: Callable[[], bool] = lambda: False,
        clock: Callable[[], int] = time.time_ns,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.consumer = consumer
        self.name = name
        self.counters = Counters()
        self._queue = queue
        self._handler = handler
        self._settings = settings or Settings()
        self._busy = busy
        self._clock = clock
        self._ready = ready
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._hands = threading.Condition()
        self._in_hand: list[Item] = []
        self._next_rescue_ns = 0
        self._paused_until_ns = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"queue-{name}", daemon=True),
            threading.Thread(target=self._beat, name=f"heartbeat-{name}", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """There may be work. Cheap; from any thread."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Begin to stop, without waiting for it."""
        self._stopping.set()
        self._wake.set()
        with self._hands:
            self._hands.notify_all()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what is being worked on, give back the rest, end. What is not finished within the time is given back
        too: its completion then finds its claim gone. Idempotent."""
        self.ask_to_stop()
        worker, _ = self._threads
        if worker.is_alive():
            worker.join(timeout_s)
        self._give_back(self._empty_hands())

    def run_once(self) -> int:
        """One round on the calling thread: rescue when due, claim, handle. Returns how many items were claimed.

        Raises what the queue raises where it cannot be reached.
        """
        now = self._clock()
        if now < self._paused_until_ns:
            return 0
        if now >= self._next_rescue_ns:
            self.counters.rescued += self._queue.rescue(now_ns=now)
            self._next_rescue_ns = now + self._settings.lease_ns // 3
        if not self._ready():
            return 0
        items = self._queue.claim(
            self.consumer, self.name, limit=self._settings.limit, lease_ns=self._settings.lease_ns, now_ns=now
        )
        self.counters.claimed += len(items)
        first = [item for item in items if item.attempts == 1]
        again = [item for item in items if item.attempts > 1]
        together = _together(again, self._settings)
        self._give_back(again[together:])
        try:
            self._handle(first)
            self._handle([item for item in again[:together] if not self._exhausted(item)])
        except Pause as pause:
            self.counters.pauses += 1
            self._paused_until_ns = pause.until_ns
            self._give_back(again[:together])
        return len(items)

    def _exhausted(self, item: Item) -> bool:
        """Bury what came back more often than failures allow: it never lived to fail."""
        if item.attempts <= self._settings.retry.attempts:
            return False
        reason = f"given up after {item.attempts - 1} attempts: its workers did not come back"
        log.error("a queue item was buried", consumer=self.consumer, item=item.id, reason=reason)
        self.counters.buried += self._queue.bury(item, reason=reason)
        return True

    def _handle(self, items: list[Item]) -> None:
        """In one go, else in ever smaller parts; on a stop or an outage, what is left is given back."""
        if not items:
            return
        with self._hands:
            self._in_hand = list(items)
            self._hands.notify_all()
        try:
            self._halve(items)
        except Exception:
            self._give_back(self._empty_hands())
            raise
        finally:
            left = self._empty_hands()
        self._give_back(left)

    def _halve(self, items: list[Item]) -> None:
        parts = [items]
        while parts and not self._stopping.is_set():
            part = parts.pop()
            try:
                self._handler(part)
            except (Unavailable, Pause):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is decided upon
                if len(part) > 1:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                self._failed(part[0], error)
            else:
                self.counters.handled += len(part)
            self._let_go(part)

    def _failed(self, item: Item, error: Exception) -> None:
        decision = decide(item.id, item.attempts, error, self._settings.retry, now_ns=self._clock())
        told = log.bind(consumer=self.consumer, item=item.id, batch=item.batch_id, attempts=item.attempts)
        if isinstance(decision, Bury):
            told.error("a queue item was buried", reason=decision.reason, exc_info=not isinstance(error, Poison))
            self.counters.buried += self._queue.bury(item, reason=decision.reason)
        else:
            told.warning("a queue item failed and will be tried again", reason=decision.error)
            self.counters.retried += self._queue.retry(item, at_ns=decision.at_ns, error=decision.error)

    def _let_go(self, part: Sequence[Item]) -> None:
        ids = {item.id for item in part}
        with self._hands:
            self._in_hand = [item for item in self._in_hand if item.id not in ids]

    def _empty_hands(self) -> list[Item]:
        with self._hands:
            held, self._in_hand = self._in_hand, []
        return held

    def _give_back(self, items: list[Item]) -> None:
        if not items:
            return
        try:
            self.counters.released += self._queue.release(items)
        except Exception as error:  # noqa: BLE001 - their leases run out, then they are rescued
            log.warning("queue items could not be given back", consumer=self.consumer, reason=str(error))

    # the thread

    def _work(self) -> None:
        idle_s = FIRST_IDLE_S
        while not self._stopping.is_set():
            make_way(self._busy)
            self._wake.clear()
            started = time.monotonic()
            claimed = self._try_once()
            if claimed >= self._settings.limit:
                idle_s = FIRST_IDLE_S
            elif claimed:
                idle_s = FIRST_IDLE_S
                took_s = time.monotonic() - started
                self._stopping.wait(min(max(LINGER_S, LINGER_FACTOR * took_s), MOST_LINGER_S))
            else:
                idle_s = FIRST_IDLE_S if self._wake.wait(idle_s) else min(idle_s * 2, MOST_IDLE_S)

    def _try_once(self) -> int:
        try:
            return self.run_once()
        except Exception as error:  # noqa: BLE001 - the queue is away; the worker outlives that
            self.counters.outages += 1
            log.warning("the queue cannot be worked on", consumer=self.consumer, reason=describe(error))
            return 0

    def _beat(self) -> None:
        """Extend the lease of what is in hand, three times per lease. Sleeps while nothing is."""
        while not self._stopping.is_set():
            with self._hands:
                self._hands.wait_for(lambda: self._in_hand or self._stopping.is_set())
            if self._stopping.wait(self._settings.lease_ns / 3e9):
                return
            self._extend()

    def _extend(self) -> None:
        with self._hands:
            held = list(self._in_hand)
        if not held:
            return
        try:
            ours = self._queue.extend(held, lease_ns=self._settings.lease_ns, now_ns=self._clock())
        except Exception as error:  # noqa: BLE001 - the next heartbeat may come in time
            log.warning("a lease could not be extended", consumer=self.consumer, reason=str(error))
            return
        with self._hands:
            still = {item.id for item in self._in_hand}
        self.counters.lost += sum(item.id in still and item not in ours for item in held)
