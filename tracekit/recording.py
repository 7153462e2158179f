"""The spans of tracekit's own provider: OpenTelemetry's interface at a tenth of the SDK's cost.

Sampler, ids, resource, limits and processors are the provider's, so spans of other instrumentations, which the SDK
makes as ever, and these are parts of one trace and reach the same processors.

What a span was given is worked into attributes when they are first read, which is on an exporter's thread: the
application pays for keeping its values only, not for writing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, ParentBased, Sampler
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.util import types

from tracekit.capture import Capture
from tracekit.deferred import SPAN_BYTES, Deferred
from tracekit.errors import exception_attributes, type_name
from tracekit.guard import logger, swallow
from tracekit.ids import Ids
from tracekit.processor import Processors

#: under which a context holds its span
SPAN_KEY: Final = next(iter(set_span_in_context(trace_api.INVALID_SPAN, Context())))
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_SAMPLED: Final = 1
_RANDOM: Final = 2
_NO_STATE: Final = TraceState.get_default()
_NO_LIMIT: Final = 1 << 30
#: what spans share with others is known to be within larger limits
_FEW: Final = 128


class RecordedSpan(Deferred, trace_api.Span, ReadableSpan):
    """A recording span; readable by any processor and exporter while it runs and after.

    ``static`` and ``inherited`` are attributes that it shares with other spans; nobody changes them. ``up`` is the
    parent: its id where it is a span of this process with this trace's flags and state, else its context.
    """

    # What a span seldom has of its own. ``ReadableSpan.__init__`` would set them all, for a microsecond.
    _status: Status = Status(StatusCode.UNSET)
    _events: Any = ()
    _links: Any = ()
    _instrumentation_info = None
    _dropped = 0
    _built: SpanContext | None = None

    def __init__(
        self,
        tracer: FastTracer,
        name: str,
        kind: SpanKind,
        trace_id: int,
        span_id: int,
        up: int | SpanContext | None,
        flags: int,
        state: TraceState,
        static: Mapping[str, Any],
        inherited: Mapping[str, Any],
        start_time: int,
    ) -> None:
        self.tracer = tracer
        self._name = name
        self._kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.up = up
        self.flags = flags
        self.state = state
        self.static = static
        self.inherited = inherited
        self._start_time = start_time
        self._end_time: int | None = None
        self._own: dict[str, Any] | None = None
        self.kept_arguments = self.kept_output = None
        self.size = SPAN_BYTES

    # --- what it is --------------------------------------------------------------------------------------------------
    def get_span_context(self) -> SpanContext:
        built = self._built
        if built is None:
            built = self._built = SpanContext(self.trace_id, self.span_id, False, TraceFlags(self.flags), self.state)
        return built

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    _context = context

    @property
    def parent(self) -> SpanContext | None:
        up = self.up
        return SpanContext(self.trace_id, up, False, TraceFlags(self.flags), self.state) if type(up) is int else up  # type: ignore[return-value]

    _parent = parent

    @property
    def resource(self) -> Resource:
        return self.tracer.resource

    _resource = resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        return self.tracer.scope

    _instrumentation_scope = instrumentation_scope

    @property
    def attributes(self) -> types.Attributes:
        return MappingProxyType({**self.static, **self.inherited, **self.own()})

    @property
    def _attributes(self) -> dict[str, Any]:  # type: ignore[override]
        return {**self.static, **self.inherited, **self.own()}

    @property
    def dropped_attributes(self) -> int:
        self.own()
        return self._dropped

    @property
    def unusual(self) -> bool:
        """Whether there are events, links, a status, or anything dropped."""
        none = type(self._events) is type(self._links) is tuple
        return not none or self._dropped > 0 or self._status is not RecordedSpan._status

    def is_recording(self) -> bool:
        return self._end_time is None

    def __repr__(self) -> str:
        return f'{type(self).__name__}(name="{self._name}", context={self.context})'

    # --- attributes --------------------------------------------------------------------------------------------------
    def own(self) -> dict[str, Any]:
        """The attributes that this span alone has."""
        if self._work is not None:
            own = self._own
            try:
                found = self.work_out()
                if found is not None:
                    if own:
                        found = {key: value for key, value in found.items() if key not in own}
                    self._own, dropped = self._within_limits(own, found)
                    self._dropped += dropped
            except Exception as error:  # noqa: BLE001
                swallow("attributes", error)
            self.worked_out()
        return self._own or {}

    def take(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes that are fit for OpenTelemetry already."""
        if self._end_time is None:
            self._own, dropped = self._within_limits(self._own, attributes)
            self._dropped += dropped

    def _within_limits(self, own: dict[str, Any] | None, given: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Both together as far as the limits allow, and how many are not among them."""
        tracer = self.tracer
        if tracer.max_length is not None:
            given = BoundedAttributes(None, given, False, tracer.max_length)
        room = tracer.max_attributes - len(self.static) - len(self.inherited)
        if own is None and type(given) is dict and len(given) <= room:
            return given, 0
        merged = {**(own or {}), **given}
        if len(merged) <= room:
            return merged, 0
        shared = [key for key in merged if key in self.static or key in self.inherited]
        new = [key for key in merged if key not in self.static and key not in self.inherited]
        kept = shared + new[: max(0, room)]
        return {key: merged[key] for key in kept}, len(merged) - len(kept)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self._end_time is not None:
            logger.warning("an attribute was set on a span that has ended")
            return
        clean = BoundedAttributes(None, attributes, False, self.tracer.max_length)
        self._dropped += clean.dropped
        self.take(clean)

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: value})

    # --- what happens to it ------------------------------------------------------------------------------------------
    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if self._end_time is not None:
            return
        limits = self.tracer.limits
        if type(self._events) is tuple:
            self._events = BoundedList(limits.max_events)
        bounded = BoundedAttributes(limits.max_event_attributes, attributes, True, limits.max_attribute_length)
        self._events.append(Event(name, bounded, timestamp))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self._end_time is None:
            self.link((Link(context, attributes),))

    def link(self, links: Sequence[Link]) -> None:
        """Add those of the links that point or say anything."""
        limits = self.tracer.limits
        if type(self._links) is tuple:
            self._links = BoundedList(limits.max_links)
        for given in links:
            found = given.context
            if found is not None and (found.is_valid or given.attributes or found.trace_state):
                bounded = BoundedAttributes(
                    limits.max_link_attributes, given.attributes, True, limits.max_attribute_length
                )
                self._links.append(Link(found, bounded))

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
        found = exception_attributes(exception, self.tracer.capture)
        self.add_event("exception", {**found, "exception.escaped": str(escaped), **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        if self._end_time is not None:
            return
        processors = self.tracer.processors
        at = time_ns() if end_time is None else end_time
        for before in processors.ending:
            before(self)
        self._end_time = at
        if self._own is not None:
            self.size += sum([len(value) for value in self._own.values() if type(value) is str])
        for after in processors.ended:
            after(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._end_time is None:
            self.record_exception(error, escaped=True)
            self.set_status(Status(StatusCode.ERROR, type_name(error)))
        self.end()


class FastTracer:
    """Starts ``RecordedSpan``s for one provider."""

    def __init__(
        self,
        provider: TracerProvider,
        processors: Processors,
        limits: SpanLimits,
        scope: InstrumentationScope,
        capture: Capture,
    ) -> None:
        self._provider = provider
        self.processors = processors
        self.limits = limits
        self.scope = scope
        self.capture = capture
        most = limits.max_span_attributes
        self.max_attributes: int = _NO_LIMIT if most is None else most
        self.max_length: int | None = limits.max_span_attribute_length
        self._limited = self.max_length is not None or self.max_attributes < _FEW
        ids: Any = provider.id_generator
        self._ids = ids
        #: random bits at once, where the generator is tracekit's own
        self._bits = ids.bits if type(ids) is Ids else None
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
        """As OpenTelemetry's tracer has it."""
        own = BoundedAttributes(None, attributes, False) if attributes else _NOTHING
        return self.start(name, kind, context, _NOTHING, _NOTHING, own, links, start_time)

    def start(
        self,
        name: str,
        kind: SpanKind,
        context: Context | None,
        static: Mapping[str, Any],
        inherited: Mapping[str, Any],
        own: Mapping[str, Any] = _NOTHING,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
    ) -> trace_api.Span:
        """A started span with attributes that it shares with others (see ``RecordedSpan``), and ``own`` ones."""
        above = context.get(SPAN_KEY) if context is not None else trace_api.get_current_span()
        up: int | SpanContext | None
        if self._all and type(above) is RecordedSpan:
            trace_id, up, flags, state = above.trace_id, above.span_id, above.flags, above.state
        else:
            trace_id, up, flags, state = self._under(above)
        if not self._all:
            attributes = {**static, **inherited, **own}
            result = self._sampler.should_sample(context, trace_id, name, kind, attributes, links or ())
            state = _NO_STATE if result.trace_state is None else result.trace_state
            flags = flags & ~_SAMPLED | (_SAMPLED if result.decision is Decision.RECORD_AND_SAMPLE else 0)
            own = {**own, **{key: value for key, value in (result.attributes or {}).items() if key not in attributes}}
            recording = result.decision is not Decision.DROP
        else:
            recording = bool(flags & _SAMPLED)
        bits = self._bits
        span_id = self._ids.generate_span_id() if bits is None else bits(64) or 1
        if not recording:
            return trace_api.NonRecordingSpan(SpanContext(trace_id, span_id, False, TraceFlags(flags), state))
        at = time_ns() if start_time is None else start_time
        span = RecordedSpan(self, name, kind, trace_id, span_id, up, flags, state, static, inherited, at)
        if own or links or self._limited:
            _complete(span, own, links)
        for starting in self.processors.starting:
            starting(span, context)
        return span

    def _under(self, above: Any) -> tuple[int, SpanContext | None, int, TraceState]:
        """Trace id, parent, flags and state of a span beneath ``above``."""
        if above is not None and isinstance(above, trace_api.Span):
            found = above.get_span_context()
            if found.is_valid:
                return found.trace_id, found, int(found.trace_flags), found.trace_state
        if self._bits is not None:
            return self._bits(128) or 1, None, _SAMPLED | _RANDOM, _NO_STATE
        random = getattr(self._ids, "is_trace_id_random", bool)()
        return self._ids.generate_trace_id(), None, _SAMPLED | (_RANDOM if random else 0), _NO_STATE


def _complete(span: RecordedSpan, own: Mapping[str, Any], links: Sequence[Link] | None) -> None:
    """Give a new span what few spans have, within limits that hold for what it shares with others too."""
    given = {**span.static, **span.inherited, **own}
    span.static = span.inherited = _NOTHING
    span.take(given)
    if links:
        span.link(links)


def _samples_all(sampler: Sampler) -> bool:
    """Whether the sampler is the default one: its answer is known unasked (a root yes, a child as its parent)."""
    return sampler is DEFAULT_ON or (
        type(sampler) is ParentBased and sampler.get_description() == DEFAULT_ON.get_description()  # type: ignore[no-untyped-call]
    )
