"""``collector.local_phoenix`` as a process of its own: Phoenix comes, is announced, and goes with it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest
from phoenix_server import PYTHON, phoenix_installed

from collector.local_phoenix import (
    LocalPhoenix,
    PhoenixError,
    Settings,
    environment,
    find_python,
    free_port,
    version_of,
)

_PROGRAM = """
import sys
from pathlib import Path
from collector.local_phoenix import Settings, run

settings = Settings(Path(sys.argv[1]), Path(sys.argv[2]), port=0)
sys.exit(run(settings, browser=False, when_ready=lambda url: print("ready", url), project="my app/1"))
"""


@pytest.mark.timeout(180)
def test_it_is_announced_when_it_answers_and_gone_when_we_are(tmp_path: Path) -> None:
    phoenix_installed()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), str(PYTHON)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PHOENIX_SQL_DATABASE_URL": "postgresql://nowhere/x", "PHOENIX_PORT": "1"},
    )
    try:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], 120)
        assert readable, "it never came"
        url = process.stdout.readline().decode().split()[1]
        assert process.stdout.readline().decode().strip() == f"{url}/redirects/projects/my%20app%2F1"
        with urllib.request.urlopen(f"{url}/arize_phoenix_version") as answer:
            assert answer.headers["x-phoenix-server-version"] == version_of(PYTHON)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert children and not any(child.is_running() for child in children)
    finally:
        process.kill()
        process.communicate()


def test_where_it_is_missing_it_says_what_to_install() -> None:
    with pytest.raises(PhoenixError, match="pip install arize-phoenix"):
        find_python(Path("/nowhere/python"))
    with pytest.raises(PhoenixError, match="--python"):
        LocalPhoenix(Settings(Path("/nowhere"), Path("/nowhere/python")))


def test_a_taken_port_is_told() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PhoenixError, match="choose another"):
        free_port("127.0.0.1", taken.getsockname()[1])


def test_nothing_of_it_leaves_the_machine() -> None:
    given = {"PHOENIX_TELEMETRY_ENABLED": "true", "PHOENIX_HOST": "0.0.0.0", "PATH": "/bin", "PYTHONPATH": "/x"}
    told = environment(Settings(Path("/data")), 1, 2, given)
    assert told["PHOENIX_TELEMETRY_ENABLED"] == told["PHOENIX_ALLOW_EXTERNAL_RESOURCES"] == "false"
    assert told["PHOENIX_HOST"] == "127.0.0.1" and told["PATH"] == "/bin" and "PYTHONPATH" not in told


def test_one_that_ends_by_itself_is_told_with_what_it_said(tmp_path: Path) -> None:
    phoenix_installed()
    database = tmp_path / "phoenix.db"
    database.write_text("no database")
    phoenix = LocalPhoenix(Settings(tmp_path, PYTHON, port=0))
    try:
        with pytest.raises(PhoenixError, match=r"(?s)exit code.*database"):
            phoenix.wait_ready(until=threading.Event())
    finally:
        phoenix.stop()
