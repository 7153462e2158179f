"""What leaves the process of a span: the last look, at every span that is sent, whoever made it.

Spans of tracekit's own were masked when their values were captured; here everything else of them is looked at (names,
what was set past tracekit), by all but the application's function, which has seen their texts. Spans of other
instrumentations are masked here in whole, and hold no content where none may be captured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from tracekit import semconv
from tracekit.capture import BY_NAME, KEPT
from tracekit.guard import swallow
from tracekit.redaction import MASKED, Redactor


class MaskedSpan:
    """A span with other attributes, events, links, status and name; all else is the span's own."""

    def __init__(self, span: ReadableSpan) -> None:
        """Without any content."""
        self._span = span
        self.name = MASKED
        self.attributes: dict[str, Any] = {}
        self.events: list[Event] = []
        self.links = [Link(link.context) for link in span.links]
        self.status = Status(span.status.status_code)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)


class Outgoing:
    """``mask`` is called with every span that is about to be encoded. Fails closed: a span that cannot be looked at
    goes without its content."""

    def __init__(self, redactor: Redactor = BY_NAME, mode: str = "full") -> None:
        self._foreign = redactor
        self._own = redactor.without_function()
        #: whether spans of tracekit's own are sent as they are
        self.passes_own = not self._own.scans
        self._kept = KEPT.get(mode)

    def mask(self, span: ReadableSpan) -> Any:
        scope = span.instrumentation_scope
        own = scope is not None and scope.name == semconv.SCOPE
        if own and not self._own.scans:
            return span
        masked = MaskedSpan(span)
        try:
            redactor = self._own if own else self._foreign
            self._fill(masked, span, redactor, None if own else self._kept)
        except Exception as error:  # noqa: BLE001 - fails closed
            swallow("mask", error)
            return MaskedSpan(span)
        return masked

    def resource(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return self._foreign.attributes(attributes)

    def scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        if scope is None or not scope.attributes:
            return scope
        attributes = self._foreign.attributes(scope.attributes)
        return InstrumentationScope(scope.name, scope.version, scope.schema_url, attributes)

    def _fill(self, masked: MaskedSpan, span: ReadableSpan, redactor: Redactor, kept: Any) -> None:
        def left(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
            found = attributes or {}
            return redactor.attributes(found if kept is None else kept.attributes(found))

        status = span.status
        name = redactor.text(span.name)
        attributes = left(span.attributes)
        events = [Event(redactor.text(one.name), left(one.attributes), one.timestamp) for one in span.events]
        links = [Link(link.context, left(link.attributes)) for link in span.links]
        if status.description and kept is None:
            status = Status(status.status_code, redactor.text(status.description))
        else:
            status = Status(status.status_code)
        masked.name, masked.attributes, masked.events = name, attributes, events
        masked.links, masked.status = links, status
