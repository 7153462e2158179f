"""A destination in memory that fails as it is told, a clock that is moved by hand, and the workers of one lane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from collector.destinations import Destination
from collector.exporters.api import Needs, Parcel, Receipt, Record, Said, SpanKey
from collector.forwarding.deliver import Deliver
from collector.forwarding.forwarding import ITEMS, POLICY
from collector.forwarding.lane import Lane
from collector.forwarding.loop import Loop
from collector.forwarding.verify import Verify
from collector.queue.worker import Settings, Worker

SECOND = 10**9


class Clock:
    def __init__(self, start_ns: int) -> None:
        self.now = start_ns

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


class MemoryDestination:
    """``fault`` is called with what is about to be taken and may raise; ``lose`` says which acknowledged spans are not
    kept. ``sent`` counts how often each span was taken."""

    def __init__(self, needs: Needs | None = None) -> None:
        self.needs = needs or Needs()
        self.sent: Counter[SpanKey] = Counter()
        self.kept: dict[SpanKey, Record] = {}
        self.parcels: list[Parcel] = []
        self.requests = 0
        self.said: list[Said] = []
        self.knows: Callable[[Said], bool] = lambda said: True
        self.fault: Callable[[Parcel], None] = lambda parcel: None
        self.lose: Callable[[Record], bool] = lambda record: False
        self.receipt: Callable[[Parcel], Receipt] = lambda parcel: Receipt()
        self.closed = False

    async def send(self, parcel: Parcel) -> Receipt:
        self.requests += 1
        self.fault(parcel)
        self.parcels.append(parcel)
        for record in parcel.records:
            self.sent[record.key] += 1
            if not self.lose(record):
                self.kept[record.key] = record
        return self.receipt(parcel)

    async def missing(self, records: Sequence[Record]) -> Sequence[Record]:
        return [record for record in records if record.key not in self.kept]

    async def annotate(self, said: Sequence[Said]) -> Sequence[Said]:
        left = [one for one in said if not self.knows(one)]
        self.said += [one for one in said if one not in left]
        return left

    async def check(self) -> str:
        return "a destination in memory"

    async def close(self) -> None:
        self.closed = True


class Stage:
    """One destination of a store, worked on step by step."""

    def __init__(self, store: Any, destination: Destination, exporter: MemoryDestination, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.exporter = exporter
        self.loop = Loop()
        self.lane = Lane(store, destination, exporter, self.loop, clock=clock)
        self.destination = destination
        self.workers = [self._worker(destination.consumer, Deliver(self.lane))]
        if exporter.needs.verifies:
            self.workers.append(self._worker(destination.verifier, Verify(self.lane)))

    def _worker(self, consumer: str, handler: Any) -> Worker:
        settings = Settings(limit=ITEMS, retry=POLICY)
        return Worker(self.store.queue, consumer, handler, name=consumer, settings=settings, clock=self.clock)

    def work(self) -> int:
        """Until nothing is due now. Returns how many items were claimed."""
        done = 0
        while claimed := sum(worker.run_once() for worker in self.workers):
            done += claimed
        return done

    def work_for(self, seconds: float, step: float = 1.0) -> None:
        """Work while the clock goes on."""
        for _ in range(int(seconds / step)):
            self.work()
            self.clock.forward(step)
        self.work()

    @property
    def status(self) -> Any:
        statuses = self.store.destination_statuses(now_ns=self.clock())
        return next(one for one in statuses if one.destination.id == self.destination.id)

    def close(self) -> None:
        self.loop.stop()
