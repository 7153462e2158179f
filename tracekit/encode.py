"""A span as the bytes that are sent for it, with its price; on the export thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from tracekit import cost, semconv, wire
from tracekit.deferred import SPAN_BYTES
from tracekit.recording import FastTracer, RecordedSpan
from tracekit.redaction_spans import Outgoing
from tracekit.shared import Shared

_MAX_HEADS: Final = 1_000
_PRICES: Final = cost.installed()
_NOTHING: Final[Mapping[str, Any]] = {}


class Encoder:
    """``project`` is given to resources that name none, and replaces ``earlier``, which a former ``init`` put into a
    resource that cannot change. ``outgoing`` masks what is sent. Not thread-safe."""

    def __init__(self, project: str, earlier: str | None = None, outgoing: Outgoing | None = None) -> None:
        self._outgoing = outgoing or Outgoing()
        self._project = project
        self._earlier = earlier
        self._heads: dict[int, tuple[Any, bytes]] = {}
        self._last: tuple[FastTracer, Resource, tuple[bytes, bytes]] | None = None

    def encode(self, span: ReadableSpan) -> tuple[bytes, bytes, bytes]:
        """The resource's, the scope's and the span's bytes, as ``wire.request`` takes them."""
        if type(span) is RecordedSpan and self._outgoing.passes_own:
            return *self._heads_of(span.tracer), _recorded(span)
        span = self._outgoing.mask(span)
        attributes = _attributes(span)
        scope = span.instrumentation_scope
        if _PRICES and scope is not None and scope.name == semconv.SCOPE:
            attributes.update(cost.cost_attributes(attributes, span.start_time or 0))
        return self._head(span.resource, self._resource), self._head(scope, self._scope), wire.span(span, attributes)

    def _heads_of(self, tracer: FastTracer) -> tuple[bytes, bytes]:
        known = self._last
        resource = tracer.resource
        if known is None or known[0] is not tracer or known[1] is not resource:
            heads = self._head(resource, self._resource), self._head(tracer.scope, self._scope)
            known = self._last = (tracer, resource, heads)
        return known[2]

    def _resource(self, found: Resource) -> bytes:
        attributes = {semconv.PROJECT_NAME: self._project, semconv.SERVICE_NAME: self._project, **found.attributes}
        if self._earlier is not None and attributes[semconv.PROJECT_NAME] == self._earlier:
            attributes[semconv.PROJECT_NAME] = self._project
        return wire.resource(self._outgoing.resource(attributes))

    def _scope(self, found: Any) -> bytes:
        return wire.scope(self._outgoing.scope(found))

    def _head(self, found: Any, encode: Callable[[Any], bytes]) -> bytes:
        """Resources and scopes are few and never change: encoded once, kept by identity."""
        known = self._heads.get(id(found))
        if known is None or known[0] is not found:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            known = self._heads[id(found)] = (found, encode(found))
        return known[1]


def _recorded(span: RecordedSpan) -> bytes:
    own, static, inherited = span.own(), span.static, span.inherited
    if static.keys().isdisjoint(own) and not (
        inherited and (static.keys() & inherited.keys() or own.keys() & inherited.keys())
    ):
        pieces = [_shared(static), _shared(inherited)] if inherited else [_shared(static)]
    else:
        own, static, pieces = {**static, **inherited, **own}, _NOTHING, []
    pieces += wire.attributes(wire.SPAN_ATTRIBUTE, own.items())
    if _PRICES and (not static or static.get(semconv.SPAN_KIND) in cost.PRICED):
        price = cost.cost_attributes({**static, **own}, span.start_time or 0)
        pieces += wire.attributes(wire.SPAN_ATTRIBUTE, price.items())
    return wire.recorded_span(span, pieces)


def _shared(attributes: Mapping[str, Any]) -> bytes:
    if type(attributes) is not Shared:
        return b"".join(wire.attributes(wire.SPAN_ATTRIBUTE, attributes.items()))
    encoded = attributes.encoded
    if encoded is None:
        encoded = attributes.encoded = b"".join(wire.attributes(wire.SPAN_ATTRIBUTE, attributes.items()))
    return encoded


def size_of(span: ReadableSpan) -> int:
    """About how many bytes a span holds."""
    if type(span) is RecordedSpan:
        return span.size
    total = SPAN_BYTES
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
