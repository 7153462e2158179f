"""An OTLP/HTTP server that answers 200 at once, keeps the bodies, and counts their spans only when asked.

``GET /stats`` -> ``{"spans", "bytes", "requests"}``; ``POST /reset`` forgets. Prints its port when ready.
"""

from __future__ import annotations

import asyncio
import gzip
import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
_kept: list[tuple[bool, bytes]] = []


def _spans(gzipped: bool, body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if gzipped else body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _stats() -> bytes:
    found = {
        "spans": sum(_spans(gzipped, body) for gzipped, body in _kept),
        "bytes": sum(len(body) for _, body in _kept),
        "requests": len(_kept),
    }
    body = json.dumps(found).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


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
            length = int(headers.get("content-length", 0))
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._transport.write(self._answer(head[0], headers, body))

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> bytes:
        if line.startswith("get /stats"):
            return _stats()
        if line.startswith("post /reset"):
            _kept.clear()
        else:
            _kept.append((headers.get("content-encoding") == "gzip", body))
        return _OK


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
