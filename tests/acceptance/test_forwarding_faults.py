"""Whatever a destination does, it gets every span once, and the others do not wait for it. Real processes all round."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from collector_process import CollectorProcess, Start, until
from forwarding_process import MOST_LAG_S, add, command, drained, sent, status, under_load
from otlp_load import Load
from otlp_sink_process import SinkProcess

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
    load, lags, sizes = Load(pause_s=0.03), [], []
    # What the protocols share is tried with one of them.
    faults = [fault for name, fault in FAULTS.items() if protocol == "http" or name in ("429", "hangs")]
    for fault in faults:
        faulty.control(**fault)
        under_load(collector, load, lags)
        faulty.control()
        until(lambda: drained(collector, "faulty"), 60)
        sizes.append(process.memory_info().rss)
    faulty.end()
    under_load(collector, load, lags)
    faulty.again()
    under_load(collector, load, lags)
    until(lambda: drained(collector, "faulty") and drained(collector, "healthy"), 60)
    assert sent(load) <= set(healthy.ids())
    assert status(collector, "faulty")["sent"] == status(collector, "healthy")["sent"]
    assert status(collector, "faulty")["buried"] == 0
    assert max(lags) < MOST_LAG_S
    assert max(sizes) < sizes[0] + 150 * 2**20


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
    command("destination", "add", "files", "--kind", "archive", "--endpoint", str(files), url=database_url)
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
    until(lambda: all(drained(collector, name) for name in ("other", "sink", "files")), 90 + 3 * kills)
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
