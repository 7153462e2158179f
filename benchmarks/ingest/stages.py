"""Where an ingested span's CPU time goes: each stage alone, in one process, over the bodies of the ingest benchmark.

    python -m benchmarks.ingest.stages [--requests 20] [--rounds 3]

Microseconds of CPU per span, all threads of the process taken together; the median of the rounds. HTTP is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from isal import isal_zlib

from benchmarks.ingest import bodies
from benchmarks.ingest.bodies import SPANS_PER_REQUEST
from collector.codec.otlp import decode_traces
from collector.model import SpanBatch
from collector.processors.chain import process
from collector.processors.price import Pricer
from collector.queue.api import SUMMARISE
from collector.queue.consumers import build_workers
from collector.storage.sql.store import SqlStore, open_store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    pricer = Pricer()
    process(decode_traces(bodies.request(0)), pricer)  # imports the prices
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder:
        work = Path(folder)
        bodies.write(work, options.requests)
        packed = [file.read_bytes() for file in sorted(work.glob("*.pb.gz"))]
        for number in range(options.rounds):
            for stage, us in _round(f"sqlite:///{work / f'{number}.db'}", packed, pricer).items():
                found.setdefault(stage, []).append(us)
    medians = {stage: statistics.median(values) for stage, values in found.items()}
    for stage, us in [*medians.items(), ("sum", sum(medians.values()))]:
        print(f"{stage:12}{us:7.1f} us/span")


def _round(url: str, packed: list[bytes], pricer: Pricer) -> dict[str, float]:
    spans, took = len(packed) * SPANS_PER_REQUEST, {}

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        took[stage] = (time.process_time() - began) / spans * 1e6
        return result

    unpacked = timed("gunzip", lambda: [isal_zlib.decompress(body, 31) for body in packed])
    batches = timed("decode", lambda: [decode_traces(body) for body in unpacked])
    timed("normalise", lambda: [process(batch) for batch in batches])
    timed("price", lambda: _price(pricer, batches))
    store = open_store(url)
    try:
        timed("store", lambda: [future.result() for future in [store.submit(batch) for batch in batches]])
        timed("summarise", lambda: _drain(store, 0))
        timed("index", lambda: _drain(store, 1))
    finally:
        store.close()
    return took


def _price(pricer: Pricer, batches: list[SpanBatch]) -> None:
    for batch in batches:
        for span in batch.spans:
            pricer.price(span)


def _drain(store: SqlStore, number: int) -> None:
    worker = build_workers(store).each[number]
    assert (worker.consumer == SUMMARISE) == (number == 0)
    while worker.run_once():
        pass


if __name__ == "__main__":
    main()
