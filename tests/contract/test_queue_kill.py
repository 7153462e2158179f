"""Workers that are killed by the operating system in the middle of real work."""

from __future__ import annotations

import subprocess
import sys

from backends import Backend
from store_data import llm, send
from test_queue_consumers import Clock, run

from collector.queue.api import INDEX, SUMMARISE
from collector.storage.api import TraceQuery, UsageQuery

_CHILD = """
import sys
from collector.queue.consumers import build_workers
from collector.storage.sql.store import open_store

workers = build_workers(open_store(sys.argv[1]), name="child")
print("ready", flush=True)
while any([worker.run_once() for worker in workers.each]):
    print("round", flush=True)
print("done", flush=True)
sys.stdin.read()
"""
BATCHES = 6
TRACES = 60


def test_kill_9_neither_loses_nor_doubles(sql_backend: Backend) -> None:
    store = sql_backend.open()
    for part in range(BATCHES):
        send(store, *(llm(number, part, at=part, text=f"w{number}") for number in range(TRACES)))
    kills = 0
    for wait_for in ("ready", "round", "ready"):
        with subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(sql_backend.url)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout
            line = child.stdout.readline().strip()
            while line not in (wait_for, "done"):
                line = child.stdout.readline().strip()
            child.kill()
            kills += 1
        send(store, *(llm(number, 100 + kills, at=100 + kills, text=f"w{number}") for number in range(TRACES)))
    clock = Clock()
    for _ in range(2):
        clock.now += 60 * 10**9
        run(store, clock)
    for consumer in (SUMMARISE, INDEX):
        stats = store.queue.stats(consumer, now_ns=0)
        assert (stats.ready, stats.claimed, stats.buried) == (0, 0, 0)
    (usage,) = store.usage(UsageQuery())
    assert (usage.traces, usage.calls) == (TRACES, TRACES * (BATCHES + kills))
    assert usage.usage.total_tokens == 15 * usage.calls
    assert not any(trace.stale for trace in store.list_traces(TraceQuery(limit=TRACES)).items)
    assert len(store.list_traces(TraceQuery(q="w7")).items) == 1
