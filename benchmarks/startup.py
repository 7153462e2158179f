"""Start to first accepted span, memory when idle, and what importing the SDK costs, each in fresh processes.

python -m benchmarks.startup [--rounds 7] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.ingest.bodies import long_trace
from benchmarks.ingest.servers import ROOT, clean_environment, free_port, serve_command, wait_for

#: The collector imports its pages and API a second after it started; idle is what comes after that.
IDLE_SECONDS = 4.0
IMPORTS = {
    "python": "pass",
    "opentelemetry": "import opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "tracekit": "import tracekit",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder:
        figures = {"serve": serving(Path(folder), options.rounds), "import": importing(options.rounds)}
    print(_report(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def serving(work: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds to the first accepted span over a new database and over an existing one, and idle memory in MB."""
    found: dict[str, list[float]] = {"new_s": [], "existing_s": [], "idle_rss_mb": []}
    for number in range(rounds):
        database = work / f"{number}.db"
        for kind in ("new_s", "existing_s"):
            seconds, rss = _serve_once(database, long_trace(1, number)[1], idle=kind == "existing_s")
            found[kind].append(seconds)
            if rss is not None:
                found["idle_rss_mb"].append(rss)
    return found


def _serve_once(database: Path, body: bytes, *, idle: bool) -> tuple[float, float | None]:
    port, log = free_port(), database.with_suffix(".log")
    with log.open("wb") as output:
        began = time.perf_counter()
        command = serve_command(port, f"sqlite:///{database}")
        process = subprocess.Popen(command, stdout=output, stderr=output, env=clean_environment(), cwd=ROOT)
        wait_for(process, port, log, body)
    seconds, rss = time.perf_counter() - began, None
    if idle:
        time.sleep(IDLE_SECONDS)
        rss = psutil.Process(process.pid).memory_info().rss / 1e6
    process.terminate()
    process.wait(20)
    return seconds, rss


def importing(rounds: int) -> dict[str, list[float]]:
    """Seconds of whole interpreters that import this and end; interleaved."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(2 * rounds):
        for name, code in IMPORTS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], env=clean_environment(), cwd=ROOT, check=True)
            found[name].append(time.perf_counter() - began)
    return found


def _report(figures: dict[str, dict[str, list[float]]]) -> str:
    serve, imports = figures["serve"], figures["import"]
    bare = statistics.median(imports["python"])
    sdk, peer = (statistics.median(imports[name]) - bare for name in ("tracekit", "opentelemetry"))
    return "\n".join(
        [
            f"start to first accepted span, new database       {_spread(serve['new_s'], 's')}",
            f"start to first accepted span, existing database  {_spread(serve['existing_s'], 's')}",
            f"idle memory                                      {_spread(serve['idle_rss_mb'], 'MB')}",
            *(f"import: {name:41}{_spread(times, 's')}" for name, times in imports.items()),
            f"tracekit to opentelemetry, less bare python      {sdk / peer:.2f} x",
        ]
    )


def _spread(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):.3f} {unit}  [{min(values):.3f}..{max(values):.3f}]"


if __name__ == "__main__":
    main()
