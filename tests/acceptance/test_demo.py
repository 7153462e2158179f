"""``tracekit demo`` as a newcomer runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60


def start(data: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    kept = {name: text for name, text in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    return subprocess.Popen(
        [sys.executable, "-m", "collector", "demo", *arguments],
        env=kept | {"XDG_DATA_HOME": str(data), "NO_COLOR": "1", "COLUMNS": "120"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(data: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    with start(data, *arguments, **env) as process:
        out, err = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


FREE_PORTS = ("--port", "0", "--grpc-port", "0")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
#: What the examples make in one run.
TRACES = 27


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def once(data: Path) -> dict[str, Any]:
    """The report of a first run, among settings that are meant for other programs."""
    done = run(data, "--once", "--json", *FREE_PORTS, TRACEKIT_ENDPOINT="http://192.0.2.1", OPENAI_API_KEY="x")
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


def test_once_reports_what_was_stored(data: Path, once: dict[str, Any]) -> None:
    assert once["traces"] == TRACES
    assert once["spans"] > 100
    assert once["projects"] == ["shop-catalogue", "shop-chat", "shop-reviews", "shop-search", "shop-service"]
    assert {row["user_id"] for row in once["by_user"]} >= {"ada", "ben", "chen", "dora", "editor", "nightly"}
    assert sum(row["tokens"] for row in once["by_user"]) == once["tokens"] > 0
    assert sum(Decimal(row["cost"]) for row in once["by_user"]) == Decimal(once["cost"]) > 0
    assert (data / "tracekit" / "demo.db").is_file()


def test_a_second_run_adds_as_much_again_and_stays_up_until_ctrl_c(data: Path, once: dict[str, Any]) -> None:
    with start(data, *FREE_PORTS) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "OPENAI_BASE_URL=" in line:
                break
        url = next(line for line in said if line.startswith("Open ")).split()[1]
        standin = said[-1].partition("OPENAI_BASE_URL=")[2].split()[0]
        with DIRECT.open(f"{url}/api/v1/usage") as answer:
            [usage] = json.load(answer)["items"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert (usage["traces"], usage["usage"]["total_tokens"]) == (2 * TRACES, 2 * once["tokens"])
    text = "".join(said) + rest
    assert f"Stored {TRACES} traces" in text and "ada" in text and "$0." in text
    assert "\x1b" not in text
    for address in (f"{url}/healthz", f"{standin}/models"):
        with pytest.raises(OSError, match="refused"):
            DIRECT.open(address, timeout=2)


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "--once", "--port", str(port), "--grpc-port", "0")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert str(port) in line and "--port" in line


def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    done = run(tmp_path, "--once", *FREE_PORTS, "--database-url", url)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert str(tmp_path) in line
