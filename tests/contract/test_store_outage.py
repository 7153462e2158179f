"""When the database fails: what was not stored is said to be not stored, and the writer goes on afterwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from sqlalchemy import Connection, text
from store_data import Sent, batch, llm, send, span_id, trace_id

from collector.storage.api import TraceQuery, Unavailable
from collector.storage.sql import connect

TESTS = Path(__file__).parent
#: Stores batches of three spans for ever; a line on standard output for each that was acknowledged.
SENDER = """
import sys
sys.path[:0] = [sys.argv[1]]
from store_data import Sent, batch
from collector.storage.sql.store import open_store
store = open_store(sys.argv[2])
first = int(sys.argv[3])
number = first
waiting = []
while True:
    spans = [Sent(number, span, project=f"p{number % 3}") for span in range(3)]
    waiting.append((number, store.submit(batch(*spans))))
    number += 1
    if len(waiting) == 8:
        done, future = waiting.pop(0)
        assert future.result(30).stored == 3
        print(done, flush=True)
"""


def test_killed_at_any_moment_it_has_everything_acknowledged_once(sql_backend: Backend) -> None:
    acknowledged: list[int] = []
    for attempt, lines in enumerate((1, 60)):
        arguments = [sys.executable, "-c", SENDER, str(TESTS), str(sql_backend.url), str(attempt * 100_000)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as sender:
            assert sender.stdout is not None
            told = [sender.stdout.readline() for _ in range(lines)]
            sender.kill()
            told += sender.stdout.readlines()
        acknowledged += [int(line) for line in told if line.endswith("\n")]
    store = sql_backend.open()
    assert len(acknowledged) >= 61
    for number in acknowledged:
        assert [span.span_id for span in store.get_spans(trace_id(number))] == [span_id(n) for n in range(3)]
    with store.database.read() as connection:
        assert orphans(connection) == 0
        queued = connection.execute(text("SELECT count(*) FROM queue_items")).scalar_one()
        assert queued == 2 * connection.execute(text("SELECT count(*) FROM batches")).scalar_one()


def orphans(connection: Connection) -> Any:
    """Spans without their original, originals without a span or a batch."""
    return connection.execute(
        text(
            "SELECT (SELECT count(*) FROM spans s LEFT JOIN originals o ON o.id = s.original_id WHERE o.id IS NULL)"
            " + (SELECT count(*) FROM originals o LEFT JOIN batches b ON b.id = o.batch_id WHERE b.id IS NULL)"
            " + (SELECT count(*) FROM originals o WHERE NOT EXISTS (SELECT 1 FROM spans s WHERE s.original_id = o.id))"
        )
    ).scalar_one()


def test_a_full_disk_refuses_until_there_is_room(tmp_path: Path) -> None:
    backend = Backend("sqlite", f"sqlite:///{tmp_path}/x.db")
    store = backend.open()
    send(store, Sent(1, 1))

    def pages(limit: int) -> None:
        store.database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {limit}")).result(10)

    pages(1)  # SQLite takes what is in use as the least
    incompressible = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(200_000))
    big = store.submit(batch(llm(2, 1, text=incompressible)))
    with pytest.raises(Unavailable, match="disk is full"):
        big.result(30)
    assert store.get_spans(trace_id(2)) == []
    assert store.pending_spans() == 0
    pages(1_000_000)
    assert send(store, llm(2, 1, text=incompressible), Sent(3, 1)).stored == 2
    assert store.get_span(trace_id(1), span_id(1)) is not None
    backend.close()


def test_another_programs_lock_refuses_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BUSY_TIMEOUT_S", 0.05)
    backend = Backend("sqlite", f"sqlite:///{tmp_path}/x.db")
    store = backend.open()
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="lock"):
        send(store, Sent(1, 1))
    with pytest.raises(Unavailable, match="lock"):
        store.check_writable()
    assert store.list_traces(TraceQuery()).items == []  # readers are not in the way of a writer, nor it in theirs
    other.execute("ROLLBACK")
    other.close()
    store.check_writable()
    assert send(store, Sent(1, 1)).stored == 1
    backend.close()


@pytest.mark.postgres
def test_connections_that_were_cut_are_made_again(postgres_url: str) -> None:
    backend = Backend("postgresql", postgres_url)
    store, other = backend.open(), backend.open()
    send(store, Sent(1, 1))
    cut = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    other.database.write(lambda c: c.execute(cut).scalar()).result(10)
    assert send(store, Sent(2, 1)).stored == 1
    assert [span.name for span in store.get_spans(trace_id(1))] == ["op"]

    def suicide(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable) as refusal:
        store.database.write(suicide).result(10)
    assert "\n" not in str(refusal.value)
    assert send(store, Sent(3, 1)).stored == 1
    backend.close()


def test_the_store_says_whether_it_can_commit(backend: Backend) -> None:
    store = backend.open()
    store.check_writable()
    backend.needs("durability")
    store.close()
    with pytest.raises(Unavailable):
        store.check_writable()


def test_the_size_grows(store: Any) -> None:
    send(store, llm(1, 1, text="x" * 100))
    assert store.size_bytes() > 0


def add_project(name: str) -> Any:
    def job(connection: Connection) -> str:
        connection.execute(text("INSERT INTO projects (name, created_ns) VALUES (:name, 1)"), {"name": name})
        return name

    return job


def test_a_job_that_fails_takes_no_other_with_it(sql_backend: Backend) -> None:
    database = sql_backend.database()
    release = threading.Event()
    for _ in range(database.writers):
        database.write(lambda _: release.wait(30))

    def failing(connection: Connection) -> None:
        add_project("lost")(connection)
        raise LookupError("on purpose")

    jobs = [add_project("a"), failing, add_project("b"), add_project("a"), add_project("c")]
    if sql_backend.name == "postgresql":  # there they run beside each other
        release.set()
        futures = []
        for job in jobs:
            futures.append(database.write(job))
            futures[-1].exception(10)
    else:
        futures = [database.write(job) for job in jobs]
        release.set()
    assert [type(future.exception(10)).__name__ for future in futures] == [
        "NoneType",
        "LookupError",
        "NoneType",
        "IntegrityError",
        "NoneType",
    ]
    with database.read() as connection:
        names = connection.execute(text("SELECT name FROM projects ORDER BY name")).scalars().all()
    assert names == ["a", "b", "c"]


def test_a_first_job_that_fails_leaves_the_next_alone(sql_backend: Backend) -> None:
    database = sql_backend.database()
    assert database.write(lambda c: c.execute(text("SELECT nothing FROM nowhere"))).exception(10) is not None
    assert database.write(add_project("a")).result(10) == "a"


def test_a_reader_cannot_write(sql_backend: Backend) -> None:
    database = sql_backend.database()
    with pytest.raises(Unavailable), database.read() as connection:
        add_project("a")(connection)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM projects")).scalar() == 0


def test_a_reader_sees_one_snapshot(sql_backend: Backend) -> None:
    database = sql_backend.database()
    count = text("SELECT count(*) FROM projects")
    with database.read() as connection:
        assert connection.execute(count).scalar() == 0
        database.write(add_project("a")).result(10)
        assert connection.execute(count).scalar() == 0


@pytest.mark.postgres
def test_a_deadlock_is_run_again(postgres_url: str) -> None:
    backend = Backend("postgresql", postgres_url)
    database = backend.database()
    for name in ("a", "b"):
        database.write(add_project(name)).result(10)
    both = threading.Barrier(2)
    runs: list[str] = []

    def crossing(first: str, second: str) -> Any:
        def job(connection: Connection) -> None:
            connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            for name in (first, second):
                connection.execute(
                    text("UPDATE projects SET created_ns = created_ns + 1 WHERE name = :name"), {"name": name}
                )
                if name == first and len(runs) < 2:
                    runs.append(first)
                    both.wait(10)

        return job

    for future in (database.write(crossing("a", "b")), database.write(crossing("b", "a"))):
        future.result(20)
    with database.read() as connection:
        assert connection.execute(text("SELECT sum(created_ns) FROM projects")).scalar() == 6
    backend.close()
