"""OTLP over gRPC: one call a parcel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
from grpc import aio

from collector.exporters.api import Away, Receipt
from collector.exporters.otlp.answers import grpc_fault, peer_in, receipt, unread
from collector.exporters.otlp.http import AGENT

_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_PORT: Final = 4317
#: gRPC has no other that every server knows.
COMPRESSIONS: Final = {"gzip": grpc.Compression.Gzip, "none": grpc.Compression.NoCompression}
_OPTIONS: Final = (
    ("grpc.primary_user_agent", AGENT),
    ("grpc.max_send_message_length", -1),
    # What gRPC does by itself would hide from the queue how long a destination has been away.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
)


def target_of(endpoint: str) -> tuple[str, bool]:
    """(``host:port``, whether by TLS). Raises ``ValueError`` where the endpoint is no address."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("endpoint: must be http://HOST:PORT, or https://HOST:PORT for TLS")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or _PORT}", parts.scheme == "https"


class GrpcSender:
    """``metadata`` goes with every call. ``ca_file`` is trusted instead of the system's certificates."""

    def __init__(
        self, endpoint: str, metadata: Mapping[str, str], *, compression: str, ca_file: str | None, timeout_s: float
    ) -> None:
        self._target, self._secure = target_of(endpoint)
        self._metadata = tuple((name.lower(), value) for name, value in metadata.items())
        self._compression = COMPRESSIONS[compression]
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._channel: Any = None

    def packed(self, body: bytes) -> bytes:
        return body

    async def send(self, packed: bytes, sent: int, extra: Mapping[str, str]) -> Receipt:
        call = self._export()(
            packed,
            timeout=self._timeout_s,
            metadata=(*self._metadata, *((name.lower(), value) for name, value in extra.items())),
            compression=self._compression,
        )
        try:
            answer = await call
            peer = peer_in(await call.initial_metadata()) or peer_in(await call.trailing_metadata())
        except aio.AioRpcError as error:
            raise self._fault(error) from None
        return receipt(answer, sent, peer)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    def _export(self) -> Any:
        # A channel belongs to the event loop that it is made on.
        if self._channel is None:
            if self._secure:
                secure = grpc.ssl_channel_credentials(self._roots())
                self._channel = aio.secure_channel(self._target, secure, options=_OPTIONS)
            else:
                self._channel = aio.insecure_channel(self._target, options=_OPTIONS)
        return self._channel.unary_unary(_METHOD)

    def _roots(self) -> bytes | None:
        try:
            return Path(self._ca_file).read_bytes() if self._ca_file else None
        except OSError as error:
            raise unread(error) from None

    def _fault(self, error: Any) -> Exception:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Away(f"no answer within {self._timeout_s:g} s")
        return grpc_fault(error.code(), error.details(), error.trailing_metadata())
