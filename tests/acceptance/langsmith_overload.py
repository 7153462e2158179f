"""LangSmith's own client against a collector that cannot store for a while: everything is stored in the end.

``python tests/acceptance/langsmith_overload.py --runs 9000 --seconds 30`` prints what came of it, and exits 1 where a
run is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

from collector_process import CollectorProcess, collectors

#: Sends as many runs as it is told, thirty to a trace, and waits until the client has done what it can.
SENDER = """
import sys, langsmith
from langsmith import traceable
count, pause = int(sys.argv[1]), float(sys.argv[2])
import time
leaf = traceable(lambda number: {"answer": "x" * 500}, name="leaf", run_type="llm")
@traceable(name="root")
def root(size):
    for number in range(size - 1):
        leaf(number)
    time.sleep(pause)
for first in range(0, count, 30):
    root(min(30, count - first))
langsmith.Client().flush()
"""


def outlive(folder: Path, runs: int, until_over: Callable[[CollectorProcess], None], pause_s: float) -> dict[str, Any]:
    """What is stored of ``runs`` that were sent while another program held the database's lock: it is taken when the
    first runs are stored, and let go when ``until_over`` returns."""
    with collectors(folder) as start:
        collector = start()
        database = folder / "tracekit.db"
        began = time.monotonic()
        sender = _sender(collector, runs, pause_s)
        while not _count(database, "SELECT count(*) FROM runs"):
            time.sleep(0.05)
        locking = sqlite3.connect(database, isolation_level=None, timeout=30)
        locking.execute("BEGIN IMMEDIATE")
        until_over(collector)
        locking.execute("ROLLBACK")
        locking.close()
        stderr = sender.communicate(timeout=240)[1].decode()
        return {
            "runs": _count(database, "SELECT count(*) FROM runs"),
            "ended": _count(database, "SELECT count(*) FROM runs WHERE status = 1"),
            "spans": _count(database, "SELECT count(*) FROM spans"),
            "refused": refusals(collector),
            "seconds": round(time.monotonic() - began, 1),
            "client_log": stderr,
        }


def refusals(collector: CollectorProcess) -> int:
    """Requests that were told to come again."""
    lines = collector.get("/metrics").body.decode().splitlines()
    told = [line for line in lines if line.startswith("tracekit_requests_total") and 'signal="langsmith"' in line]
    return sum(int(float(line.split()[-1])) for line in told if 'code="429"' in line or 'code="503"' in line)


def _sender(collector: CollectorProcess, runs: int, pause_s: float) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH_", "LANGCHAIN_"))}
    env = kept | {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"{collector.http}/langsmith",
        "LANGSMITH_API_KEY": "any",
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-c", SENDER, str(runs), str(pause_s)]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE)


def _count(database: Path, statement: str) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        count: int = connection.execute(statement).fetchone()[0]
        return count
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9000)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pause = asked.seconds / (asked.runs / 30)
        result = outlive(Path(folder), asked.runs, lambda _: time.sleep(asked.seconds), pause)
    print(json.dumps(result, indent=1))
    sys.exit(0 if result["ended"] == result["spans"] == asked.runs else 1)


if __name__ == "__main__":
    main()
