"""Whatever a destination does, it gets every span once, and the others do not wait for it. Real processes all round."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from collector_process import CollectorProcess, Start, until
from langsmith_strict import KEY
from otlp_load import Load, spans_of
from otlp_sink_process import SinkProcess, sink_process

STRICT = Path(__file__).parents[1] / "langsmith_strict.py"
#: what an otherwise idle destination may be behind while another one fails
MOST_LAG_S = 5.0
FAULT_S = 1.5


def add(collector: CollectorProcess, name: str, **settings: Any) -> None:
    body = json.dumps({"name": name, **settings}).encode()
    answer = collector.post("/api/v1/destinations", body, {"Content-Type": "application/json"})
    assert answer.status == 201, answer


def status(collector: CollectorProcess, name: str) -> dict[str, Any]:
    found: dict[str, Any] = collector.get(f"/api/v1/destinations/{name}").json()
    return found


def sent(load: Load) -> set[str]:
    """``TRACE:SPAN`` of every acknowledged span."""
    keys = set().union(*map(spans_of, load.acknowledged))
    return {f"{trace.hex()}:{span.hex()}" for trace, span in keys}


def drained(collector: CollectorProcess, name: str) -> bool:
    found = status(collector, name)
    return not found["waiting"] and not found["unverified"]


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


@pytest.fixture
def sinks() -> Iterator[Callable[[], SinkProcess]]:
    opened: list[Any] = []

    def new() -> SinkProcess:
        context = sink_process("--grpc-port", "0")
        opened.append(context)
        return context.__enter__()

    yield new
    for context in opened:
        context.__exit__(None, None, None)


FAULTS: dict[str, dict[str, Any]] = {
    "500 for half": {"status": 500, "grpc_code": 13, "share": 0.5},
    "429": {"status": 429, "grpc_code": 8, "retry_info_s": 0.5},
    "503 with a time": {"status": 503, "grpc_code": 14, "retry_after": "1", "retry_info_s": 1.0},
    "hangs": {"hang": True},
    "cuts connections": {"cut": True},
}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_otlp_backend_that_fails_in_every_way(
    start_collector: Start, sinks: Callable[[], SinkProcess], protocol: str
) -> None:
    collector, faulty, healthy = start_collector(), sinks(), sinks()
    endpoint = str(faulty.http if protocol == "http" else faulty.grpc)
    add(collector, "faulty", kind="otlp", endpoint=endpoint, options={"protocol": protocol, "timeout_s": 2})
    add(collector, "healthy", kind="otlp", endpoint=healthy.http)
    process = psutil.Process(collector.pid)
    load, lags, sizes = Load(), [], []
    # What the protocols share is tried with one of them.
    faults = [fault for name, fault in FAULTS.items() if protocol == "http" or name in ("429", "hangs")]
    for fault in faults:
        faulty.control(**fault)
        _under_load(collector, load, lags)
        faulty.control()
        until(lambda: drained(collector, "faulty"), 60)
        sizes.append(process.memory_info().rss)
    faulty.end()
    _under_load(collector, load, lags)
    faulty.again()
    _under_load(collector, load, lags)
    until(lambda: drained(collector, "faulty") and drained(collector, "healthy"), 60)
    assert sent(load) <= set(healthy.ids())
    assert status(collector, "faulty")["sent"] == status(collector, "healthy")["sent"]
    assert status(collector, "faulty")["buried"] == 0
    assert max(lags) < MOST_LAG_S
    assert max(sizes) < sizes[0] + 150 * 2**20


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
    load, lags = Load(), []
    for fault in ({"share": 0.5}, {"refuse": 20, "status": 429}, {"hang_s": 10.0}):
        langsmith.control(**fault)
        _under_load(collector, load, lags, requests=20)
        langsmith.control()
    langsmith.end()
    _under_load(collector, load, lags, requests=20)
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


def test_kill_9_of_the_collector_loses_nothing_and_shows_nothing_twice(
    start_collector: Start,
    tmp_path_factory: pytest.TempPathFactory,
    database_url: str,
    pytestconfig: pytest.Config,
    sinks: Callable[[], SinkProcess],
    tmp_path: Path,
) -> None:
    """The destinations are another collector, where a double would show, an archive, and a plain backend."""
    import pyarrow.dataset

    other = start_collector(database_url=f"sqlite:///{tmp_path / 'other.db'}")
    sink, files = sinks(), tmp_path / "files"
    collector = start_collector(database_url=database_url)
    add(collector, "other", kind="otlp", endpoint=other.http)
    add(collector, "sink", kind="otlp", endpoint=sink.grpc, options={"protocol": "grpc"})
    collector.end()
    _command(tmp_path, "destination", "add", "files", "--kind", "archive", "--endpoint", str(files), url=database_url)
    moments, load = random.Random(20261125), Load()
    kills = pytestconfig.getoption("--kills")
    for _ in range(kills if kills > 5 else 3):
        collector = start_collector(database_url=database_url)
        before = len(load.acknowledged)
        with load.on(collector):
            until(lambda before=before: len(load.acknowledged) > before)
            time.sleep(moments.uniform(0, 0.7))
            collector.end()
    collector = start_collector(database_url=database_url)
    until(lambda: all(drained(collector, name) for name in ("other", "sink", "files")), 90)
    wanted = sent(load)
    assert wanted <= set(sink.ids())
    stored = {
        f"{item['trace_id']}:{span['span_id']}"
        for item in _traces(other)
        for span in other.get(f"/api/v1/traces/{item['trace_id']}?payload=false").json()["spans"]
    }
    assert wanted <= stored
    assert len(stored) == sum(item["span_count"] for item in _traces(other))
    table = pyarrow.dataset.dataset(files, partitioning="hive").to_table(["trace_id", "span_id"])
    rows = [f"{row['trace_id']}:{row['span_id']}" for row in table.to_pylist()]
    assert wanted <= set(rows)
    assert len(rows) == len(set(rows))


def _under_load(collector: CollectorProcess, load: Load, lags: list[float], requests: int = 40) -> None:
    """Send for a while, and watch how far behind the healthy destination is."""
    target, until_s = len(load.acknowledged) + requests, time.monotonic() + FAULT_S
    with load.on(collector):
        while len(load.acknowledged) < target or time.monotonic() < until_s:
            lags.append(status(collector, "healthy")["lag_seconds"])
            time.sleep(0.2)
            if len(load.acknowledged) > target * 4:
                break
    lags.append(status(collector, "healthy")["lag_seconds"])


def _traces(collector: CollectorProcess) -> list[dict[str, Any]]:
    """Once all of them are summarised."""
    found: list[dict[str, Any]] = []

    def settled() -> bool:
        found.clear()
        cursor = ""
        while True:
            page = collector.get(f"/api/v1/traces?limit=500&cursor={cursor}").json()
            found.extend(page["items"])
            cursor = page["next_cursor"]
            if not cursor:
                return not any(item["stale"] for item in found)

    until(settled, 60)
    return found


def _command(folder: Path, *arguments: str, url: str) -> None:
    command = [sys.executable, "-m", "collector", *arguments, "--database-url", url]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
