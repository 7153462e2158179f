"""Servers that fork their workers, as they are started in production: each worker's spans arrive, once."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector_process import CollectorProcess, until
from sdk_children import check_stored, environment

WORKERS = 2
REQUESTS = 12
WSGI = """
    import os
    import tracekit
    from tracekit import trace

    @trace
    def loaded(): return None

    @trace
    def answered(path): return str(os.getpid())

    tracekit.init(interval=30)
    loaded()

    def application(environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        return [answered(environ["PATH_INFO"]).encode()]
    """
ASGI = """
    import os
    import tracekit
    from tracekit import trace

    @trace
    async def answered(path): return str(os.getpid())

    tracekit.init(interval=30)

    async def application(scope, receive, send):
        if scope["type"] == "http":
            body = (await answered(scope["path"])).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
    """
CELERY = """
    from pathlib import Path
    import celery
    import tracekit
    from tracekit import trace

    folder = Path(__file__).parent
    app = celery.Celery("tasks", broker="filesystem://")
    app.conf.update(
        broker_transport_options={name: str(folder / "queue") for name in ("data_folder_in", "data_folder_out")},
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    tracekit.init(interval=30)

    @app.task
    def task(number):
        traced(number)
        with (folder / "done").open("a") as file:
            file.write("x")

    @trace
    def traced(number): return number
    """


@contextlib.contextmanager
def server(arguments: list[str], env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is asked to stop at the end, as its supervisor would ask."""
    log = folder / "server.txt"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", *arguments], env=env, cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
    assert "Traceback" not in log.read_text(), log.read_text()


def ask(port: int) -> str | None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request("GET", "/x")
            return connection.getresponse().read().decode()
        except OSError:
            return None


def ask_every_worker(port: int) -> int:
    """Ask until each worker has answered; how many requests that were."""
    pids: list[str] = []

    def all_have() -> bool:
        found = ask(port)
        if found is not None:
            pids.append(found)
        return len(pids) >= REQUESTS and len(set(pids)) == WORKERS

    until(all_have, 40)
    return len(pids)


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


def test_gunicorn_that_loads_before_it_forks(collector_process: CollectorProcess, tmp_path: Path, port: int) -> None:
    (tmp_path / "web.py").write_text(textwrap.dedent(WSGI))
    arguments = ["gunicorn", "--preload", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", "web:application"]
    with server(arguments, environment(collector_process, tmp_path), tmp_path):
        asked = ask_every_worker(port)
    check_stored(collector_process, tmp_path, {"answered": asked, "loaded": 1})


def test_uvicorn_with_workers(collector_process: CollectorProcess, tmp_path: Path, port: int) -> None:
    (tmp_path / "web.py").write_text(textwrap.dedent(ASGI))
    arguments = ["uvicorn", "--workers", str(WORKERS), "--port", str(port), "web:application"]
    with server(arguments, environment(collector_process, tmp_path), tmp_path):
        asked = ask_every_worker(port)
    check_stored(collector_process, tmp_path, {"answered": asked})


def test_celery_with_its_pool_of_processes(collector_process: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(textwrap.dedent(CELERY))
    (tmp_path / "queue").mkdir()
    env = environment(collector_process, tmp_path)
    send = "import tasks\nfor number in range(8): tasks.task.delay(number)"
    subprocess.run([sys.executable, "-c", send], env=env, cwd=tmp_path, check=True, timeout=60)
    arguments = ["celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", str(WORKERS)]
    with server([*arguments, "--loglevel", "ERROR"], env, tmp_path):
        done = tmp_path / "done"
        until(lambda: done.exists() and done.stat().st_size == 8, 40)
    check_stored(collector_process, tmp_path, {"traced": 8})
