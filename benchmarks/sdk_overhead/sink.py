"""A server that answers 200 at once, keeps the bodies, and counts their spans only when asked.

Takes OTLP/HTTP (protobuf; plain, gzip or zstd) and LangSmith's multipart runs. ``GET /stats`` -> ``{"spans", "bytes",
"requests"}``; ``POST /reset`` forgets. ``--count`` counts on arrival and keeps nothing. Prints its port when ready.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
#: what LangSmith's client is told, so that it sends as it does to its own server
_INFO = {
    "version": "0.13.0",
    "instance_flags": {"zstd_compression_enabled": True},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1_000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": 100,
        "size_limit_bytes": 20_971_520,
    },
}
_RUN = re.compile(rb'name="(?:post|patch)\.([0-9a-f-]{36})"')
_kept: list[tuple[str, str, bytes]] = []
_counted = {"spans": 0, "bytes": 0, "requests": 0}
_runs: set[bytes] = set()


def _plain(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "zstd":
        import zstandard

        return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    return body


def _count(path: str, encoding: str, body: bytes) -> None:
    _counted["bytes"] += len(body)
    _counted["requests"] += 1
    if path.endswith("/runs/multipart"):
        _runs.update(_RUN.findall(_plain(encoding, body)))
    elif path.endswith("/v1/traces"):
        request = ExportTraceServiceRequest.FromString(_plain(encoding, body))
        _counted["spans"] += sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)


def _json(found: object) -> bytes:
    body = json.dumps(found).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _stats() -> bytes:
    for item in _kept:
        _count(*item)
    _kept.clear()
    return _json({**_counted, "spans": _counted["spans"] + len(_runs)})


def _reset() -> None:
    _kept.clear()
    _runs.clear()
    _counted.update(spans=0, bytes=0, requests=0)


def _body(buffer: bytearray, at: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
    """A request's body and where it ends; None where it has not come in whole yet."""
    if headers.get("transfer-encoding") != "chunked":
        end = at + int(headers.get("content-length", 0))
        return None if len(buffer) < end else (bytes(buffer[at:end]), end)
    chunks: list[bytes] = []
    while (line := buffer.find(b"\r\n", at)) >= 0:
        length = int(bytes(buffer[at:line]).split(b";")[0], 16)
        at = line + 4 + length
        if len(buffer) < at:
            return None
        if length == 0:
            return b"".join(chunks), at
        chunks.append(bytes(buffer[line + 2 : line + 2 + length]))
    return None


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).decode("latin-1").lower().split("\r\n")
            headers = {name: value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            found = _body(self._buffer, end + 4, headers)
            if found is None:
                return
            body, end = found
            del self._buffer[:end]
            self._transport.write(self._answer(head[0], headers, body))

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> bytes:
        path = line.split(" ", 2)[1]
        if path == "/stats":
            return _stats()
        if path == "/reset":
            _reset()
        elif path.endswith("/info"):
            return _json(_INFO)
        elif "--count" in sys.argv:
            _count(path, headers.get("content-encoding", ""), body)
        else:
            _kept.append((path, headers.get("content-encoding", ""), body))
        return _OK


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
