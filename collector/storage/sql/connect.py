"""Engines with the settings that durability and speed ask for, and the checks before the first use."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from collector.storage.api import CannotOpen
from collector.storage.sql.address import Address
from collector.storage.sql.errors import reason

MIN_SQLITE = (3, 37, 0)
MIN_POSTGRES = 14
READERS = 8
BUSY_TIMEOUT_S = 5.0

#: libpq parameters that the URL may set otherwise: a server that is gone is noticed, and knows who we are.
_POSTGRES_DEFAULTS = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "application_name": "tracekit"}
_WRITER_PRAGMAS = (
    "synchronous = FULL",
    "cache_size = -32000",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
)
_READER_PRAGMAS = ("query_only = ON", "cache_size = -8000", "temp_store = MEMORY")


def engines(address: Address, writers: int) -> tuple[Engine, Engine]:
    """(writing, reading). Nothing is connected yet. Raises ``CannotOpen`` where the driver is not installed."""
    if address.path is not None:
        return _sqlite_engine(address.path, _WRITER_PRAGMAS, "BEGIN IMMEDIATE", 1), _sqlite_engine(
            address.path, _READER_PRAGMAS, "BEGIN", READERS
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise CannotOpen("PostgreSQL needs the extra: pip install 'tracekit-llm[postgres]'") from None
    given = {name: value for name, value in _POSTGRES_DEFAULTS.items() if name not in address.url.query}
    writer = create_engine(address.url, pool_size=writers, max_overflow=1, pool_pre_ping=True, connect_args=given)
    event.listen(writer, "connect", _commit_durably)
    reader = create_engine(
        address.url,
        pool_size=READERS,
        max_overflow=READERS,
        pool_pre_ping=True,
        connect_args=given,
        execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    )
    return writer, reader


@contextmanager
def opening(address: Address) -> Iterator[None]:
    """What goes wrong inside is why the database cannot be opened."""
    try:
        yield
    except SQLAlchemyError as error:
        raise CannotOpen(f"cannot open {address.name}: {reason(error)}") from error
    except (OSError, sqlite3.Error) as error:
        raise CannotOpen(f"cannot open {address.name}: {_os_reason(error)}") from error


def check(address: Address, writer: Engine) -> None:
    """Make sure that the database is there, of a version we know, and durable."""
    if address.path is not None:
        _check_sqlite(address.path, writer)
        return
    with writer.connect() as connection:
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    if version < MIN_POSTGRES:
        raise CannotOpen(f"{address.name} is version {version}: {MIN_POSTGRES} or later is needed")


def _check_sqlite(path: Path, writer: Engine) -> None:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise CannotOpen(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed")
    path.parent.mkdir(parents=True, exist_ok=True)
    # What applications were asked is nobody else's business; the -wal and -shm files inherit the mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    raw = writer.raw_connection()
    try:
        _use_wal(raw.driver_connection)
    finally:
        raw.close()


def _use_wal(connection: Any) -> None:
    """The switch to WAL does not wait for other connections by itself."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise CannotOpen("SQLite cannot use its write-ahead log there (a network file system?): use a local disk")
        return


def _sqlite_engine(path: Path, pragmas: tuple[str, ...], begin: str, size: int) -> Engine:
    def connection() -> sqlite3.Connection:
        opened = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        for pragma in pragmas:
            opened.execute(f"PRAGMA {pragma}")
        return opened

    engine = create_engine("sqlite://", creator=connection, poolclass=QueuePool, pool_size=size, max_overflow=size)
    event.listen(engine, "begin", lambda opened: _begin(opened, begin))
    return engine


def _begin(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _commit_durably(connection: Any, _record: Any) -> None:
    """An acknowledged span is on disk, whatever the server's default says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def _os_reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error)
    return reason(error)
