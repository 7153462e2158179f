"""Everything about evaluation that runs in one process: the workers, woken by every commit."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Final, Protocol

from collector.evaluation.backfill import Backfilling, BackfillStore
from collector.evaluation.decide import QUIET, Decide, Quiet
from collector.evaluation.judging import Record
from collector.evaluation.makers import Makers, judge_from
from collector.evaluation.rules import Rule
from collector.evaluation.score import THREADS, Score
from collector.queue.retry import SECOND_NS, RetryPolicy
from collector.queue.worker import Handler, Settings, Worker
from collector.storage.evaluation_api import BACKFILL, DECIDE, JUDGE, SCORE
from tracekit.evals.api import Judge

#: What fails is decided by the handlers; this is for what kills the process again and again.
POLICY: Final = RetryPolicy(attempts=200, first_ns=SECOND_NS, most_ns=60 * SECOND_NS)
LEASE_NS: Final = 10 * SECOND_NS
#: Items claimed together: batches, targets, targets of judges.
DECIDE_ITEMS: Final = 32
SCORE_ITEMS: Final = 64
JUDGE_ITEMS: Final = 2 * THREADS


class Store(BackfillStore, Protocol):
    def subscribe(self, tell: Callable[[], None]) -> None: ...


class Evaluating:
    """``record`` keeps what judges were asked (``judging.Record``). ``busy``: whether ingest needs the machine."""

    def __init__(
        self,
        store: Store,
        record: Record,
        busy: Callable[[], bool] = lambda: False,
        *,
        quiet: Quiet = QUIET,
        name: str | None = None,
        clock: Callable[[], int] = time.time_ns,
        judge_of: Callable[[Rule], Judge] = judge_from,
    ) -> None:
        self._store = store
        self._busy = busy
        self._clock = clock
        self._name = name or f"{platform.node()}:{os.getpid()}"
        makers = Makers(store, clock, judge_of)
        self._scores = Score(store, makers, record, clock=clock)
        self._judges = Score(store, makers, record, threads=THREADS, clock=clock)
        self.decide = self._worker(DECIDE, Decide(store, quiet, clock=clock, told=self._to_score), DECIDE_ITEMS)
        self.score = self._worker(SCORE, self._scores, SCORE_ITEMS)
        self.judge = self._worker(JUDGE, self._judges, JUDGE_ITEMS)
        self.backfill = self._worker(BACKFILL, Backfilling(store, clock=clock, told=self._to_decide), 1)
        self.each = (self.decide, self.score, self.judge, self.backfill)

    def start(self) -> None:
        for worker in self.each:
            worker.start()
        self._store.subscribe(self._to_decide)

    def stop(self, timeout_s: float = 10.0) -> None:
        """What cannot be finished in time is given back. Idempotent."""
        for worker in self.each:
            worker.ask_to_stop()
        until = time.monotonic() + timeout_s
        for worker in self.each:
            worker.stop(max(0.0, until - time.monotonic()))

    def _to_decide(self) -> None:
        self.decide.notify()

    def _to_score(self) -> None:
        self.score.notify()
        self.judge.notify()

    def _worker(self, consumer: str, handler: Handler, limit: int) -> Worker:
        return Worker(
            self._store.queue,
            consumer,
            handler,
            name=f"{self._name}/{consumer}",
            settings=Settings(limit=limit, lease_ns=LEASE_NS, retry=POLICY),
            busy=self._busy,
            clock=self._clock,
        )
