"""Spans per second, and seconds of CPU for 1,000 spans, from the database to a fast local sink.

    python -m benchmarks.forwarding.stored [--requests 20] [--only NAME]

Everything is stored first, on SQLite; then each destination by itself is given all of it, and the clock runs until
nothing waits for it any more: reading, choosing, translating, sending and counting. CPU is this process's, the sink's
is not in it. Phoenix is left out, for a sink cannot be looked into as it is; an archive waits ten seconds for a file to
be worth its while. Compare within one run, CPU before wall time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.forwarding.destinations import destinations, sink
from benchmarks.ingest.bodies import SPANS_PER_REQUEST, request
from collector.codec.otlp import decode_traces
from collector.destinations import Destination
from collector.forwarding.forwarding import Forwarding
from collector.processors.chain import process
from collector.processors.price import Pricer
from collector.queue.consumers import build_workers
from collector.storage.sql.store import SqlStore, open_store

MOST_SECONDS = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20, help=f"of {SPANS_PER_REQUEST} spans each")
    parser.add_argument("--only", help="destinations whose names hold this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder, sink() as where:
        store = open_store(f"sqlite:///{folder}/tracekit.db")
        fill(store, options.requests)
        print("| destination | spans/s | CPU s/1000 |\n|---|---|---|")
        for number, (name, destination) in enumerate(destinations(where, Path(folder) / "archive").items()):
            if destination.kind == "phoenix" or (options.only and options.only not in name):
                continue
            key = "env:BENCH_KEY" if destination.api_key else None
            named = replace(destination, name=f"d{number}", api_key=key)
            seconds, cpu = drain(store, named)
            spans = options.requests * SPANS_PER_REQUEST
            print(f"| {name} | {spans / seconds:,.0f} | {cpu / spans * 1000:.3f} |", flush=True)
        store.close()


def fill(store: SqlStore, requests: int) -> None:
    """Stored and summarised."""
    pricer = Pricer()
    for number in range(requests):
        store.submit(process(decode_traces(request(number)), pricer)).result()
    workers = build_workers(store)
    workers.start()
    while any(store.queue.stats(name, now_ns=time.time_ns()).ready for name in ("summarise", "index")):
        time.sleep(0.1)
    workers.stop()


def drain(store: SqlStore, destination: Destination) -> tuple[float, float]:
    """(seconds, seconds of CPU) until all that is stored has been sent there."""
    store.add_destination(destination, from_ns=0, now_ns=time.time_ns()).result()
    name = destination.name
    forwarding = Forwarding(store, environ={"BENCH_KEY": "secret-key"}, names=(name,))
    began, cpu = time.perf_counter(), time.process_time()
    forwarding.start()
    while store.destination_statuses(now_ns=time.time_ns())[-1].waiting:
        if time.perf_counter() - began > MOST_SECONDS:
            raise TimeoutError(f"{name} was not done within {MOST_SECONDS:g} s")
        time.sleep(0.05)
    took = time.perf_counter() - began, time.process_time() - cpu
    forwarding.stop()
    store.change_destination(name, {"state": "paused"}, now_ns=time.time_ns()).result()
    return took


if __name__ == "__main__":
    main()
