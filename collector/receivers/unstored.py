"""Logs and metrics: read for validity and counted, so that the answer can say that none of them is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError

from collector.codec.otlp import MalformedBody
from collector.receivers.answers import LOGS, Media, Signal

_METRIC_DATA: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def count(signal: Signal, media: Media, body: bytes) -> int:
    """Log records or data points of a request. Raises ``MalformedBody``."""
    if media == "json":
        return _logs_json(body) if signal is LOGS else _metrics_json(body)
    return _logs(body) if signal is LOGS else _metrics(body)


def reason(signal: Signal) -> str:
    return f"{signal.name} are not stored yet"


def _logs(body: bytes) -> int:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

    data = _parsed(LogsData(), body)
    return sum(len(scope.log_records) for resource in data.resource_logs for scope in resource.scope_logs)


def _metrics(body: bytes) -> int:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

    data = _parsed(MetricsData(), body)
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


def _parsed(message: Any, body: bytes) -> Any:
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise MalformedBody("the body is not a valid protobuf request") from None
    return message


def _logs_json(body: bytes) -> int:
    return sum(1 for scope in _scopes(body, "resourceLogs", "scopeLogs") for _ in _objects(scope, "logRecords"))


def _metrics_json(body: bytes) -> int:
    return sum(
        1
        for scope in _scopes(body, "resourceMetrics", "scopeMetrics")
        for metric in _objects(scope, "metrics")
        for kind in _METRIC_DATA
        for _ in _objects(_object(metric, kind), "dataPoints")
    )


def _scopes(body: bytes, resources: str, scopes: str) -> Iterator[dict[str, Any]]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedBody("the body must be a JSON object")
    for resource in _objects(document, resources):
        yield from _objects(resource, scopes)


def _objects(parent: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    items = parent.get(name)
    if items is None:
        return
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedBody(f"{name} must be an array of objects")
    yield from items


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if value is not None and not isinstance(value, dict):
        raise MalformedBody(f"{name} must be an object")
    return value or {}
