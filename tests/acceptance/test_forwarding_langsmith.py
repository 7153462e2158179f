"""LangSmith (its strict stand-in) failing in every way: it gets every span, and others do not wait for it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector_process import Start, until
from forwarding_process import MOST_LAG_S, add, drained, sent, status, under_load
from langsmith_strict import KEY
from otlp_load import Load
from otlp_sink_process import SinkProcess

STRICT = Path(__file__).parents[1] / "langsmith_strict.py"


class LangSmithProcess:
    """The strict stand-in, which keeps what it took in a file."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "langsmith.json"
        self._port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(STRICT), "--key", KEY, "--state", str(self._state), "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        self._port = int(self.url.rpartition(":")[2])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def control(self, **faults: Any) -> None:
        self._ask("PUT", "/_strict/faults", json.dumps(faults).encode())

    def runs(self) -> set[str]:
        """``TRACE:SPAN`` of the runs that it has, as their metadata says."""
        found = json.loads(self._ask("GET", "/_strict"))
        metadata = [run["extra"]["metadata"] for run in found["runs"].values()]
        return {f"{one['tracekit.trace_id']}:{one['tracekit.span_id']}" for one in metadata}

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, body, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())


def test_langsmith_that_fails_in_every_way(
    start_collector: Start, sinks: Callable[[], SinkProcess], tmp_path: Path
) -> None:
    langsmith, healthy = LangSmithProcess(tmp_path), sinks()
    collector = start_collector(env={"TRACEKIT_SECRET_LANGSMITH": KEY})
    add(
        collector,
        "langsmith",
        kind="langsmith",
        endpoint=langsmith.url,
        api_key="env:TRACEKIT_SECRET_LANGSMITH",
        options={"timeout_s": 3},
    )
    add(collector, "healthy", kind="otlp", endpoint=healthy.http)
    load, lags = Load(pause_s=0.03), []
    for fault in ({"share": 0.5}, {"refuse": 20, "status": 429}, {"hang_s": 10.0}):
        langsmith.control(**fault)
        under_load(collector, load, lags, requests=20)
        langsmith.control()
    langsmith.end()
    under_load(collector, load, lags, requests=20)
    langsmith.start()
    until(lambda: drained(collector, "langsmith") and drained(collector, "healthy"), 90)
    langsmith.end()
    assert max(lags) < MOST_LAG_S
    found = status(collector, "langsmith")
    assert (found["buried"], found["sent"]) == (0, status(collector, "healthy")["sent"])
    langsmith.start()
    assert sent(load) <= langsmith.runs()
    langsmith.end()
    assert KEY not in collector.stderr()
