"""What an OTLP backend's answers say. Pure.

Sources: the OTLP specification ("Full Success", "Partial Success", "Failures", "OTLP/gRPC Throttling"), and
``google/rpc/status.proto`` and ``error_details.proto`` for what a gRPC failure brings along.
"""

from __future__ import annotations

from typing import Any, Final

import grpc
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.exporters.api import Away, Failed, Receipt, Rejected
from collector.exporters.http import Answer, shown
from collector.via import parsed
from tracekit.semconv import COLLECTOR_HEADER

#: gRPC metadata with the google.rpc.Status of a failure.
DETAILS: Final = "grpc-status-details-bin"

_MAX_AFTER_S: Final = 3600.0
_CODE: Final = grpc.StatusCode
#: "Come again": what the specification calls retryable, a key that can be mended, and an address that can.
_AWAY: Final = frozenset(
    {
        _CODE.UNAVAILABLE, _CODE.CANCELLED, _CODE.DEADLINE_EXCEEDED, _CODE.ABORTED, _CODE.OUT_OF_RANGE,
        _CODE.UNAUTHENTICATED, _CODE.PERMISSION_DENIED, _CODE.UNIMPLEMENTED, _CODE.NOT_FOUND,
    }
)  # fmt: skip
#: DATA_LOSS may be these spans' doing, whatever the specification says of trying again.
_FAILED: Final = frozenset({_CODE.INTERNAL, _CODE.UNKNOWN, _CODE.DATA_LOSS})


def receipt(body: bytes, sent: int, peer: str | None = None, *, media: str = "") -> Receipt:
    """Of a success. A body that is no ExportTraceServiceResponse says nothing."""
    response = ExportTraceServiceResponse()
    try:
        if "json" in media:
            Parse(body or b"{}", response, ignore_unknown_fields=True)
        elif not media or "protobuf" in media:
            response.ParseFromString(body)
    except (DecodeError, ParseError, ValueError, RecursionError):
        return Receipt(peer=peer)
    partial = response.partial_success
    return Receipt(min(max(partial.rejected_spans, 0), sent), shown(partial.error_message.encode()), peer)


def peer_of(value: str | bytes | None) -> str | None:
    """The collector's id that a COLLECTOR_HEADER is."""
    found = parsed(value if isinstance(value, str) else None)
    return found[0] if len(found) == 1 and value == found[0] else None


def readable(answer: Answer) -> Answer:
    """With the message of a google.rpc.Status as its body, where it is one."""
    if "protobuf" not in answer.headers.get("content-type", ""):
        return answer
    try:
        message = Status.FromString(answer.body).message
    except DecodeError:
        return answer
    return Answer(answer.status, answer.headers, message.encode()) if message else answer


def http_fault(answer: Answer, fault: Exception) -> Exception:
    """What ``collector.exporters.http`` makes of an answer, but for a media type or encoding that is not understood
    there: no span's fault, and to be mended by a setting."""
    return Away(f"{fault} (another options.compression may help)") if answer.status == 415 else fault


def unread(error: OSError) -> Away:
    """The file of a destination's certificates is not there, or not what it should be."""
    return Away(f"options.ca_file cannot be used: {error.strerror or type(error).__name__}")


def grpc_fault(code: Any, details: str | None, metadata: Any) -> Exception:
    """What a failed call means for what was sent. ``code`` is a grpc.StatusCode."""
    told = f"answered {code.name}" + (f": {shown(details.encode('utf-8', 'replace'))}" if details else "")
    after_s = _retry_after_s(metadata)
    if code is _CODE.RESOURCE_EXHAUSTED:
        return Rejected(told) if after_s is None else Away(told, after_s)
    if code in _AWAY:
        return Away(told, after_s or 0.0)
    return Failed(told) if code in _FAILED else Rejected(told)


def in_metadata(metadata: Any, name: str) -> str | bytes | None:
    return next((value for key, value in metadata or () if key == name), None)


def peer_in(metadata: Any) -> str | None:
    return peer_of(in_metadata(metadata, COLLECTOR_HEADER.lower()))


def _retry_after_s(metadata: Any) -> float | None:
    """Seconds of a RetryInfo; None where there is none."""
    found = in_metadata(metadata, DETAILS)
    if not isinstance(found, bytes):
        return None
    info = RetryInfo()
    try:
        for detail in Status.FromString(found).details:
            if detail.Unpack(info):
                seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                return min(max(seconds, 0.0), _MAX_AFTER_S)
    except DecodeError:
        return None
    return None
