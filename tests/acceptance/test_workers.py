"""Several processes on the same ports: one address, one database, one line, one signal."""

from __future__ import annotations

import signal

import psutil
from collector_process import PROTOBUF, CollectorProcess, Start, until
from otlp_load import Load, check_stored, check_summarised
from otlp_requests import export_request, protobuf


def workers_of(collector: CollectorProcess) -> list[psutil.Process]:
    return psutil.Process(collector.pid).children()


def test_workers_share_the_load_and_are_replaced(start_collector: Start, database_url: str):
    collector = start_collector("--workers", "2", database_url=database_url)
    first = {worker.pid for worker in workers_of(collector)}
    assert (len(first), collector.ready["workers"]) == (2, 2)
    load = Load()
    with load.on(collector):
        until(lambda: len(load.acknowledged) > 20)
        victim = min(first)
        psutil.Process(victim).kill()
        until(lambda: len({worker.pid for worker in workers_of(collector)} - {victim}) == 2)
    with load.on(collector):
        settled = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > settled + 20)
    check_stored(database_url, load.acknowledged)
    check_summarised(collector, database_url)
    workers = workers_of(collector)
    assert collector.stop() == 0
    assert not [worker for worker in workers if worker.is_running()]


def test_metrics_are_of_all_workers(start_collector: Start):
    collector = start_collector("--workers", "2")
    for number in range(20):
        assert collector.post("/v1/traces", protobuf(export_request(number)), PROTOBUF).status == 200
    assert collector.metric("tracekit_spans_stored_total") == 20
    assert collector.stop() == 0


def test_workers_do_not_outlive_their_parent(start_collector: Start):
    collector = start_collector("--workers", "2")
    workers = workers_of(collector)
    assert len(workers) == 2 and all(worker.is_running() for worker in workers)
    collector.send_signal(signal.SIGKILL)
    collector.wait()
    until(lambda: not any(worker.is_running() for worker in workers))
