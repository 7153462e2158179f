"""Time of lists, searches, sums and pages over 100,000 traces, and of one trace with 5,000 spans.

    python -m benchmarks.reading [--traces 100000] [--spans 5000] [--repeat 30] [--database FILE] [--json FILE]

Measured by a client on this machine over one kept connection, from request to last byte, one request at a time. With
``--database`` a file is filled if it does not exist, and kept for the next run.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ingest.servers import Server, open_tracekit
from benchmarks.reading.fill import fill, last_start_ns, store_long_trace
from collector.storage.sql.store import open_store

#: A request that takes long is repeated less often.
PATIENCE_MS = 10_000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--spans", type=int, default=5_000, help="of the long trace")
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--database", type=Path, help="a SQLite file to fill, or to use if it exists")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracekit-bench-") as folder:
        database = (options.database or Path(folder) / "reading.db").resolve()
        if not database.exists():
            _fill(database, options.traces, options.spans)
        results = measure(database, options.repeat)
    print(_table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def _fill(database: Path, traces: int, spans: int) -> None:
    began = time.perf_counter()
    store = open_store(f"sqlite:///{database}")
    try:
        made = fill(store, traces)
        store_long_trace(store, spans)
        size = store.size_bytes() or 0
    finally:
        store.close()
    print(f"{made:,} traces and one of {spans:,} spans: {size / 1e6:,.0f} MB in {time.perf_counter() - began:.0f} s")


def measure(database: Path, repeat: int) -> list[dict[str, Any]]:
    server = open_tracekit(database)
    try:
        time.sleep(3)  # imports of what only readers need
        client = _Client(server)
        return [client.measure(name, path, repeat) for name, path in _requests(client)]
    finally:
        server.stop()


class _Client:
    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._process = psutil.Process(server.process.pid)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:300]!r}")
        return body

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def measure(self, name: str, path: str, repeat: int) -> dict[str, Any]:
        times: list[float] = []
        size, cpu = 0, sum(self._process.cpu_times()[:2])
        while len(times) < repeat and sum(times) < PATIENCE_MS:
            began = time.perf_counter()
            size = len(self.get(path))
            times.append((time.perf_counter() - began) * 1e3)
        cpu = sum(self._process.cpu_times()[:2]) - cpu
        first, ordered = times[0], sorted(times)
        result = {
            "what": name,
            "path": path,
            "first_ms": round(first, 1),
            "p50_ms": round(statistics.median(times), 1),
            "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
            "cpu_ms": round(cpu / len(times) * 1e3, 1),
            "kB": round(size / 1e3, 1),
        }
        print(json.dumps(result), flush=True)
        return result


def _requests(client: _Client) -> Iterator[tuple[str, str]]:
    api = "/api/v1"
    projects = client.json(f"{api}/projects")["items"]
    total = sum(project["traces"] for project in projects)
    long_trace = _long_trace(client)
    some = client.json(f"{api}/traces?limit=1&user_id=user-0007")["items"][0]["trace_id"]
    middle = datetime.fromtimestamp(last_start_ns(total // 2) / 1e9, UTC).isoformat().replace("+00:00", "Z")
    yield "page: list of traces", "/traces?range=all"
    yield "page: rows of the list", "/traces/rows?range=all"
    yield "page: trace of 5,000 spans", f"/traces/{long_trace}"
    yield "page: its tree", f"/traces/{long_trace}/tree.json"
    yield "list: newest 50", f"{api}/traces"
    yield "list: one project", f"{api}/traces?project=project-1"
    yield "list: one user", f"{api}/traces?user_id=user-0007"
    yield "list: errors", f"{api}/traces?status=error"
    yield "list: dearest", f"{api}/traces?sort=-cost"
    yield "list: dearest of a project", f"{api}/traces?sort=-cost&project=project-1"
    yield "list: before the middle", f"{api}/traces?to={middle}"
    yield "list: 50th page", f"{api}/traces?cursor={_cursor(client, 50)}"
    yield "search: one hit", f"{api}/traces?q=order4242"
    yield "search: no hit", f"{api}/traces?q=nosuchword"
    yield "search: a common word", f"{api}/traces?q=con"
    yield "usage: by user", f"{api}/usage?group_by=user_id"
    yield "usage: by day and model", f"{api}/usage?group_by=day,model"
    yield "usage: by tag", f"{api}/usage?group_by=tag:tier"
    yield "projects", f"{api}/projects"
    yield "trace of 8 spans", f"{api}/traces/{some}"
    yield "trace of 5,000 spans, facts", f"{api}/traces/{long_trace}?payload=false"
    yield "trace of 5,000 spans, whole", f"{api}/traces/{long_trace}"


def _long_trace(client: _Client) -> str:
    trace_id: str = client.json("/api/v1/traces?sort=-tokens&limit=1")["items"][0]["trace_id"]
    return trace_id


def _cursor(client: _Client, pages: int) -> str:
    cursor = ""
    for _ in range(pages):
        cursor = client.json(f"/api/v1/traces?limit=50&cursor={cursor}")["next_cursor"] or cursor
    return cursor


def _table(results: list[dict[str, Any]]) -> str:
    lines = ["| what | p50 ms | p95 ms | first ms | server CPU ms | kB |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r['what']} | {r['p50_ms']} | {r['p95_ms']} | {r['first_ms']} | {r['cpu_ms']} | {r['kB']:,} |"
        for r in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
