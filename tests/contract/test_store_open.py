"""Opening a database: what is created, what is refused and how that is said, and what is migrated."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from sqlalchemy import Connection, create_engine, inspect, text
from store_data import Sent, send

from collector.storage.api import CannotOpen, SchemaTooNew
from collector.storage.migrations.run import revisions
from collector.storage.sql import schema
from collector.storage.sql.engine import open_database


@pytest.fixture
def postgres_of_engine(postgres_url: str) -> str:
    return postgres_url


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "://",
        "mysql://ada:s3cret@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite://relative.db",
        "sqlite:////proc/nowhere/x.db",
        "sqlite:////dev/null/x.db",
        "sqlite:////tmp",
        "postgresql+psycopg://ada:s3cret@127.0.0.1:1/db",
        "postgresql+psycopg://ada:s3cret@127.0.0.1:99999/db",
        "postgresql+psycopg://ada:s3cret@127.0.0.1:x/db",
        "postgresql://ada@127.0.0.1:1/db?password=s3cret",
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line_without_the_password(url: str) -> None:
    with pytest.raises(CannotOpen) as refusal:
        open_database(url)
    said = str(refusal.value)
    assert said and "\n" not in said and "s3cret" not in said and "Traceback" not in said


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be taken for a database header" * 10)
    before = path.read_bytes()
    with pytest.raises(CannotOpen, match="not an SQLite database"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_folders_are_created_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "traces.db"
    open_database(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_of_a_newer_program_is_refused(sql_backend: Backend) -> None:
    store = sql_backend.open()
    store.database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'"))).result(10)
    store.close()
    with pytest.raises(SchemaTooNew, match=r"newer program.*9999"):
        sql_backend.open()


def test_tables_of_another_program_are_not_touched(sql_backend: Backend) -> None:
    assert sql_backend.url is not None
    engine = create_engine(sql_backend.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE spans (theirs INTEGER)"))
    with pytest.raises(CannotOpen, match="tables of another program"):
        open_database(sql_backend.url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["spans"]
    engine.dispose()


def test_several_collectors_may_start_at_once_on_an_empty_database(sql_backend: Backend) -> None:
    start = threading.Barrier(6)

    def opened(_: int) -> Any:
        start.wait()
        return sql_backend.open()

    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(opened, range(6)))
    for number, store in enumerate(stores):
        assert send(store, Sent(number, 1)).stored == 1


def test_the_migrations_lead_to_the_schema_that_a_new_database_gets(
    sql_backend: Backend, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert sql_backend.url is not None
    sql_backend.open().close()
    if sql_backend.name == "postgresql":
        new: Callable[[], str] = request.getfixturevalue("new_postgres")
        migrated = create_engine(new())
    else:
        migrated = create_engine(f"sqlite:///{tmp_path}/migrated.db")
    with migrated.begin() as connection:
        schema.migrate(connection)
        by_migration = described(connection)
    created = create_engine(sql_backend.url)
    with created.connect() as connection:
        assert by_migration == described(connection)
    migrated.dispose()
    created.dispose()


def test_the_program_knows_its_migrations() -> None:
    assert list(schema.REVISIONS) == revisions()


def described(connection: Connection) -> dict[str, Any]:
    """Columns, keys and indexes of every table, as the engine itself tells them."""
    found: dict[str, Any] = {}
    inspector = inspect(connection)
    for table in sorted(inspector.get_table_names()):
        if table.startswith("search_"):
            continue  # FTS5's own
        columns = [
            (column["name"], str(column["type"]), column["nullable"], column["default"])
            for column in inspector.get_columns(table)
        ]
        indexes = sorted(
            f"{index['name']} {index['unique']} {index['column_names']} "
            f"{ {name: str(option) for name, option in index.get('dialect_options', {}).items()} }"
            for index in inspector.get_indexes(table)
        )
        unique = sorted(str(constraint["column_names"]) for constraint in inspector.get_unique_constraints(table))
        found[table] = (columns, indexes, unique, inspector.get_pk_constraint(table)["constrained_columns"])
    if connection.dialect.name == "sqlite":
        options = text("SELECT name, wr, strict FROM pragma_table_list ORDER BY name")
    else:
        options = text(
            "SELECT c.relname, a.attname, a.attstorage::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY 1, 2"
        )
    found[""] = [tuple(row) for row in connection.execute(options)]
    return found


def test_a_start_does_without_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from collector.storage.sql.store import open_store\n"
        f"for _ in range(2): open_store('sqlite:///{tmp_path}/x.db').close()\n"
        "sys.exit('alembic' in sys.modules or 'psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_sqlite_commits_to_disk(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/x.db")
    settings = database.write(
        lambda c: [c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    )
    assert settings.result(10) == ["wal", 2]
    database.close()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.postgres
def test_postgresql_commits_to_disk_whatever_the_default_says(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET synchronous_commit = off"))
    engine.dispose()
    database = open_database(postgres_url)
    setting = database.write(lambda c: c.execute(text("SHOW synchronous_commit")).scalar())
    assert setting.result(10) == "on"
    database.close()
