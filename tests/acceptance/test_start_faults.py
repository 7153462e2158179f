"""What keeps a collector from starting is said in one line, and the exit code is 2."""

from __future__ import annotations

import re
import socket
import sqlite3
from pathlib import Path

import pytest
from collector_process import CollectorProcess, Start
from sqlalchemy import create_engine, text


def complaint(collector: CollectorProcess) -> str:
    assert collector.wait() == 2
    lines = collector.stderr().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("tracekit: ")
    return lines[0]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("flag", ["--port", "--grpc-port"])
def test_a_port_in_use(start_collector: Start, flag: str, workers: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = complaint(start_collector(flag, str(port), "--workers", workers, ready=False))
    assert f"port {port}" in line
    assert "in use" in line
    assert f"{flag} PORT" in line


def test_a_port_of_another_collector(start_collector: Start):
    running = start_collector()
    grpc_port = str(running.grpc).rpartition(":")[2]
    line = complaint(start_collector("--grpc-port", grpc_port, ready=False))
    assert f"port {grpc_port}" in line


@pytest.mark.parametrize(
    ("host", "word"), [("no-such-host.invalid", "host is unknown"), ("192.0.2.1", "no such address")]
)
def test_a_host_that_is_not_ours(start_collector: Start, host: str, word: str):
    assert word in complaint(start_collector("--host", host, ready=False))


def test_a_database_of_a_newer_program(start_collector: Start, database_url: str):
    assert start_collector(database_url=database_url).stop() == 0
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "newer program" in complaint(start_collector(database_url=database_url, ready=False))


def not_a_database(folder: Path) -> str:
    file = folder / "picture.db"
    file.write_bytes(b"this is no database " * 100)
    return f"sqlite:///{file}"


def a_folder(folder: Path) -> str:
    return f"sqlite:///{folder}"


def below_a_file(folder: Path) -> str:
    (folder / "file").write_text("")
    return f"sqlite:///{folder / 'file' / 'traces.db'}"


def of_another_program(folder: Path) -> str:
    file = folder / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE spans (id)")
    return f"sqlite:///{file}"


def nobody_there(_folder: Path) -> str:
    return "postgresql+psycopg://user:sesame@127.0.0.1:1/traces"


def nowhere(_folder: Path) -> str:
    return "mysql://localhost/traces"


@pytest.mark.parametrize(
    "url",
    [not_a_database, a_folder, below_a_file, of_another_program, nobody_there, nowhere],
    ids=lambda url: url.__name__,
)
def test_a_database_that_cannot_be_opened(start_collector: Start, tmp_path: Path, url):
    line = complaint(start_collector(database_url=url(tmp_path), ready=False))
    assert "sesame" not in line


def test_several_workers_complain_once(start_collector: Start, tmp_path: Path):
    line = complaint(start_collector("--workers", "2", database_url=not_a_database(tmp_path), ready=False))
    assert str(tmp_path) in line


def test_settings_that_are_wrong_are_all_reported(start_collector: Start, tmp_path: Path):
    file = tmp_path / "tracekit.toml"
    file.write_text('colour = "red"\n')
    collector = start_collector("--port", "70000", "--config", str(file), env={"TRACEKIT_WORKERS": "many"}, ready=False)
    assert collector.wait() == 2
    lines = collector.stderr().splitlines()
    assert len(lines) == 3
    assert all(re.match(r"tracekit: (--port|TRACEKIT_WORKERS|colour in )", line) for line in lines)
