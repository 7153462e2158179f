"""The smallest honest collector: asyncio, gunzip, parse, walk, orjson, SQLite commit, then the answer.

One process, one thread, WAL with ``synchronous=NORMAL``, three indexes. It bounds what a collector in Python can do.

    python -m benchmarks.ingest.floor_server --port PORT --db FILE
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sqlite3
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

COLUMNS = (
    "trace_id BLOB, span_id BLOB, parent_id BLOB, project TEXT, name TEXT, kind INT, start_ns INT, end_ns INT, "
    "status INT, status_message TEXT, attributes BLOB, events BLOB, model TEXT, tok_in INT, tok_out INT, session TEXT"
)
_NAMES = ", ".join(column.split()[0] for column in COLUMNS.split(", "))
INSERT = f"INSERT OR IGNORE INTO spans ({_NAMES}) VALUES ({','.join('?' * 16)})"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def value_of(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which == "string_value":
        return value.string_value
    if which == "int_value":
        return value.int_value
    if which == "double_value":
        return value.double_value
    if which == "bool_value":
        return value.bool_value
    if which == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return None


def attributes_of(pairs: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def rows_of(body: bytes) -> list[tuple[Any, ...]]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    rows = []
    for resource_spans in request.resource_spans:
        project = attributes_of(resource_spans.resource.attributes).get("openinference.project.name")
        for scope_spans in resource_spans.scope_spans:
            rows += [_row(span, project) for span in scope_spans.spans]
    return rows


def _row(span: Any, project: str | None) -> tuple[Any, ...]:
    attributes = attributes_of(span.attributes)
    events = [
        {"name": event.name, "time": event.time_unix_nano, "attributes": attributes_of(event.attributes)}
        for event in span.events
    ]
    return (
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        project,
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code,
        span.status.message,
        orjson.dumps(attributes),
        orjson.dumps(events) if events else b"[]",
        attributes.get("llm.model_name"),
        attributes.get("llm.token_count.prompt"),
        attributes.get("llm.token_count.completion"),
        attributes.get("session.id"),
    )


class Floor(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, as far as the load generator speaks it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._buffer = bytearray()
        self._needed = -1
        self._gzipped = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._needed >= 0 or self._read_head():
            if len(self._buffer) < self._needed:
                return
            body = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
            self._needed = -1
            if body:
                self._store(gzip.decompress(body) if self._gzipped else body)
            self._transport.write(_OK if body else _BAD)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        _, found, length = head.partition(b"content-length:")
        self._needed = int(length.split(b"\r\n", 1)[0]) if found else 0
        self._gzipped = b"content-encoding: gzip" in head
        del self._buffer[: end + 4]
        return True

    def _store(self, body: bytes) -> None:
        rows = rows_of(body)
        self._database.execute("BEGIN")
        self._database.executemany(INSERT, rows)
        self._database.execute("COMMIT")


def open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(f"CREATE TABLE spans (id INTEGER PRIMARY KEY, {COLUMNS})")
    database.execute("CREATE UNIQUE INDEX u ON spans(trace_id, span_id)")
    database.execute("CREATE INDEX st ON spans(project, start_ns)")
    database.execute("CREATE INDEX se ON spans(session)")
    return database


async def serve(port: int, path: Path) -> None:
    database = open_database(path)
    server = await asyncio.get_running_loop().create_server(lambda: Floor(database), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--db", type=Path, required=True)
    options = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(options.port, options.db))


if __name__ == "__main__":
    main()
