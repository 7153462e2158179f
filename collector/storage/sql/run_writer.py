"""Storing runs: what waits is merged into what is stored, outside of any transaction, and then written in one.

A run's row has a version, and the transaction stores nothing unless every run still has the version that was merged
into: another collector that was faster has its say first, and the merge is made again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import Final

from collector.codec.run_spans import document_of
from collector.codec.runs import Document, RunChange, RunHead, head_of, merged
from collector.model import SpanBatch
from collector.queue.api import INDEX, SUMMARISE
from collector.storage.api import Overloaded, Refused, StorageError, Unavailable
from collector.storage.runs_api import RunResult, SpansOf
from collector.storage.sql import run_rows
from collector.storage.sql.engine import Database
from collector.storage.sql.insert import Inserter
from collector.storage.sql.run_rows import Known, Outdated
from collector.storage.sql.writer import Limits

#: What is merged and written together at most, unless one submission is larger.
GROUP_CHANGES: Final = 1024
GROUP_BYTES: Final = 16 * 1024 * 1024
#: So often the same runs may have been changed by others between reading and writing them.
ATTEMPTS: Final = 20


@dataclass(slots=True, eq=False)
class _Waiting:
    changes: Sequence[RunChange]
    spans_of: SpansOf
    size: int
    future: Future[RunResult]


@dataclass(slots=True)
class _Merge:
    """What a group comes to: the runs that are new or changed, and the versions that they were merged into."""

    heads: list[RunHead] = field(default_factory=list)
    known: dict[bytes, Known] = field(default_factory=dict)
    created: set[bytes] = field(default_factory=set)


class SqlRunWriter:
    """``RunStore.submit_runs``. One thread merges; what waits meanwhile becomes the next group."""

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
        self._pending = 0
        self._pending_bytes = 0
        self._closed = False
        self._thread: Thread | None = None

    def submit(self, changes: Sequence[RunChange], spans_of: SpansOf) -> Future[RunResult]:
        future: Future[RunResult] = Future()
        future.set_running_or_notify_cancel()
        size = sum(change.size + sum(len(attached.data) for attached in change.attachments) for change in changes)
        with self._changed:
            self._admit(len(changes), size)
            self._waiting.append(_Waiting(changes, spans_of, size, future))
            if self._thread is None:
                self._thread = Thread(target=self._work, name="tracekit-runs", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def pending(self) -> int:
        """Changes submitted and not yet committed."""
        return self._pending

    def close(self) -> None:
        """Store what was submitted. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _admit(self, count: int, size: int) -> None:
        if self._closed:
            raise Unavailable("the collector is shutting down")
        changes, every = self._pending + count, self._pending_bytes + size
        if self._pending and (changes > self._limits.spans or every > self._limits.bytes):
            raise Overloaded(f"{self._pending} changes of runs are waiting to be stored")
        self._pending, self._pending_bytes = changes, every

    def _work(self) -> None:
        while group := self._take():
            self._store(group)
            with self._changed:
                self._pending -= sum(len(waiting.changes) for waiting in group)
                self._pending_bytes -= sum(waiting.size for waiting in group)

    def _take(self) -> list[_Waiting]:
        """What waits, up to a bound, in the order it came; nothing once we are closed."""
        taken: list[_Waiting] = []
        changes = size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            while self._waiting:
                changes += len(self._waiting[0].changes)
                size += self._waiting[0].size
                if taken and (changes > GROUP_CHANGES or size > GROUP_BYTES):
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _store(self, group: Sequence[_Waiting]) -> None:
        try:
            created = self._commit(group)
        except StorageError as error:
            for waiting in group:
                waiting.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - it is one submission's fault: the others are stored without it
            if len(group) > 1:
                for waiting in group:
                    self._store([waiting])
                return
            refused = Refused(f"the runs hold what the database cannot take ({type(error).__name__})")
            refused.__cause__ = error
            group[0].future.set_exception(refused)
        else:
            for waiting in group:
                runs = {change.run_id for change in waiting.changes if change.fields}
                waiting.future.set_result(RunResult(len(runs & created), len(runs - created)))
                created -= runs

    def _commit(self, group: Sequence[_Waiting]) -> set[bytes]:
        """The runs that were not known. Returns after the commit."""
        changes = [change for waiting in group for change in waiting.changes]
        attachments = run_rows.attachment_rows(changes)
        for _ in range(ATTEMPTS):
            merge = self._merge(changes)
            if not merge.heads and not attachments:
                return set()
            batch = group[-1].spans_of(merge.heads) if merge.heads else SpanBatch()
            try:
                projects = self._database.write(
                    lambda connection, batch=batch, merge=merge: run_rows.store(  # type: ignore[misc]
                        connection, self._inserter, batch, merge.heads, merge.known, attachments
                    )
                ).result()
            except Outdated:
                continue
            self._inserter.committed(projects)
            if merge.heads:
                self._notify()
            return merge.created
        raise Unavailable(f"{self._database.address.name}: the same runs are being changed elsewhere all the time")

    def _merge(self, changes: Sequence[RunChange]) -> _Merge:
        by_run: dict[bytes, list[RunChange]] = {}
        for change in changes:
            if change.fields:
                by_run.setdefault(change.run_id, []).append(change)
        with self._database.read() as connection:
            known = run_rows.known(connection, list(by_run))
        merge = _Merge(created=by_run.keys() - known.keys())
        for run_id, told in sorted(by_run.items()):  # sorted: two collectors wait for each other instead of locking
            found = known.get(run_id)
            before: Document | None = None
            if found is not None:
                merge.known[run_id] = found
                before = document_of(found.data) if found.data is not None else {}
            after = merged(before, told)
            if before is None or after != before:
                merge.heads.append(replace(head_of(run_id, after), via=told[-1].via))
        return merge
