"""What drivers raise, as one clear line that names no SQL, no values and no password."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from collector.storage.api import StorageError, Unavailable

#: SQLite's primary result codes that are about the file and not about the statement.
_SQLITE_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program holds its write lock",
    sqlite3.SQLITE_LOCKED: "another program holds its write lock",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "it is read-only for this program",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "its lock cannot be taken",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
}
_RETRY = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_DUPLICATE = "23505"  # unique_violation
_POSTGRES_FAULTS = frozenset({"OperationalError", "InterfaceError", "InternalError"})
_TOO_LARGE = "54"  # class program_limit_exceeded: an OperationalError that is about the values


def driver_error(error: BaseException) -> BaseException:
    """The driver's own exception, with or without SQLAlchemy around it."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def reason(error: BaseException) -> str:
    """Why the database itself failed, in one line."""
    raw = driver_error(error)
    code = getattr(raw, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE_ADVICE.get(code & 0xFF, str(raw))
    lines = str(raw).strip().splitlines()
    return lines[0] if lines else type(raw).__name__


def is_outage(error: BaseException) -> bool:
    """True where the database is at fault (locked, full, gone) and not what it was asked to do."""
    if isinstance(error, PoolTimeout):
        return True
    raw = driver_error(error)
    if isinstance(raw, sqlite3.Error):
        return getattr(raw, "sqlite_errorcode", -1) & 0xFF in _SQLITE_ADVICE
    return (
        type(raw).__module__.startswith("psycopg")
        and any(base.__name__ in _POSTGRES_FAULTS for base in type(raw).__mro__)
        and not (getattr(raw, "sqlstate", None) or "").startswith(_TOO_LARGE)
    )


def is_conflict(error: BaseException) -> bool:
    """True where PostgreSQL chose this transaction as a victim: run again, it succeeds."""
    return getattr(driver_error(error), "sqlstate", None) in _RETRY


def is_duplicate(error: BaseException) -> bool:
    """True where PostgreSQL refused a row because its key is taken."""
    return getattr(driver_error(error), "sqlstate", None) == _DUPLICATE


def translated(error: BaseException, name: str) -> BaseException:
    """``Unavailable`` for an outage of database ``name``; anything else as it is."""
    if isinstance(error, StorageError) or not is_outage(error):
        return error
    return Unavailable(f"{name}: {reason(error)}")
