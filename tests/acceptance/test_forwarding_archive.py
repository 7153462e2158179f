"""An archive whose files cannot be written for a while, in a bucket and in a directory: every span is in it, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.dataset
from collector_process import Start, until
from fault_proxy import FaultProxy
from forwarding_process import MOST_LAG_S, add, command, drained, sent, status, under_load
from otlp_load import Load
from otlp_sink_process import SinkProcess
from pyarrow import fs
from s3_server import s3_server

#: Before a bucket: half of the requests, all of them, some that were done nevertheless, and no answer at all.
FAULTS: tuple[dict[str, Any], ...] = (
    {"every": 2, "status": 500},
    {"every": 1, "status": 503},
    {"every": 2, "status": 500, "late": True},
    {"every": 1, "hang": True},
    {"every": 1, "cut": True},
)
#: So many batches are written without waiting for more.
_REQUESTS = 260


def test_a_bucket_that_fails_in_every_way(
    start_collector: Start, sinks: Callable[[], SinkProcess], tmp_path: Path
) -> None:
    healthy = sinks()
    with s3_server(tmp_path) as s3:
        proxy = FaultProxy(urlsplit(s3.endpoint).port or 0)
        collector = start_collector(env={"TRACEKIT_SECRET_BUCKET": s3.secret})
        options = {"s3_endpoint": proxy.url, "access_key": s3.access_key, "timeout_s": 5}
        where = {"endpoint": "s3://archive/traces", "api_key": "env:TRACEKIT_SECRET_BUCKET", "options": options}
        add(collector, "files", kind="archive", **where)
        add(collector, "healthy", kind="otlp", endpoint=healthy.http)
        load, lags = Load(), []
        try:
            for fault in FAULTS:
                failed = proxy.failed()
                proxy.control(**fault)
                under_load(collector, load, lags, requests=_REQUESTS)
                until(lambda failed=failed: proxy.failed() > failed, 30)
            proxy.control()
            until(lambda: drained(collector, "files") and drained(collector, "healthy"), 90)
        finally:
            proxy.end()
        bucket = fs.S3FileSystem(
            access_key=s3.access_key, secret_key=s3.secret, scheme="http", endpoint_override=s3.endpoint[7:]
        )
        rows = _rows("archive/traces", bucket)
    found = status(collector, "files")
    assert (found["buried"], found["sent"]) == (0, status(collector, "healthy")["sent"])
    assert max(lags) < MOST_LAG_S
    assert sent(load) <= set(rows)
    assert len(rows) == len(set(rows))


def test_a_directory_that_is_not_there_for_a_while(
    start_collector: Start, sinks: Callable[[], SinkProcess], tmp_path: Path
) -> None:
    healthy, files = sinks(), tmp_path / "disk"
    database = f"sqlite:///{tmp_path / 'traces.db'}"
    collector = start_collector(database_url=database)
    add(collector, "healthy", kind="otlp", endpoint=healthy.http)
    load, lags = Load(), []
    files.write_text("where the disk would be")
    # Over the network an archive is in a bucket; a directory is the operator's to name.
    endpoint = str(files / "traces")
    command("destination", "add", "files", "--kind", "archive", "--endpoint", endpoint, url=database)
    under_load(collector, load, lags, requests=_REQUESTS)
    until(lambda: "cannot be written" in (status(collector, "files")["last_error"] or ""), 30)
    files.unlink()
    under_load(collector, load, lags, requests=_REQUESTS)
    until(lambda: drained(collector, "files") and drained(collector, "healthy"), 60)
    rows = _rows(str(files / "traces"))
    assert status(collector, "files")["buried"] == 0
    assert max(lags) < MOST_LAG_S
    assert sent(load) <= set(rows)
    assert len(rows) == len(set(rows))


def _rows(folder: str, system: Any = None) -> list[str]:
    """``TRACE:SPAN`` of every row of an archive."""
    table = pyarrow.dataset.dataset(folder, filesystem=system, partitioning="hive").to_table(["trace_id", "span_id"])
    return [f"{row['trace_id']}:{row['span_id']}" for row in table.to_pylist()]
