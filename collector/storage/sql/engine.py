"""Connections: one writing thread and many readers on SQLite, pools on PostgreSQL.

A write is a job, a function of a connection. On SQLite all jobs run on one thread, and those that wait share a
transaction: one commit, hence one fsync, for a group of spans and whatever the queue's consumers had to write.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.storage.api import Unavailable
from collector.storage.sql import connect, schema
from collector.storage.sql.address import Address, Dialect, parse
from collector.storage.sql.errors import is_conflict, is_outage, translated

T = TypeVar("T")
Job = Callable[[Connection], T]
_Waiting = tuple[Job[Any], Future[Any]]

POSTGRES_WRITERS = 3
#: On SQLite a transaction takes further jobs in until it has this many or is this old.
GROUP_JOBS = 64
GROUP_SECONDS = 0.02
CONFLICT_ATTEMPTS = 8


def open_database(url: str) -> Database:
    """Open ``sqlite:///path`` or ``postgresql+psycopg://...`` and bring its schema up to date.

    A missing SQLite file and its folders are created. Raises ``CannotOpen`` or ``SchemaTooNew``, each with one line
    for the operator that never holds the password.
    """
    address = parse(url)
    writer, reader = connect.engines(address, POSTGRES_WRITERS)
    try:
        with connect.opening(address):
            connect.check(address, writer)
            schema.ensure(writer, address.name)
    except BaseException:
        writer.dispose()
        raise
    return Database(address, writer, reader)


class Database:
    """An open database at its current schema. Thread-safe."""

    def __init__(self, address: Address, writer: Engine, reader: Engine) -> None:
        self.dialect: Dialect = address.dialect
        self.address = address
        #: how many jobs can run at the same time
        self.writers = 1 if address.dialect == "sqlite" else POSTGRES_WRITERS
        self._writer = writer
        self._reader = reader
        self._jobs: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._threads = [
            Thread(target=self._work, name=f"tracekit-writer-{number}", daemon=True) for number in range(self.writers)
        ]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot and cannot write. Raises ``Unavailable`` when the database is away."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise translated(error, self.address.name) from error

    def write(self, job: Job[T]) -> Future[T]:
        """Run ``job`` in a transaction; the future resolves after COMMIT, or raises what the job raised, rolled back.

        The future raises ``Unavailable`` where the database failed. On PostgreSQL a job may run again after a
        deadlock, so it has no effects but through its connection. Raises ``Unavailable`` after ``close``.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self.address.name}: closed")
            self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Run what was given, then close every connection. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            for attempt in range(CONFLICT_ATTEMPTS):
                if self._run(first, last=attempt == CONFLICT_ATTEMPTS - 1):
                    break
                time.sleep(random.uniform(0, 0.01 * 2**attempt))
        self._jobs.put(None)

    def _run(self, first: _Waiting, *, last: bool) -> bool:
        """One transaction. False where a conflict undid it and it shall be run again."""
        done: list[tuple[Future[Any], _Outcome]] = []
        try:
            with self._writer.begin() as connection:
                done.append((first[1], _Outcome(first[0](connection))))
                if self.dialect == "sqlite":
                    self._share(connection, done)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever gave the job
            if is_conflict(error) and not last:
                return False
            fault = translated(error, self.address.name)
            for future in [future for future, _ in done] or [first[1]]:
                future.set_exception(fault)
            return True
        for future, outcome in done:
            outcome.tell(future)
        return True

    def _share(self, connection: Connection, done: list[tuple[Future[Any], _Outcome]]) -> None:
        """Let the jobs that wait into this transaction, each in a savepoint, so that one that fails fails alone."""
        until = time.monotonic() + GROUP_SECONDS
        while len(done) < GROUP_JOBS and time.monotonic() < until:
            try:
                waiting = self._jobs.get_nowait()
            except Empty:
                return
            if waiting is None:
                self._jobs.put(None)
                return
            job, future = waiting
            outcome = _Outcome()
            done.append((future, outcome))
            outcome.run(connection, job)


class _Outcome:
    """What a job came to, kept until its transaction has ended."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.error: BaseException | None = None

    def run(self, connection: Connection, job: Job[Any]) -> None:
        """Raises only for an outage, which may have undone the whole transaction."""
        savepoint = connection.begin_nested()
        try:
            self.result = job(connection)
        except Exception as error:
            if is_outage(error):
                raise
            savepoint.rollback()
            self.error = error
        else:
            savepoint.commit()

    def tell(self, future: Future[Any]) -> None:
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)
