"""One SQL database as the collector's whole store: writing, reading, summaries and the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from collector.codec.runs import RunChange
from collector.model import SpanBatch
from collector.queue.api import INDEX, SUMMARISE
from collector.storage.api import Unavailable, WriteResult
from collector.storage.runs_api import RunResult, SpansOf
from collector.storage.sql.annotations import SqlAnnotations
from collector.storage.sql.datasets import SqlDatasets
from collector.storage.sql.engine import Database, open_database
from collector.storage.sql.evaluation import SqlEvaluation
from collector.storage.sql.experiments import SqlExperiments
from collector.storage.sql.forward import SqlForward
from collector.storage.sql.projects import SqlProjects
from collector.storage.sql.queue import SqlQueue
from collector.storage.sql.reader import SqlTraceReader
from collector.storage.sql.reviews import SqlReviews
from collector.storage.sql.run_writer import SqlRunWriter
from collector.storage.sql.runs import SqlRuns
from collector.storage.sql.summaries import SqlSummaries
from collector.storage.sql.writer import Limits, SqlSpanWriter

COMMIT_SECONDS: Final = 10.0
#: Writes something, but nothing that anyone reads.
_TOUCH: Final = {"sqlite": "PRAGMA user_version = 0", "postgresql": "SELECT pg_current_xact_id()"}


def open_store(url: str, *, consumers: Sequence[str] = (SUMMARISE, INDEX), limits: Limits | None = None) -> SqlStore:
    """Open the database (see ``open_database`` for URLs and errors) and everything over it."""
    return SqlStore(open_database(url), consumers=consumers, limits=limits)


class SqlStore(
    SqlTraceReader,
    SqlSummaries,
    SqlAnnotations,
    SqlRuns,
    SqlProjects,
    SqlForward,
    SqlEvaluation,
    SqlDatasets,
    SqlExperiments,
    SqlReviews,
):
    """``Store`` and ``SummaryStore``. ``queue`` holds one item per transaction for each of ``consumers``."""

    def __init__(
        self, database: Database, *, consumers: Sequence[str] = (SUMMARISE, INDEX), limits: Limits | None = None
    ) -> None:
        SqlTraceReader.__init__(self, database)
        SqlSummaries.__init__(self, database)
        self.database = database
        self.queue = SqlQueue(database)
        self._subscribers: tuple[Callable[[], None], ...] = ()
        self._writer = SqlSpanWriter(database, consumers=consumers, limits=limits, notify=self._tell)
        self._run_writer = SqlRunWriter(database, consumers=consumers, limits=limits, notify=self._tell)

    def submit(self, batch: SpanBatch) -> Future[WriteResult]:
        return self._writer.submit(batch)

    def submit_runs(self, changes: Sequence[RunChange], spans_of: SpansOf) -> Future[RunResult]:
        return self._run_writer.submit(changes, spans_of)

    def pending_spans(self) -> int:
        return self._writer.pending_spans() + self._run_writer.pending()

    def subscribe(self, tell: Callable[[], None]) -> None:
        """``tell`` is called after every commit that stored spans, on a writing thread, and must return at once."""
        self._subscribers = (*self._subscribers, tell)

    def check_writable(self) -> None:
        committed = self.database.write(self._touch)
        try:
            committed.result(COMMIT_SECONDS)
        except FutureTimeout:
            raise Unavailable(f"{self.database.address.name}: no commit within {COMMIT_SECONDS:g} s") from None

    def size_bytes(self) -> int | None:
        path = self.database.address.path
        if path is not None:
            return sum(_size(Path(f"{path}{suffix}")) for suffix in ("", "-wal"))
        with self.database.read() as connection:
            size: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
            return size

    def close(self) -> None:
        """Commit what was submitted, run what was given to write, close every connection. Idempotent."""
        self._run_writer.close()
        self._writer.close()
        self.database.close()

    def _touch(self, connection: Connection) -> None:
        connection.exec_driver_sql(_TOUCH[self.database.dialect])

    def _tell(self) -> None:
        for tell in self._subscribers:
            tell()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
