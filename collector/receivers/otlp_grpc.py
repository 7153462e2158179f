"""OTLP over gRPC: TraceService, LogsService and MetricsService with the same semantics as over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import structlog
from grpc import aio

from collector import via
from collector.codec.otlp import MalformedBody
from collector.metrics import Metrics
from collector.pipeline import WANTED, Pipeline
from collector.receivers import answers, unstored
from collector.receivers.answers import LOGS, METRICS, TRACES, Signal
from collector.receivers.body import ByteBudget, Lease
from collector.receivers.refusal import INTERNAL, Refusal, malformed, of_storage, unauthenticated
from collector.receivers.shape import decode_protobuf
from collector.storage.api import StorageError
from tracekit.semconv import COLLECTOR_HEADER

#: grpc.aio.ServicerContext; the library has no types.
Context: TypeAlias = Any

_SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": LOGS,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": METRICS,
}
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

log = structlog.get_logger("collector.receivers.otlp_grpc")


class OtlpGrpc:
    """The three services. ``authorized`` judges the ``authorization`` metadata value."""

    def __init__(
        self, pipeline: Pipeline, budget: ByteBudget, metrics: Metrics, authorized: Callable[[str], bool]
    ) -> None:
        self._pipeline = pipeline
        self._budget = budget
        self._metrics = metrics
        self._authorized = authorized

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        return [
            grpc.method_handlers_generic_handler(
                # Without (de)serialisers requests and answers are bytes.
                service,
                {"Export": grpc.unary_unary_rpc_method_handler(self._export(signal))},
            )
            for service, signal in _SERVICES.items()
        ]

    def _export(self, signal: Signal) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def export(body: bytes, context: Context) -> bytes:
            try:
                context.set_trailing_metadata(((COLLECTOR_HEADER, self._pipeline.collector_id or "1"),))
                answer = await self._handle(signal, body, context)
            except Refusal as refusal:
                self._metrics.request("grpc", signal.name, "protobuf", refusal.code)
                details = (("grpc-status-details-bin", answers.status_of(refusal)),)
                await context.abort(_CODES[refusal.code], refusal.message, details)
            self._metrics.request("grpc", signal.name, "protobuf", 0)
            return answer

        return export

    async def _handle(self, signal: Signal, body: bytes, context: Context) -> bytes:
        if not self._authorized(_metadata(context, "authorization")):
            raise unauthenticated()
        way = _metadata(context, via.HEADER)
        if self._pipeline.closes_circle(way):
            return answers.for_spans("protobuf", 0, 0, [])
        with Lease(self._budget) as lease:
            lease.grow(len(body))
            try:
                return await (self._store(body, way) if signal is TRACES else self._count(signal, body))
            except MalformedBody as error:
                raise malformed(str(error)) from None
            except StorageError as error:
                raise of_storage(error) from None
            except Refusal:
                raise
            except Exception:
                log.exception("a request failed", signal=signal.name)
                raise Refusal(500, INTERNAL, "the collector failed; its log says why") from None

    async def _store(self, body: bytes, way: str) -> bytes:
        outcome = await self._pipeline.consume(len(body), lambda: decode_protobuf(body, WANTED), way=way)
        return answers.for_spans("protobuf", outcome.kept, outcome.rejected, outcome.reasons)

    async def _count(self, signal: Signal, body: bytes) -> bytes:
        items = await self._pipeline.compute(len(body), lambda: unstored.count(signal, "protobuf", body))
        self._metrics.rejected(signal.name, items)
        return answers.accepted(signal, "protobuf", items, unstored.reason(signal))


async def start(otlp: OtlpGrpc, address: str, max_message_bytes: int, *, shared_port: bool) -> tuple[aio.Server, int]:
    """(a running server, its port). ``address`` is ``host:port``; with ``shared_port`` other processes may serve it
    too. Raises ``RuntimeError`` where the address cannot be bound."""
    server = aio.server(
        handlers=otlp.handlers(),
        options=[
            ("grpc.so_reuseport", int(shared_port)),
            ("grpc.max_receive_message_length", max_message_bytes),
        ],
    )
    port = server.add_insecure_port(address)
    await server.start()
    return server, port


def _metadata(context: Context, wanted: str) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == wanted:
            return value if isinstance(value, str) else value.decode("latin-1")
    return ""
