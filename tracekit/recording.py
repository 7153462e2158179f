"""The spans of tracekit's own provider: OpenTelemetry's interface at a fifth of the SDK's cost.

Sampler, ids, resource, limits and processors are the provider's, so spans of other instrumentations, which the SDK
makes as ever, and these are parts of one trace and reach the same processors.

Attributes for messages and documents are worked out when they are first read, which is on an exporter's thread: the
application pays for reading its values only, not for writing them in two conventions.
"""

from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, ParentBased, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util import types

from tracekit.capture import Capture
from tracekit.errors import exception_attributes, type_name
from tracekit.guard import swallow

WorkOut = Callable[[], dict[str, Any]]

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Ids(IdGenerator):
    """Random ids from a generator of their own: an application that calls ``random.seed`` must not repeat ids, for
    the same ids are the same spans to a collector."""

    def __init__(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits
        if hasattr(os, "register_at_fork"):
            renew = weakref.WeakMethod(self._renew)
            os.register_at_fork(after_in_child=lambda: (found := renew()) and found())

    def _renew(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits

    def generate_span_id(self) -> int:
        return self._bits(64) or 1

    def generate_trace_id(self) -> int:
        return self._bits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True


class RecordedSpan(trace_api.Span, ReadableSpan):
    """A recording span; readable by any processor and exporter while it runs and after."""

    def __init__(
        self,
        tracer: FastTracer,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        links: Sequence[Link],
        start_time: int | None,
    ) -> None:
        ReadableSpan.__init__(
            self,
            name=name,
            context=context,
            parent=parent,
            resource=tracer.resource,
            attributes=attributes,
            events=[],
            links=links,
            kind=kind,
            instrumentation_scope=tracer.scope,
            start_time=start_time or time_ns(),
        )
        self._tracer = tracer
        self._own = attributes
        self._dropped = 0
        self._work: Sequence[WorkOut] = ()
        self._work_size = 0

    @property
    def attributes(self) -> types.Attributes:
        self._settle()
        return MappingProxyType(self._own)

    @property
    def weight(self) -> int:
        """About how many characters the span holds, with what is still to be worked out."""
        return sum([len(value) for value in self._own.values() if type(value) is str]) + self._work_size

    def defer(self, work: Sequence[WorkOut], size: int) -> None:
        """Have attributes worked out when the span's attributes are first read, from ``size`` characters. Those that
        are set by then win."""
        self._work_size = size
        self._lock = threading.Lock()
        self._work = work

    def to_json(self, indent: int | None = 4) -> str:
        self._settle()
        return str(super().to_json(indent))

    def _settle(self) -> None:
        if not self._work:
            return
        with self._lock:
            found: dict[str, Any] = {}
            for work_out in self._work:
                try:
                    found.update(work_out())
                except Exception as error:  # noqa: BLE001
                    swallow("attributes", error)
            self._add({key: value for key, value in found.items() if key not in self._own})
            self._work = ()

    @property
    def dropped_attributes(self) -> int:
        return self._dropped

    def get_span_context(self) -> SpanContext:
        assert self._context is not None
        return self._context

    def is_recording(self) -> bool:
        return self._end_time is None

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self._end_time is None:
            self._add(attributes)

    def _add(self, attributes: Mapping[str, Any]) -> None:
        own, tracer = self._own, self._tracer
        if tracer.max_length is not None:
            attributes = {key: _cut(value, tracer.max_length) for key, value in attributes.items()}
        if len(own) + len(attributes) <= tracer.max_attributes:
            own.update(attributes)
            return
        for key, value in attributes.items():
            if key in own or len(own) < tracer.max_attributes:
                own[key] = value
            else:
                self._dropped += 1

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: tuple(value) if isinstance(value, list) else value})

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        events = self._events
        if self._end_time is None and isinstance(events, list) and len(events) < self._tracer.max_events:
            events.append(Event(name, dict(attributes or {}), timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self._end_time is None:
            self._links = (*self._links, Link(context, attributes))

    def update_name(self, name: str) -> None:
        if self._end_time is None:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """As OpenTelemetry has it: OK is final, UNSET is ignored."""
        found = status if isinstance(status, Status) else Status(status, description)
        if self._end_time is None and self._status.status_code is not StatusCode.OK and not found.is_unset:
            self._status = found

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        found = exception_attributes(exception, self._tracer.capture)
        self.add_event("exception", {**found, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        if self._end_time is None:
            self._end_time = end_time or time_ns()
            self._tracer.processor.on_end(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.record_exception(error)
            self.set_status(Status(StatusCode.ERROR, type_name(error)))
        self.end()


class FastTracer:
    """Starts ``RecordedSpan``s for one provider."""

    def __init__(
        self,
        provider: TracerProvider,
        processor: SpanProcessor,
        limits: SpanLimits,
        scope: InstrumentationScope,
        capture: Capture,
    ) -> None:
        self._provider = provider
        self.processor = processor
        self.scope = scope
        self.capture = capture
        self.max_attributes: int = limits.max_span_attributes or 1 << 30
        self.max_events: int = limits.max_events or 1 << 30
        self.max_length: int | None = limits.max_span_attribute_length
        self._ids = provider.id_generator
        self._sampler = provider.sampler
        self._all = _samples_all(provider.sampler)

    @property
    def resource(self) -> Resource:
        return self._provider.resource

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
    ) -> trace_api.Span:
        parent: SpanContext | None = trace_api.get_current_span(context).get_span_context()
        if parent is not None and parent.is_valid:
            trace_id = parent.trace_id
        else:
            parent, trace_id = None, self._ids.generate_trace_id()
        own = dict(attributes) if attributes else {}
        state = parent.trace_state if parent is not None else None
        if self._all:
            sampled = parent is None or parent.trace_flags.sampled
        else:
            result = self._sampler.should_sample(context, trace_id, name, kind, own, links or ())
            sampled, state = result.decision is Decision.RECORD_AND_SAMPLE, result.trace_state
            own.update(result.attributes or {})
        flags = _SAMPLED if sampled else TraceFlags(TraceFlags.DEFAULT)
        ids = SpanContext(trace_id, self._ids.generate_span_id(), False, flags, state)
        if not sampled:
            return trace_api.NonRecordingSpan(ids)
        span = RecordedSpan(self, name, ids, parent, kind, own, links or (), start_time)
        self.processor.on_start(span, context)  # type: ignore[arg-type]
        return span


def _cut(value: Any, most: int) -> Any:
    return value[:most] if type(value) is str else value


def _samples_all(sampler: Sampler) -> bool:
    """Whether the sampler is the default one: its answer is known unasked (a root yes, a child as its parent)."""
    return sampler is DEFAULT_ON or (
        type(sampler) is ParentBased and sampler.get_description() == DEFAULT_ON.get_description()  # type: ignore[no-untyped-call]
    )
