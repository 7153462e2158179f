"""A span as the bytes that are sent for it, with its price; on the export thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from tracekit import cost, semconv, wire
from tracekit.recording import RecordedSpan

#: what a span takes beside its texts
_SPAN_BYTES: Final = 1_024
_MAX_HEADS: Final = 1_000
_PRICES: Final = cost.installed()


class Encoder:
    """``project`` is given to resources that name none, and replaces ``earlier``, which a former ``init`` put into a
    resource that cannot change. Not thread-safe."""

    def __init__(self, project: str, earlier: str | None = None) -> None:
        self._project = project
        self._earlier = earlier
        self._heads: dict[int, tuple[Any, bytes]] = {}

    def encode(self, span: ReadableSpan) -> tuple[bytes, bytes, bytes]:
        """The resource's, the scope's and the span's bytes, as ``wire.request`` takes them."""
        attributes = _attributes(span)
        scope = span.instrumentation_scope
        if _PRICES and scope is not None and scope.name == semconv.SCOPE:
            attributes.update(cost.cost_attributes(attributes, span.start_time or 0))
        resource = self._head(span.resource, self._resource)
        return resource, self._head(scope, wire.scope), wire.span(span, attributes)

    def _resource(self, found: Resource) -> bytes:
        attributes = {semconv.PROJECT_NAME: self._project, semconv.SERVICE_NAME: self._project, **found.attributes}
        if self._earlier is not None and attributes[semconv.PROJECT_NAME] == self._earlier:
            attributes[semconv.PROJECT_NAME] = self._project
        return wire.resource(attributes)

    def _head(self, found: Any, encode: Callable[[Any], bytes]) -> bytes:
        """Resources and scopes are few and never change: encoded once, kept by identity."""
        known = self._heads.get(id(found))
        if known is None or known[0] is not found:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            known = self._heads[id(found)] = (found, encode(found))
        return known[1]


def size_of(span: ReadableSpan) -> int:
    """About how many bytes a span holds."""
    if type(span) is RecordedSpan:
        return _SPAN_BYTES + span.weight
    total = _SPAN_BYTES
    for value in _attributes(span).values():
        kind = type(value)
        if kind is str:
            total += len(value)
        elif kind is tuple:
            total += 24 * len(value)
    return total


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    """A copy of the span's attributes. The SDK's own mapping is slow to walk but quick to copy."""
    found: Any = span.attributes or {}
    return found.copy() if hasattr(found, "copy") else dict(found)
