"""Bringing a database to the schema of this program: created at once when empty, migrated when older.

Alembic is imported only to migrate: a start on a current or an empty database does without it.
"""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from collector.storage.api import CannotOpen, SchemaTooNew
from collector.storage.sql import dataset_tables, review_tables, search  # noqa: F401 - its tables join the metadata
from collector.storage.sql.tables import metadata

#: Revisions of ``collector/storage/migrations``, oldest first; the last one is what ``tables`` says.
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
HEAD: Final = REVISIONS[-1]

#: Any number, the same in every program that starts on this database.
_ADVISORY_LOCK: Final = 7_238_116_401


def ensure(engine: Engine, name: str) -> None:
    """Create or migrate, safely beside other processes that do the same.

    Raises ``SchemaTooNew`` where a newer program was here, ``CannotOpen`` where other tables are in the way.
    """
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, so only one of several gets on
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        version = _version(connection)
        if version is None:
            create(connection, name)
        elif version not in REVISIONS:
            raise SchemaTooNew(
                f"{name} was written by a newer program (schema {version}, this one knows {HEAD}): upgrade tracekit"
            )
        elif version != HEAD:
            migrate(connection)


def create(connection: Connection, name: str) -> None:
    """Every table of an empty database, and the note of its revision."""
    taken = sorted({"search", *metadata.tables} & set(inspect(connection).get_table_names()))
    if taken:
        raise CannotOpen(f"{name} holds tables of another program ({', '.join(taken)}): give tracekit its own database")
    metadata.create_all(connection, checkfirst=False)
    for statement in (*search.CREATE[connection.dialect.name], *_EXTRA[connection.dialect.name]):
        connection.execute(text(statement))
    connection.execute(text("INSERT INTO instance VALUES (:id)"), {"id": secrets.token_hex(8)})
    connection.execute(text(_VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def migrate(connection: Connection, revision: str = "head") -> None:
    """Run Alembic's migrations inside the open transaction."""
    from collector.storage.migrations.run import upgrade

    upgrade(connection, revision)


#: What SQLAlchemy's table definitions cannot say: originals are compressed already.
_EXTRA: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (),
    "postgresql": ("ALTER TABLE originals ALTER COLUMN data SET STORAGE EXTERNAL",),
}
_VERSION_TABLE: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_HAS_VERSION: Final = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    # not to_regclass: what it remembers from before the wait for the lock may be wrong by now
    "postgresql": "SELECT 1 FROM pg_class WHERE relname = 'alembic_version' AND pg_table_is_visible(oid)",
}


def _version(connection: Connection) -> str | None:
    if connection.execute(text(_HAS_VERSION[connection.dialect.name])).first() is None:
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version
