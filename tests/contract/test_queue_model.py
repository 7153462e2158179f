"""Whatever workers do and wherever they stop, no item is lost and none is doubled: every queue against a model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from backends import Backend
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from collector.queue.api import Item
from collector.queue.memory import MemoryQueue
from collector.storage.sql.queue import SqlQueue

_consumers = itertools.count()


@dataclass
class Known:
    """What the model knows of one item."""

    batch: int
    due: int
    state: str = "ready"
    attempts: int = 0
    lease: int = 0
    token: str = ""


class QueueMachine(RuleBasedStateMachine):
    """Two workers claim, forget (crash), come back late with old claims; time passes. ``queue`` is set below."""

    queue: Any

    @initialize()
    def begin(self) -> None:
        self.consumer = f"c{next(_consumers)}"
        self.now = 1_000
        self.known: dict[int, Known] = {}
        self.claims: list[Item] = []
        self.batches = itertools.count()

    @rule(count=st.integers(1, 3))
    def put(self, count: int) -> None:
        for _ in range(count):
            batch = next(self.batches)
            self.known[self.queue.put(self.consumer, batch, now_ns=self.now)] = Known(batch, self.now)

    @rule(limit=st.integers(1, 3), lease=st.sampled_from([10, 100]))
    def claim(self, limit: int, lease: int) -> None:
        items = self.queue.claim(self.consumer, "w", limit=limit, lease_ns=lease, now_ns=self.now)
        due = [(known.due, number) for number, known in self.known.items() if self._due(known)]
        assert [item.id for item in items] == [number for _, number in sorted(due)[:limit]]
        for item in items:
            known = self.known[item.id]
            known.state, known.token, known.lease = "claimed", item.token, self.now + lease
            known.attempts += 1
            assert (item.batch_id, item.attempts) == (known.batch, known.attempts)
        self.claims += items

    @rule(data=st.data())
    def ack(self, data: Any) -> None:
        items = self._any(data)
        ours = [item for item in items if self._ours(item)]
        assert self.queue.ack(items) == len(ours)
        for item in ours:
            del self.known[item.id]

    @rule(data=st.data(), wait=st.sampled_from([0, 5, 50]))
    def retry(self, data: Any, wait: int) -> None:
        for item in self._any(data):
            known = self._ours(item)
            assert self.queue.retry(item, at_ns=self.now + wait, error="failed") is (known is not None)
            if known:
                known.state, known.token, known.due = "ready", "", self.now + wait

    @rule(data=st.data())
    def bury(self, data: Any) -> None:
        for item in self._any(data):
            known = self._ours(item)
            assert self.queue.bury(item, reason="bad") is (known is not None)
            if known:
                known.state, known.token = "buried", ""

    @rule(data=st.data())
    def release(self, data: Any) -> None:
        items = self._any(data)
        ours = [known for item in items if (known := self._ours(item))]
        assert self.queue.release(items) == len(ours)
        for known in ours:
            known.state, known.token = "ready", ""
            known.attempts -= 1

    @rule(data=st.data())
    def extend(self, data: Any) -> None:
        items = self._any(data)
        ours = [item for item in items if self._ours(item)]
        assert self.queue.extend(items, lease_ns=100, now_ns=self.now) == ours
        for item in ours:
            self.known[item.id].lease = self.now + 100

    @rule(passed=st.sampled_from([1, 10, 200]))
    def rescue_later(self, passed: int) -> None:
        self.now += passed
        self.queue.rescue(now_ns=self.now)
        for known in self.known.values():
            if known.state == "claimed" and known.lease <= self.now:
                known.state, known.token = "ready", ""

    @rule()
    def revive(self) -> None:
        buried = [known for known in self.known.values() if known.state == "buried"]
        assert self.queue.revive(self.consumer) == len(buried)
        for known in buried:
            known.state, known.attempts = "ready", 0

    @invariant()
    def the_counts_are_the_models(self) -> None:
        stats = self.queue.stats(self.consumer, now_ns=self.now)
        states = [known.state for known in self.known.values()]
        assert (stats.ready, stats.claimed, stats.buried) == tuple(map(states.count, ("ready", "claimed", "buried")))

    def teardown(self) -> None:
        """In the end every item that was not acknowledged is there, once."""
        self.queue.revive(self.consumer)
        self.queue.rescue(now_ns=2**60)
        left = self.queue.claim(self.consumer, "end", limit=1000, lease_ns=1, now_ns=2**61)
        assert sorted(item.batch_id for item in left) == sorted(known.batch for known in self.known.values())
        assert self.queue.ack(left) == len(left)

    def _any(self, data: Any) -> list[Item]:
        """One to three claims, current or long outdated, each item once."""
        if not self.claims:
            return []
        chosen = data.draw(st.lists(st.sampled_from(self.claims), min_size=1, max_size=3))
        return list({item.id: item for item in chosen}.values())

    def _due(self, known: Known) -> bool:
        return known.state == "ready" and known.due <= self.now

    def _ours(self, item: Item) -> Known | None:
        known = self.known.get(item.id)
        return known if known and known.state == "claimed" and known.token == item.token else None


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_doubled(backend: Backend) -> None:
    """The machine's rules and invariants are what is asserted."""
    queue = MemoryQueue() if backend.url is None else SqlQueue(backend.database())
    examples = 60 if backend.url is None else 15
    run_state_machine_as_test(
        type("Machine", (QueueMachine,), {"queue": queue}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
