"""What LangSmith's clients were told is stored, is; and what they were told to send again comes."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector_process import CollectorProcess, Start, answer_of, until
from langsmith_overload import outlive, refusals
from langsmith_runs import at, run_uuid
from sqlalchemy import create_engine, text

RUNS_OF_A_REQUEST = 5


def test_runs_sent_during_an_overload_are_all_stored(tmp_path: Path) -> None:
    result = outlive(tmp_path, 300, lambda collector: until(lambda: refusals(collector) > 0), 0.3)
    assert result["refused"] > 0
    assert (result["runs"], result["ended"], result["spans"], result["client_log"]) == (300, 300, 300, "")


def test_kill_9_under_load_loses_no_acknowledged_run(start_collector: Start, database_url: str) -> None:
    collector = start_collector(database_url=database_url)
    load = Load()
    with load.on(collector):
        until(lambda: len(load.ended) > 10)
        time.sleep(random.Random(20261122).uniform(0, 0.3))
        collector.end()
    collector = start_collector(database_url=database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT run_id, status FROM runs")).all()
        spans = connection.execute(text("SELECT span_id FROM spans")).all()
    engine.dispose()
    status = {bytes(run_id): state for run_id, state in rows}
    assert {_id(number) for number in load.started} <= status.keys()
    assert {status[_id(number)] for number in load.ended} == {1}
    assert sorted(bytes(row.span_id) for row in spans) == sorted(run_id[8:] for run_id in status)


def _id(number: int) -> bytes:
    return run_uuid(number).bytes


class Load:
    """Four senders: each posts some runs, and patches them with the next request. ``started`` and ``ended`` are the
    runs whose post or patch was acknowledged."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[int] = []
        self._requests = iter(range(10**9))
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def on(self, collector: CollectorProcess) -> Iterator[None]:
        """Sends while the block runs, at most until the collector is gone."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._send, args=(collector, stop)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _send(self, collector: CollectorProcess, stop: threading.Event) -> None:
        connection = collector.connection()
        while not stop.is_set():
            with self._lock:
                request = next(self._requests)
            numbers = range(request * RUNS_OF_A_REQUEST, (request + 1) * RUNS_OF_A_REQUEST)
            for kind, acknowledged in (("post", self.started), ("patch", self.ended)):
                body = json.dumps({kind: [_told(kind, number, numbers[0]) for number in numbers]})
                try:
                    connection.request("POST", "/langsmith/runs/batch", body)
                    if answer_of(connection).status != 202:
                        return
                except (OSError, http.client.HTTPException):
                    return
                acknowledged += numbers


def _told(kind: str, number: int, root: int) -> dict[str, Any]:
    ids = {"id": str(run_uuid(number)), "trace_id": str(run_uuid(root))}
    if kind == "patch":
        return ids | {"end_time": at(2), "outputs": {"answer": "x" * 200}}
    parent = {"parent_run_id": str(run_uuid(root))} if number != root else {}
    return {**ids, **parent, "name": "run", "run_type": "chain", "start_time": at(1), "inputs": {"q": number}}
