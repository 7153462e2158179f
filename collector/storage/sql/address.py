"""Database URLs: which engine, where, and how to name it to an operator without its password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from collector.storage.api import CannotOpen

Dialect = Literal["sqlite", "postgresql"]

_POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_FORMS = "use sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/database"


@dataclass(frozen=True, slots=True)
class Address:
    """``name`` is fit for logs. ``path`` is the file of a SQLite database."""

    dialect: Dialect
    url: URL
    name: str
    path: Path | None = None


def parse(url: str) -> Address:
    """Raises ``CannotOpen`` for anything but a SQLite file or a PostgreSQL server."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise CannotOpen(f"the database URL cannot be read: {_FORMS}") from None
    if parsed.drivername in _SQLITE:
        return _sqlite(parsed)
    if parsed.drivername in _POSTGRES:
        where = f"{parsed.host or 'local socket'}{f':{parsed.port}' if parsed.port else ''}/{parsed.database or ''}"
        return Address("postgresql", parsed.set(drivername="postgresql+psycopg"), f"PostgreSQL {where}")
    raise CannotOpen(f"{parsed.drivername!r} is no database this program knows: {_FORMS}")


def _sqlite(url: URL) -> Address:
    if url.host:
        raise CannotOpen(f"a SQLite URL has three slashes before a relative path and four before an absolute: {_FORMS}")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise CannotOpen("an SQLite database in memory would be lost and cannot be shared: give a file, sqlite:///path")
    path = Path(url.database).expanduser().absolute()
    return Address("sqlite", url, f"SQLite {path}", path)
