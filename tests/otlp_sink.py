"""A destination for tests and benchmarks: takes OTLP over HTTP and gRPC, remembers it, and fails as it is told.

    python tests/otlp_sink.py [--port 0] [--grpc-port PORT] [--certificate FILE --key FILE]

Prints one line of JSON with its addresses when it listens. Bodies are kept as they came and looked into when somebody
asks, so that it costs a benchmark next to nothing. Any POST but these is taken for spans:

    POST /control   {Faults}: how to fail from now on, replacing what was said before; {} is not at all
    POST /reset     forget what was taken
    GET  /state     {"requests", "answered": {status: count}, "spans", "unique", "malformed"}
    GET  /ids       {"TRACE:SPAN": how often it was taken}
    GET  /raw       everything taken as one serialised OTLP TracesData
    GET  /requests  [{"path", "headers"}], taken or not, the latest 1,000
    GET  /info      what a LangSmith says of itself, for its runs can be posted here too
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import zlib
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import Any

import zstandard
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

_REASONS = {200: "OK", 400: "Bad Request", 413: "Content Too Large", 429: "Too Many Requests", 503: "Unavailable"}
_INFO = {
    "version": "0.13.0",
    "batch_ingest_config": {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520},
    "instance_flags": {"zstd_compression_enabled": True},
}
_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass
class Faults:
    """``status`` (HTTP) and ``grpc_code`` are answered instead of success, to this ``share`` of the requests, evenly
    spread, and only the first ``times`` where that is not 0; such a request is not taken. ``hang``: no answer at all.
    ``cut``: taken, but the connection is closed unanswered. ``delay_s``: before any answer. ``body``: text of a 200's
    body. ``partial``: taken, but says that so many spans were rejected, for ``reason``. ``poison``: requests that hold
    this text are refused with ``poison_status`` / INVALID_ARGUMENT; ``largest``: those whose decompressed body is
    longer than that, with 413 / RESOURCE_EXHAUSTED. ``headers`` go with every answer."""

    status: int = 0
    grpc_code: int = 0
    share: float = 1.0
    times: int = 0
    retry_after: str = ""
    retry_info_s: float | None = None
    delay_s: float = 0.0
    hang: bool = False
    cut: bool = False
    body: str | None = None
    partial: int = 0
    reason: str = ""
    poison: str = ""
    poison_status: int = 400
    largest: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """``head`` is the request line and the headers as they came."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def unpacked(self) -> bytes:
        encoding = self.headers.get("content-encoding", "identity")
        if encoding == "gzip":
            return zlib.decompress(self.body, 47)
        if encoding == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
        return self.body


@dataclass
class Verdict:
    """``status``: HTTP's; 0 is none, ``hang`` or ``cut``."""

    status: int = 200
    grpc_code: int = 0
    taken: bool = True


class Sink:
    """What was taken, and how the next request is answered."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        self.taken: list[Request] = []
        self.seen: deque[Request] = deque(maxlen=1000)
        self.requests = 0
        self.answered: Counter[str] = Counter()
        self._ids: Counter[str] = Counter()
        self._counted = self._malformed = 0

    def control(self, told: dict[str, Any]) -> None:
        known = {item.name for item in fields(Faults)}
        if unknown := told.keys() - known:
            raise ValueError(f"unknown: {sorted(unknown)}")
        self.faults = Faults(**told)
        self._judged = self._failed = 0

    def take(self, request: Request) -> Verdict:
        self.requests += 1
        self.seen.append(request)
        verdict = self._judge(request)
        if verdict.taken:
            self.taken.append(request)
        self.answered[str(verdict.status or "none")] += 1
        return verdict

    def _judge(self, request: Request) -> Verdict:
        faults = self.faults
        if faults.poison or faults.largest:
            body = request.unpacked()
            if faults.poison and faults.poison.encode() in body:
                return Verdict(faults.poison_status, 3, taken=False)
            if faults.largest and len(body) > faults.largest:
                return Verdict(413, 8, taken=False)
        if not (faults.status or faults.grpc_code or faults.hang or faults.cut):
            return Verdict()
        self._judged += 1
        if int(self._judged * faults.share) <= self._failed or (faults.times and self._failed >= faults.times):
            return Verdict()
        self._failed += 1
        if faults.hang or faults.cut:
            return Verdict(0, 0, taken=faults.cut)
        return Verdict(faults.status or 503, faults.grpc_code or 14, taken=False)

    def answer_body(self) -> bytes:
        faults = self.faults
        if faults.body is not None:
            return faults.body.encode()
        response = ExportTraceServiceResponse()
        if faults.partial or faults.reason:
            response.partial_success.rejected_spans = faults.partial
            response.partial_success.error_message = faults.reason
        return bytes(response.SerializeToString())

    def ids(self) -> Counter[str]:
        for request in self.taken[self._counted :]:
            self._counted += 1
            try:
                message = TracesData.FromString(request.unpacked())
            except (DecodeError, zlib.error, zstandard.ZstdError):
                self._malformed += 1
                continue
            for resource_spans in message.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    self._ids.update(f"{span.trace_id.hex()}:{span.span_id.hex()}" for span in scope_spans.spans)
        return self._ids

    def state(self) -> dict[str, Any]:
        ids = self.ids()
        return {
            "requests": self.requests,
            "answered": self.answered,
            "spans": ids.total(),
            "unique": len(ids),
            "malformed": self._malformed,
        }

    def asked(self, method: str, path: str, body: bytes) -> bytes | None:
        """The answer to what is not OTLP; None for what is."""
        if method == "POST" and path in ("/control", "/reset"):
            self.control(json.loads(body)) if path == "/control" else self.reset()
            return b"{}"
        if method != "GET":
            return None
        if path == "/raw":
            return b"".join(request.unpacked() for request in self.taken)
        if path == "/requests":
            return json.dumps([{"path": one.path, "headers": one.headers} for one in self.seen]).encode()
        if path == "/info":
            return json.dumps(_INFO).encode()
        return json.dumps(self.ids() if path == "/ids" else self.state()).encode()


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time, bodies by Content-Length."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._head = b""
        self._length = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._length >= 0 or self._read_head():
            if len(self._buffer) < self._length:
                return
            body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._length = -1
            self._answer(Request(self._head, body))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._buffer[:end])
        _, found, length = self._head.lower().partition(b"content-length:")
        self._length = int(length.split(b"\r\n", 1)[0]) if found else 0
        if b"expect: 100" in self._head.lower():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        del self._buffer[: end + 4]
        return True

    def _answer(self, request: Request) -> None:
        method, path = request.head.split(b" ", 2)[:2]
        try:
            other = self._sink.asked(method.decode(), path.decode(), request.body)
        except ValueError as error:
            self._write(400, str(error).encode())
            return
        if other is not None:
            self._write(200, other)
            return
        faults, verdict = self._sink.faults, self._sink.take(request)
        if faults.delay_s:
            asyncio.get_running_loop().call_later(faults.delay_s, self._tell, faults, verdict)
        else:
            self._tell(faults, verdict)

    def _tell(self, faults: Faults, verdict: Verdict) -> None:
        if self._transport.is_closing():
            return
        if not verdict.status:
            if faults.cut:
                self._transport.abort()
            return
        extra = dict(faults.headers)
        if verdict.status != 200 and faults.retry_after:
            extra["Retry-After"] = faults.retry_after
        body = self._sink.answer_body() if verdict.status == 200 else b"refused by the sink"
        self._write(verdict.status, body, extra)

    def _write(self, status: int, body: bytes, extra: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Other')}", f"Content-Length: {len(body)}"]
        lines += [
            f"{name}: {value}" for name, value in {"Content-Type": "application/x-protobuf", **(extra or {})}.items()
        ]
        self._transport.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


async def _export(sink: Sink, body: bytes, context: Any) -> bytes:
    import grpc

    pairs = [f"{name}: {value}" for name, value in context.invocation_metadata() if isinstance(value, str)]
    request = Request("\r\n".join([f"POST /{_SERVICE}/Export grpc", *pairs]).encode("latin-1", "replace"), body)
    faults, verdict = sink.faults, sink.take(request)
    if faults.delay_s:
        await asyncio.sleep(faults.delay_s)
    headers = tuple((name.lower(), value) for name, value in faults.headers.items())
    if not verdict.status:
        if faults.hang:
            await asyncio.Event().wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "cut off")
    await context.send_initial_metadata(headers)
    if verdict.status != 200:
        code = next(code for code in grpc.StatusCode if code.value[0] == verdict.grpc_code)
        trailing = () if faults.retry_info_s is None else (("grpc-status-details-bin", _status(faults, verdict)),)
        await context.abort(code, "refused by the sink", trailing)
    return sink.answer_body()


def _status(faults: Faults, verdict: Verdict) -> bytes:
    """A google.rpc.Status with a RetryInfo."""
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round((faults.retry_info_s or 0) * 1e9))
    packed = AnyMessage()
    packed.Pack(info)
    return bytes(Status(code=verdict.grpc_code, message="come again", details=[packed]).SerializeToString())


async def _start_grpc(sink: Sink, port: int, certificate: bytes, key: bytes) -> tuple[Any, int]:
    import grpc

    async def export(body: bytes, context: Any) -> bytes:
        return await _export(sink, body, context)

    handler = grpc.method_handlers_generic_handler(_SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(handlers=[handler], options=options)
    address = f"127.0.0.1:{port}"
    if certificate:
        bound = server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
    else:
        bound = server.add_insecure_port(address)
    await server.start()
    return server, bound


def _read(path: str | None) -> bytes:
    if path is None:
        return b""
    with open(path, "rb") as file:  # noqa: PTH123 - once, before anything is served
        return file.read()


async def serve(options: argparse.Namespace) -> None:
    sink = Sink()
    secure = None
    if options.certificate:
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(options.certificate, options.key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", options.port, ssl=secure)
    scheme = "https" if secure else "http"
    ready = {"http": f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}", "grpc": None}
    if options.grpc_port is not None:
        grpc_server, port = await _start_grpc(sink, options.grpc_port, _read(options.certificate), _read(options.key))
        ready["grpc"] = f"{scheme}://localhost:{port}"
        print(json.dumps(ready), flush=True)
        await grpc_server.wait_for_termination()
    print(json.dumps(ready), flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--grpc-port", type=int, help="serve gRPC too; 0 is any free one")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
