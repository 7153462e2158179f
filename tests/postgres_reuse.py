"""Databases with the collector's tables in them, handed from one test to the next: to empty one takes a hundredth of
the time that it takes to make one."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from collector.storage.sql.store import open_store

#: What a test may have changed besides rows; equal where it has not.
_SHAPE = """
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
  SELECT concat_ws('/', oid, relname, relkind) FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws('/', attrelid, attname, atttypid, attnotnull, attstorage) FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  UNION ALL SELECT concat_ws('/', oid, conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws('/', oid, tgname, tgenabled) FROM pg_trigger
  UNION ALL SELECT concat_ws('/', oid, proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws('/', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS parts (part)"""
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
_SEQUENCES = "SELECT setval(oid, 1, false) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'"
_INSTANCE = "UPDATE instance SET id = left(md5(random()::text), 16)"
#: Of a database that grew larger, the next test would feel it.
_MOST_BYTES = 32 * 2**20


class Reused:
    """``new`` makes an empty database and gives its SQLAlchemy URL."""

    def __init__(self, new: Callable[[], str]) -> None:
        self._new = new
        self._free: list[str] = []
        self._shapes: dict[str, str] = {}

    def take(self) -> str:
        """The URL of a database without a row; only a new one's is without tables at first."""
        if self._free:
            return self._free.pop()
        url = self._new()
        open_store(url).close()
        with psycopg.connect(libpq(url)) as connection:
            self._shapes[url] = shape(connection)
        return url

    def give_back(self, url: str) -> bool:
        """Whether another test may have it: nobody uses it any more, and nothing but its rows was changed."""
        with psycopg.connect(libpq(url)) as connection:
            if not _left_alone(connection) or shape(connection) != self._shapes[url]:
                return False
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
            if size > _MOST_BYTES:
                return False
            tables = {name for (name,) in connection.execute(_TABLES)} - {"alembic_version", "instance"}
            # no foreign keys, so in any order
            connection.execute("; ".join([f"DELETE FROM {table}" for table in sorted(tables)]))
            connection.execute(_SEQUENCES)
            connection.execute(_INSTANCE)
        self._free.append(url)
        return True


def libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def shape(connection: psycopg.Connection) -> str:
    (found,) = connection.execute(_SHAPE).fetchone() or ("",)
    return str(found)


def _left_alone(connection: psycopg.Connection) -> bool:
    """The server notices some milliseconds later that a client has gone."""
    deadline = time.monotonic() + 2
    while True:
        (others,) = connection.execute(_OTHERS).fetchone() or (0,)
        connection.rollback()  # or else it would be told the same again
        if not others or time.monotonic() > deadline:
            return not others
        time.sleep(0.005)
