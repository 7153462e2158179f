"""Group commit: whatever batches wait share one transaction, and are told only after it has committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Condition

from sqlalchemy import Connection

from collector.model import SpanBatch
from collector.queue.api import INDEX, SUMMARISE
from collector.storage.api import Overloaded, Refused, StorageError, Unavailable, WriteResult
from collector.storage.sql.engine import Database
from collector.storage.sql.insert import Inserter

#: What one transaction takes at most, unless a single batch is larger.
GROUP_SPANS = 4096
GROUP_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Limits:
    """How much may wait to be committed, in spans and in compressed bytes, before senders are told to come again.

    A batch larger than that is taken when nothing waits.
    """

    spans: int = 30_000
    bytes: int = 64 * 1024 * 1024


@dataclass(slots=True, eq=False)
class _Waiting:
    batch: SpanBatch
    size: int
    future: Future[WriteResult]


class SqlSpanWriter:
    """``SpanWriter`` over a ``Database``.

    ``consumers`` get one queue item for every transaction, written in it. ``notify`` is called after each commit that
    stored spans, on a writing thread, and must return at once.
    """

    def __init__(
        self,
        database: Database,
        *,
        consumers: Sequence[str] = (SUMMARISE, INDEX),
        limits: Limits | None = None,
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._inserter = Inserter(database.dialect, consumers)
        self._limits = limits or Limits()
        self._notify = notify
        self._changed = Condition()
        self._waiting: deque[_Waiting] = deque()
        self._pending_spans = 0
        self._pending_bytes = 0
        self._running = 0
        self._closed = False

    def submit(self, batch: SpanBatch) -> Future[WriteResult]:
        future: Future[WriteResult] = Future()
        future.set_running_or_notify_cancel()
        waiting = _Waiting(batch, sum(len(chunk.data) for chunk in batch.chunks), future)
        with self._changed:
            self._admit(waiting)
            self._waiting.append(waiting)
            start = self._running < self._database.writers
            self._running += start
        if start:
            self._start(_Group(self._take))
        return future

    def pending_spans(self) -> int:
        return self._pending_spans

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running)

    def _admit(self, waiting: _Waiting) -> None:
        if self._closed:
            raise Unavailable("the collector is shutting down")
        spans, size = self._pending_spans + len(waiting.batch.spans), self._pending_bytes + waiting.size
        if self._pending_spans and (spans > self._limits.spans or size > self._limits.bytes):
            raise Overloaded(f"{self._pending_spans} spans are waiting to be stored")
        self._pending_spans, self._pending_bytes = spans, size

    def _take(self) -> list[_Waiting]:
        """What waits, up to a bound, in the order it came."""
        taken: list[_Waiting] = []
        spans = size = 0
        with self._changed:
            while self._waiting:
                spans += len(self._waiting[0].batch.spans)
                size += self._waiting[0].size
                if taken and (spans > GROUP_SPANS or size > GROUP_BYTES):
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _start(self, group: _Group) -> None:
        written = self._database.write(lambda connection: group.store(connection, self._inserter))
        written.add_done_callback(lambda done: self._finish(group, done))

    def _finish(self, group: _Group, written: Future[list[WriteResult]]) -> None:
        """On the writing thread, after COMMIT or ROLLBACK."""
        error = written.exception()
        if error is not None:
            group.batches = group.batches or self._take()  # not even begun: it is still theirs
        if error is not None and not isinstance(error, StorageError) and len(group.batches) > 1:
            self._split(group)
            return
        with self._changed:
            self._pending_spans -= sum(len(waiting.batch.spans) for waiting in group.batches)
            self._pending_bytes -= sum(waiting.size for waiting in group.batches)
        if error is None:
            self._inserter.committed(group.projects)
            for waiting, result in zip(group.batches, written.result(), strict=True):
                waiting.future.set_result(result)
        else:
            for waiting in group.batches:
                waiting.future.set_exception(_refusal(error))
        self._next()
        if error is None and group.batches:
            self._notify()

    def _next(self) -> None:
        with self._changed:
            more = bool(self._waiting)
            if not more:
                self._running -= 1
                self._changed.notify_all()
        if more:
            self._start(_Group(self._take))

    def _split(self, group: _Group) -> None:
        """One of these batches cannot be stored: halve until it is alone, so that the others are."""
        middle = len(group.batches) // 2
        halves = group.batches[:middle], group.batches[middle:]
        with self._changed:
            self._running += 1
        for half in halves:
            self._start(_Group(partial(list, half)))


class _Group:
    """The batches of one transaction; taken when it begins, and the same ones if it has to begin again."""

    def __init__(self, take: Callable[[], list[_Waiting]]) -> None:
        self._take = take
        self.batches: list[_Waiting] = []
        #: ids of projects that this transaction found or made
        self.projects: dict[str, int] = {}

    def store(self, connection: Connection, inserter: Inserter) -> list[WriteResult]:
        self.batches = self.batches or self._take()
        if not self.batches:
            return []
        self.projects, results = inserter.insert(connection, [waiting.batch for waiting in self.batches])
        return results


def _refusal(error: BaseException) -> StorageError:
    if isinstance(error, StorageError):
        return error
    refused = Refused(f"the batch holds what the database cannot take ({type(error).__name__})")
    refused.__cause__ = error
    return refused
