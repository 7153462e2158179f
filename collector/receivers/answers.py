"""OTLP's answers in the request's encoding. Pure.

Full success leaves ``partial_success`` unset; errors are ``google.rpc.Status`` messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.codec import wire
from collector.receivers.refusal import Refusal, malformed, unsupported

Media = Literal["protobuf", "json"]

MEDIA_TYPES: Final[dict[Media, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
_MEDIA: Final[dict[str, Media]] = {name: media for media, name in MEDIA_TYPES.items()}


_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"


@dataclass(frozen=True, slots=True)
class Signal:
    """``rejected`` is the JSON name of what its partial success counts; the field's number is 1 in all three."""

    name: str
    rejected: str

    @property
    def path(self) -> str:
        return f"/v1/{self.name}"


TRACES: Final = Signal("traces", "rejectedSpans")
LOGS: Final = Signal("logs", "rejectedLogRecords")
METRICS: Final = Signal("metrics", "rejectedDataPoints")
SIGNALS: Final = (TRACES, LOGS, METRICS)
#: Where each is taken: at OTLP's own paths, and traces also where the SDKs of Langfuse and LangSmith send theirs.
PATHS: Final = {signal.path: signal for signal in SIGNALS} | dict.fromkeys(
    (
        "/api/public/otel/v1/traces",
        "/otel/v1/traces",
        "/langsmith/otel/v1/traces",
        "/langsmith/api/v1/otel/v1/traces",
    ),
    TRACES,
)


def media_of(content_type: str) -> Media:
    """Raises the 415 ``Refusal``."""
    media = _MEDIA.get(content_type.partition(";")[0].strip().lower())
    if media is None:
        raise unsupported(f"Content-Type {content_type[:100]!r} is neither application/x-protobuf nor application/json")
    return media


def accepted(signal: Signal, media: Media, rejected: int = 0, message: str = "") -> bytes:
    """The Export*ServiceResponse. ``rejected`` items were refused for good; ``message`` says why."""
    if media == "json":
        return orjson.dumps(_accepted_json(signal, rejected, message))
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return bytes(response.SerializeToString())


def for_spans(media: Media, kept: int, rejected: int, reasons: list[str]) -> bytes:
    """The answer for traces: ``kept`` spans are stored, ``rejected`` ones refused for good.

    Raises the 400 ``Refusal`` where every single one was refused.
    """
    message = "; ".join(reasons)
    if rejected and not kept:
        raise malformed(f"none of the {rejected} spans can be stored: {message}")
    return accepted(TRACES, media, rejected, message)


def _accepted_json(signal: Signal, rejected: int, message: str) -> dict[str, Any]:
    if not rejected:
        return {}
    return {"partialSuccess": {signal.rejected: str(rejected), "errorMessage": message}}


def refused(refusal: Refusal, media: Media) -> bytes:
    """The google.rpc.Status."""
    if media == "json":
        return orjson.dumps({"code": refusal.code, "message": refusal.message})
    return status_of(refusal)


def status_of(refusal: Refusal) -> bytes:
    """The google.rpc.Status as protobuf, with a RetryInfo where the sender should come again."""
    status = b"\x08" + wire.varint(refusal.code) + wire.field(2, refusal.message.encode())
    if refusal.retry_after_s is None:
        return status
    seconds, nanos = divmod(round(refusal.retry_after_s * 1e9), 10**9)
    duration = b"\x08" + wire.varint(seconds) + b"\x10" + wire.varint(nanos)
    return status + wire.message(3, (wire.field(1, _RETRY_INFO), wire.field(2, wire.field(1, duration))))
