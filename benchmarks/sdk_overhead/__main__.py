"""``python -m benchmarks.sdk_overhead [--rounds N] [--modes ...] [--peers ...] [--memory N]``: measure, and print the
tables. ``--memory 1000000`` sends so many spans of tracekit's and says what stayed resident meanwhile."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.sdk_overhead import peers
from benchmarks.sdk_overhead.workload import SPANS_PER_CALL

_CALLS = {
    "paced": 300,
    **dict.fromkeys(("large", "records", "text"), 300),
    **dict.fromkeys(("large-loop", "records-loop", "text-loop"), 2_000),
    "flat": 3_000,
    "async": 1_200,
}
_IMPORT_RUNS = 5
#: what would change what is measured: bytecode is always there where packages are installed
_LEFT_OUT = ("OTEL_", "TRACEKIT_", "LANG", "PYTHONDONTWRITEBYTECODE")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {**kept, "PYTHONHASHSEED": "0"}


def _get(url: str, method: str = "GET") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=120) as answer:
        return bytes(answer.read())


def _one(peer: str, mode: str, calls: int, sink: str, timeout: int = 300) -> dict[str, Any]:
    """One measurement in a fresh process."""
    _get(f"{sink}/reset", "POST")
    command = [sys.executable, "-m", "benchmarks.sdk_overhead.bench", peer, mode, str(calls), sink]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=_environment(), check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    time.sleep(0.2)
    arrived = json.loads(_get(f"{sink}/stats"))
    row["arrived"] = arrived["spans"] / row["produced"] * 100
    row["bytes_per_span"] = arrived["bytes"] / max(1, arrived["spans"])
    return row


@contextmanager
def _sink(*options: str) -> Iterator[str]:
    """The address of a running sink."""
    command = [sys.executable, "-m", "benchmarks.sdk_overhead.sink", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()


def measure(names: list[str], modes: list[str], rounds: int, scale: float) -> list[dict[str, Any]]:
    with _sink() as sink:
        return [
            _one(name, mode, int(_CALLS[mode] * scale), sink) for mode in modes for _ in range(rounds) for name in names
        ]


def report_memory(name: str, spans: int) -> None:
    with _sink("--count") as sink:
        row = _one(name, "memory", spans // SPANS_PER_CALL, sink, timeout=3_600)
    print(f"\n{name}: {row['produced']} spans, {row['arrived']:.2f} % arrived; MB resident after each tenth:")
    print("  ".join(f"{size:.1f}" for size in row["resident_mb"]))


def import_times() -> dict[str, list[float]]:
    """Milliseconds that each peer's imports take in fresh processes, the bare interpreter's start left out."""
    program = (
        "import os, time; begin = time.perf_counter(); {}; "
        "print((time.perf_counter() - begin) * 1000, flush=True); os._exit(0)"
    )
    there = [name for name in peers.IMPORTS if name != "floor" and not peers.missing(name)]
    times: dict[str, list[float]] = {name: [] for name in there}
    for number in range(_IMPORT_RUNS + 1):
        for name, runs in times.items():
            command = [sys.executable, "-c", program.format(peers.IMPORTS[name])]
            done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=True)
            if number:  # the first run writes the bytecode
                runs.append(float(done.stdout.split()[-1]))
    return times


def _median(rows: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(row[key] for row in rows))


def report(rows: list[dict[str, Any]], names: list[str], modes: list[str]) -> None:
    for mode in modes:
        of = {name: [row for row in rows if row["peer"] == name and row["mode"] == mode] for name in names}
        floor_cpu, floor_wall = (_median(of["floor"], key) if "floor" in of else 0.0 for key in ("cpu_us", "wall_us"))
        base = of.get("otel_bigq")
        wall_is = "whole run" if mode in ("flat", "async") else "median call"
        print(f"\n{mode}, wall: {wall_is} (floor: {floor_cpu:.1f} us CPU, {floor_wall:.1f} us wall a span)\n")
        print(
            "| peer | added CPU us/span | added wall us/span | x otel_bigq CPU | x wall | arrived | B/span | RSS MB |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for name, found in of.items():
            cpu, wall = _median(found, "cpu_us") - floor_cpu, _median(found, "wall_us") - floor_wall
            spread = "..".join(f"{pick(row['cpu_us'] for row in found) - floor_cpu:.0f}" for pick in (min, max))
            ratios = "- | -"
            if base and name != "floor":
                against = [_median(base, "cpu_us") - floor_cpu, _median(base, "wall_us") - floor_wall]
                ratios = f"{cpu / against[0]:.2f} | {wall / against[1]:.2f}"
            arrived, size, rss = (_median(found, key) for key in ("arrived", "bytes_per_span", "rss_mb"))
            print(
                f"| {name} | {cpu:.1f} [{spread}] | {wall:.1f} | {ratios} | {arrived:.1f} % | {size:.0f} | {rss:.0f} |"
            )


def report_imports(times: dict[str, list[float]]) -> None:
    base = statistics.median(times["otel"])
    print(f"\nimport, median of {_IMPORT_RUNS} fresh processes\n\n| what | ms | x otel |\n|---|---|---|")
    for name, runs in times.items():
        print(f"| {name} | {statistics.median(runs):.0f} | {statistics.median(runs) / base:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sdk_overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", default=",".join(_CALLS))
    parser.add_argument("--peers", default=",".join(peers.NAMES))
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer calls than the default")
    parser.add_argument("--memory", type=int, default=0, metavar="SPANS", help="measure memory over so many spans")
    given = parser.parse_args()
    asked, modes = given.peers.split(","), given.modes.split(",")
    names = [name for name in asked if peers.missing(name) is None]
    for name in sorted(set(asked) - set(names)):
        print(f"{name}: left out, {peers.missing(name)} is not installed")
    if given.memory:
        report_memory("tracekit", given.memory)
        return
    report_imports(import_times())
    report(measure(names, modes, given.rounds, given.scale), names, modes)


if __name__ == "__main__":
    main()
