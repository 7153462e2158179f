"""Destinations as JSON. Pure. Where secrets are found is said, what they are is not known here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from collector.api.values import timestamp
from collector.destinations import Destination
from collector.queue.api import BuriedItem
from collector.storage.forward_api import Status


def destination_json(destination: Destination) -> dict[str, Any]:
    return {
        "name": destination.name,
        "kind": destination.kind,
        "endpoint": destination.endpoint,
        "api_key": destination.api_key,
        "headers": dict(destination.headers),
        "projects": list(destination.projects),
        "filter": destination.filter,
        "sample_rate": destination.sample_rate,
        "masking": None if destination.masking is None else _lists(asdict(destination.masking)),
        "options": dict(destination.options),
        "state": destination.state,
        "source": destination.source,
        "created_at": timestamp(destination.created_ns),
    }


def status_json(status: Status) -> dict[str, Any]:
    """With how it goes: spans and annotations that wait, lag in seconds, what was sent since it was made."""
    return {
        **destination_json(status.destination),
        "waiting": status.waiting,
        "unverified": status.unverified,
        "buried": status.buried,
        "lag_seconds": round(status.lag_ns / 1e9, 3),
        **asdict(status.tally),
        "last_sent_at": _time(status.last_sent_ns),
        "last_error": status.last_error,
        "last_error_at": _time(status.last_error_ns),
    }


def buried_json(item: BuriedItem) -> dict[str, Any]:
    """``spans`` as ``TRACE_ID:SPAN_ID``, ``annotations`` as ids; neither where it is a whole batch."""
    payload = item.payload or {}
    return {
        "id": item.id,
        "reason": item.reason,
        "attempts": item.attempts,
        "batch": item.batch_id,
        "count": payload.get("n"),
        "spans": payload.get("spans"),
        "annotations": payload.get("annotations"),
        "created_at": timestamp(item.created_ns),
    }


def _time(ns: int | None) -> str | None:
    return None if ns is None else timestamp(ns)


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) for name, value in values.items()}
