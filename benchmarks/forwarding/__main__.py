"""Spans per second, and seconds of CPU for 1,000 spans, of translating and sending them to a fast local sink.

    python -m benchmarks.forwarding [--requests 8] [--rounds 3] [--only NAME] [--json FILE]

The exporters are driven directly: what is measured begins with records in memory and ends with the sink's answer (for
the archive: with files on the disk). CPU is this process's with all its threads, and not the sink's. Rounds are
interleaved. Compare by ratio within one run, and by CPU before wall time: the sink takes part of the machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import shutil
import statistics
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.forwarding.destinations import Sink, destinations, sink
from benchmarks.forwarding.records import parcels_of, records_of
from benchmarks.ingest.bodies import SPANS_PER_REQUEST, request
from collector.destinations import Destination
from collector.exporters.api import Exporter, Record
from collector.processors.price import Pricer


@dataclass(frozen=True)
class Result:
    """``cpu_per_1000``: user and system time. ``ms_p50``: of one parcel."""

    destination: str
    round: int
    spans: int
    parcels: int
    spans_per_s: float
    cpu_per_1000: float
    ms_p50: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=8, help=f"of {SPANS_PER_REQUEST} spans each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="destinations whose names hold this")
    parser.add_argument("--json", type=Path, help="also write every round's figures here")
    options = parser.parse_args()
    bodies = [request(number) for number in range(options.requests)]
    results = []
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder, sink() as where:
        for number in range(options.rounds):
            for name, destination in destinations(where, Path(folder) / "archive").items():
                if options.only is None or options.only in name:
                    results.append(measure(name, destination, bodies, number, where))
                    print(json.dumps(asdict(results[-1])), flush=True)
                    shutil.rmtree(Path(folder) / "archive", ignore_errors=True)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


def measure(name: str, destination: Destination, bodies: list[bytes], number: int, where: Sink) -> Result:
    """The first body warms up; all of them are measured."""
    pricer = Pricer()
    warm, records = records_of(bodies[0], pricer), [records_of(body, pricer) for body in bodies]
    exporter: Exporter = importlib.import_module(f"collector.exporters.{destination.kind}").build(
        destination, {"api_key": destination.api_key} if destination.api_key else {}
    )
    gc.collect()
    took, cpu = asyncio.run(_send(exporter, warm, records))
    forget(where)
    spans = sum(map(len, records))
    return Result(
        destination=name,
        round=number,
        spans=spans,
        parcels=len(took),
        spans_per_s=round(spans / sum(took), 1),
        cpu_per_1000=round(cpu / spans * 1000, 4),
        ms_p50=round(statistics.median(took) * 1e3, 1),
    )


async def _send(exporter: Exporter, warm: list[Record], records: list[list[Record]]) -> tuple[list[float], float]:
    """(seconds of each parcel, seconds of CPU of all)"""
    try:
        for parcel in parcels_of([warm], exporter.needs):
            await exporter.send(parcel)
        took, cpu = [], time.process_time()
        for parcel in parcels_of(records, exporter.needs):
            began = time.perf_counter()
            receipt = await exporter.send(parcel)
            took.append(time.perf_counter() - began)
            assert not receipt.rejected, receipt
        return took, time.process_time() - cpu
    finally:
        await exporter.close()


def forget(where: Sink) -> None:
    """What the sink has taken, or its memory grows."""
    urllib.request.urlopen(urllib.request.Request(where.http + "/reset", b"", method="POST")).close()


def table(results: list[Result]) -> str:
    lines = [f"{'destination':<26}{'spans/s':>10}{'CPU s/1000':>12}{'parcel ms':>11}"]
    for name in dict.fromkeys(result.destination for result in results):
        of_it = [result for result in results if result.destination == name]
        figures = [statistics.median(getattr(one, key) for one in of_it) for key in ("spans_per_s", "cpu_per_1000")]
        ms = statistics.median(one.ms_p50 for one in of_it)
        lines.append(f"{name:<26}{figures[0]:>10,.0f}{figures[1]:>12.4f}{ms:>11,.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
