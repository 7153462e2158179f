"""``TRACEKIT_TRACING=true`` and ``tracekit run``: applications are traced that never call ``init``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from collector_process import CollectorProcess, until

TRACED = "from tracekit import trace\n@trace\ndef work(): return 1\n"
CHAIN = "from langchain_core.runnables import RunnableLambda\nchain = RunnableLambda(lambda x: x + 1, name='plus')\n"


def environment(collector: CollectorProcess, project: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TRACEKIT", "LANG", "OTEL"))}
    variables = {"TRACEKIT_TRACING": "true", "TRACEKIT_ENDPOINT": collector.http, "TRACEKIT_PROJECT": project}
    return inherited | variables | {"NO_PROXY": "*"}


def run(collector: CollectorProcess, project: str, code: str, **variables: str) -> str:
    """What a Python program prints; it must not complain."""
    env = environment(collector, project) | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(collector: CollectorProcess, project: str) -> list[str]:
    items = collector.get(f"/api/v1/traces?project={project}&limit=100").json()["items"]
    return sorted(item["name"] for item in items)


def test_functions_are_traced_without_init(collector_process: CollectorProcess) -> None:
    run(collector_process, "functions", TRACED + "work()")
    until(lambda: bool(names(collector_process, "functions")))
    assert names(collector_process, "functions") == ["work"]


def test_an_application_that_starts_tracing_itself_has_its_way(collector_process: CollectorProcess) -> None:
    """Its arguments, and its provider, although both come after the import."""
    code = (
        "from opentelemetry import trace as api; from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.resources import Resource\n"
        "own = TracerProvider(resource=Resource({'service.name': 'theirs'})); api.set_tracer_provider(own)\n"
        "work(); assert api.get_tracer_provider() is own\n"
    )
    run(collector_process, "joined", TRACED + code)
    run(collector_process, "not-asked", TRACED + "import tracekit; tracekit.init(project='own'); work()")
    until(lambda: names(collector_process, "joined") == names(collector_process, "own") == ["work"])
    assert names(collector_process, "not-asked") == []


def test_importing_tracekit_costs_nothing_where_the_variable_is_not_set() -> None:
    code = "import sys, tracekit; print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'langchain'))])"
    env = {key: value for key, value in os.environ.items() if not key.startswith("TRACEKIT")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_workers_of_a_server_that_is_run_are_traced(collector_process: CollectorProcess, tmp_path: Path) -> None:
    """``tracekit run gunicorn app:app``, preloaded: the workers are forked after LangChain was imported."""
    (tmp_path / "app.py").write_text(
        CHAIN + "def app(environ, start):\n    start('200 OK', [])\n    return [str(chain.invoke(1)).encode()]\n"
    )
    gunicorn = Path(sys.executable).with_name("gunicorn")
    socket = tmp_path / "port"
    hook = tmp_path / "conf.py"
    hook.write_text(
        f"def when_ready(server):\n    open({str(socket)!r}, 'w').write(str(server.LISTENERS[0].getsockname()[1]))\n"
    )
    command = [sys.executable, "-m", "collector", "run", str(gunicorn), "--preload", "--workers", "2", "-c", str(hook)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0", "app:app"],
            cwd=tmp_path,
            env=environment(collector_process, "server"),
            stderr=log,
        )
    try:
        until(lambda: socket.exists() and bool(socket.read_text()), 30)
        for _ in range(4):
            with urllib.request.urlopen(f"http://127.0.0.1:{socket.read_text()}", timeout=20) as answer:
                assert answer.read() == b"2"
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()
    until(lambda: names(collector_process, "server") == ["plus"] * 4)
