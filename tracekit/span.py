"""The span handle: what ``tracekit.current_span()`` and ``with trace.span(...)`` give to an application.

Attributes are gathered here and put on the OpenTelemetry span in one go when it ends. A handle for somebody else's
span writes at once; a handle for no span at all does nothing. No method raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token
from decimal import Decimal
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.context import Context, create_key
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import set_span_in_context

from tracekit import record, semconv
from tracekit.capture import Capture
from tracekit.context import inherited_attributes
from tracekit.conventions import Conventions
from tracekit.current import attach, get_current
from tracekit.deferred import SPAN_BYTES
from tracekit.errors import exception_attributes, is_failure, type_name
from tracekit.guard import guarded, swallow
from tracekit.inputs import read_arguments
from tracekit.notes import CALL_KINDS, Notes
from tracekit.objects import said
from tracekit.packed import unpack
from tracekit.reading import is_a
from tracekit.runtime import Runtime, active
from tracekit.shared import Shared
from tracekit.slabs import Kept
from tracekit.stepping import leave
from tracekit.usage import COUNTS, read_usage, usage_attributes, with_total

if TYPE_CHECKING:
    from tracekit.recording import RecordedSpan

_KEY: Final = create_key("tracekit-span")
#: under which a context holds OpenTelemetry's current span
_OTEL_KEY: Final = next(iter(set_span_in_context(trace_api.INVALID_SPAN, Context())))
_NO_CONTEXT: Final = Context()
_NOTHING: Final[dict[str, Any]] = {}
_CLIENT: Final = SpanKind.CLIENT
_INTERNAL: Final = SpanKind.INTERNAL
_set_item: Final = dict.__setitem__


class Span(Notes):
    """One running span. ``kind`` is one of ``tracekit.semconv.OPENINFERENCE_KINDS``."""

    #: the span itself where it is tracekit's own and can work out attributes when they are read
    _fast: RecordedSpan | None = None
    #: the same where what it is given may be kept for later
    keeper: RecordedSpan | None = None
    _parent: Span | None = None
    #: the OpenTelemetry context in which this span is the current one, until it ends
    context: Context = _NO_CONTEXT

    def __init__(
        self, otel: trace_api.Span, recording: bool, kind: str, settled_kind: bool, capture: Capture, runtime: Runtime
    ) -> None:
        self._otel = otel
        self.recording = recording
        self.kind = kind
        self.settled_kind = settled_kind
        self.capture = capture
        self._runtime = runtime
        # What is read of every span is set on each: Python takes several times as long to find a class's default.
        self._live = self._ended = False
        self._own: dict[str, Any] | None = None
        self.provider: str | None = None
        #: whether the application set its own output
        self.has_output = False

    @property
    def most(self) -> int:  # type: ignore[override]
        return self._runtime.most

    @property
    def conventions(self) -> Conventions:  # type: ignore[override]
        return self._runtime.conventions

    # --- identity ----------------------------------------------------------------------------------------------------
    @property
    def trace_id(self) -> str:
        """32 hex digits; zeros where there is no span."""
        return format(self._otel.get_span_context().trace_id, "032x")

    @property
    def span_id(self) -> str:
        """16 hex digits; zeros where there is no span."""
        return format(self._otel.get_span_context().span_id, "016x")

    @property
    def otel(self) -> trace_api.Span:
        """The OpenTelemetry span underneath."""
        return self._otel

    def is_recording(self) -> bool:
        return self.recording and not self._ended

    # --- what an application says ------------------------------------------------------------------------------------
    @guarded
    def set_attribute(self, key: str, value: Any) -> None:
        """Any attribute. What OpenTelemetry cannot carry becomes JSON text."""
        self.put({said(key): self.capture.attribute(value, said(key))})

    @guarded
    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.put({said(key): self.capture.attribute(value, said(key)) for key, value in attributes.items()})

    @guarded
    def set_input(self, value: Any) -> None:
        """What went in: text, messages, or any value. Replaces the captured arguments."""
        if self.is_recording():
            record.given_input(self, value)

    @guarded
    def set_output(self, value: Any) -> None:
        """What came out, read as a return value would be. Wins over the return value."""
        if self.is_recording():
            record.output(self, value)
            self.has_output = True

    @guarded
    def set_usage(self, usage: Any = None, **counts: int) -> None:
        """Token counts: a provider's usage object or dict, or any of ``tracekit.usage.COUNTS`` by name.

        ``input_tokens`` includes cached tokens and ``output_tokens`` includes reasoning.
        """
        found = read_usage(usage) or {}
        found.update({name: int(count) for name, count in counts.items() if name in COUNTS and count is not None})
        self.put(usage_attributes(with_total(found), self.conventions))

    @guarded
    def set_model(self, model: str, provider: str | None = None, response_model: str | None = None) -> None:
        """The model that was asked for, and the one that answered where that differs."""
        record.set_model(self, model, provider, response_model)

    @guarded
    def set_cost(
        self, total: float | Decimal | None = None, *, input: float | Decimal | None = None, output: Any = None
    ) -> None:
        """What the call cost in US dollars, as the application knows it; it is then not computed."""
        if total is None and input is not None and output is not None:
            total = Decimal(str(input)) + Decimal(str(output))
        costs = {semconv.LLM_COST_TOTAL: total, semconv.LLM_COST_PROMPT: input, semconv.LLM_COST_COMPLETION: output}
        self.put({key: float(cost) for key, cost in costs.items() if cost is not None})

    @guarded
    def add_documents(self, documents: Any) -> None:
        """Retrieved (or reranked) documents: texts, dicts, objects, or (document, score) pairs."""
        if self.is_recording():
            record.add_documents(self, documents)

    @guarded
    def set_embeddings(self, texts: Iterable[str] | None = None, vectors: Sequence[Any] | None = None) -> None:
        """The embedded texts and their vectors, in the same order."""
        if self.is_recording():
            record.set_embeddings(self, texts, vectors)

    @guarded
    def set_prompt(
        self,
        template: str | None = None,
        version: object = None,
        variables: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        """The prompt template that was filled in."""
        if self.is_recording():
            record.set_prompt(self, template, version, variables, name)

    @guarded
    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        found = {said(key): self.capture.attribute(value, said(key)) for key, value in (attributes or {}).items()}
        self._otel.add_event(said(name), found)

    @guarded
    def record_error(self, error: BaseException | str) -> None:
        """Mark the span as failed: with an exception, or with a message."""
        if not self.is_recording():
            return
        if is_a(error, BaseException):
            attributes = exception_attributes(error, self.capture)
            self._otel.add_event(semconv.EXCEPTION_EVENT, attributes)
            self.put({semconv.ERROR_TYPE: type_name(error)})
            message = attributes.get(semconv.EXCEPTION_MESSAGE, "")
        else:
            self.put({semconv.ERROR_TYPE: "_OTHER"})
            message = self.capture.text(said(error), 2_000) if self.capture.content else ""
        self._otel.set_status(Status(StatusCode.ERROR, message))

    # --- for the rest of tracekit ------------------------------------------------------------------------------------
    def put(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes that are already fit for OpenTelemetry."""
        if not self.recording or self._ended:
            return
        if self._live:
            self._otel.set_attributes(dict(attributes))
        elif self._own is None:
            self._own = dict(attributes)
        else:
            self._own.update(attributes)

    def become(self, kind: str) -> None:
        """Change the kind of a span whose kind nobody chose."""
        self.kind = kind
        self.put(kind_attributes(kind))

    def answered(self) -> None:
        """A model's answer was recorded here: the spans around this one that return it are no calls of their own."""
        self._answered = True
        outer = self._parent
        while outer is not None and not outer._answered:
            outer._answered = True
            outer = outer._parent

    def returned(self, value: Any) -> None:
        """Record a return value, unless the application gave its own output."""
        if value is not None and not self.has_output and self.recording and not self._ended:
            try:
                record.output(self, value)
            except Exception as error:  # noqa: BLE001
                swallow("output", error)

    def later(self, size_of: Callable[[Any], int | None], work_out: Callable[..., dict[str, Any]], *given: Any) -> None:
        """Add the attributes that ``work_out(*given)`` gives: when the span's attributes are first read, where the span
        can do that and nobody can change what is ``given`` meanwhile, else now."""
        keeper = self.keeper
        size = None if keeper is None else size_of(given[0])
        if keeper is None or size is None:
            self.put(work_out(*given))
        elif self.is_recording():
            keeper.later = (*keeper.later, functools.partial(work_out, *given))
            keeper.size += size

    def read_kept(self) -> None:
        """Read the arguments now."""
        fast = self._fast
        if fast is not None and fast.kept_arguments:
            given, fast.kept_arguments = fast.kept_arguments, None
            read_arguments(self, unpack(given) if type(given) is Kept else given)

    def first_token(self) -> None:
        """Mark now as the time of a stream's first token."""
        now = time_ns()
        started = getattr(self._otel, "start_time", None)
        if isinstance(started, int):
            self.put({semconv.GEN_AI_TIME_TO_FIRST_CHUNK: max(0, now - started) / 1e9})
        self._otel.add_event(semconv.FIRST_TOKEN_EVENT, timestamp=now)

    def end(self, error: BaseException | None = None) -> None:
        """End the span, as failed where ``error`` is a failure. Never raises; a second call does nothing."""
        if self._ended or self._live:
            return
        try:
            if error is not None and is_failure(error):
                self.record_error(error)
            self._ended = True
            fast = self._fast
            if fast is None:
                if self._own:
                    self._otel.set_attributes(self._own)
            else:
                if self._own:
                    fast.take(self._own)
                if fast.size > SPAN_BYTES:  # something is kept
                    fast.defer(record.worked_out, self.kind, self.capture, self._runtime, self.provider)
            self._otel.end()
        except Exception as fault:  # noqa: BLE001
            self._ended = True
            swallow("end", fault)
        # The context holds this handle: without this, every span would wait for the garbage collector. And a chain of
        # spans, each started beneath the one before, must not keep them all.
        self.context = _NO_CONTEXT
        self._parent = None


_NO_CAPTURE: Final = Capture("none")
_NO_RUNTIME: Final = Runtime(trace_api.NoOpTracer(), _NO_CAPTURE, 0)


def _live(otel: trace_api.Span, runtime: Runtime) -> Span:
    """A handle for somebody else's span, or for none."""
    span = Span(otel, otel.is_recording(), "task", True, runtime.capture, runtime)
    span._live = True
    return span


_NONE: Final = _live(trace_api.INVALID_SPAN, _NO_RUNTIME)


@functools.cache
def kind_attributes(kind: str) -> Shared:
    """What a span's kind is called, in both conventions. Not to be changed."""
    attributes = {semconv.SPAN_KIND: semconv.OPENINFERENCE_KINDS[kind]}
    operation = semconv.OPERATIONS.get(kind)
    if operation is not None:
        attributes[semconv.GEN_AI_OPERATION_NAME] = operation
    return Shared(attributes)


def start(
    runtime: Runtime, name: str, kind: str, static: Mapping[str, Any], capture: Capture, settled_kind: bool = True
) -> Span:
    """Start a span as a child of the current one. It is not made current: attach ``span.context`` for that.

    ``static`` are attributes known beforehand, its kind's among them; nobody changes them. As ``Shared``, they are
    encoded once for all spans that have them.
    """
    current = get_current()
    inherited = inherited_attributes(current) if current else _NOTHING
    fast = runtime.fast
    client = _CLIENT if kind in CALL_KINDS else _INTERNAL
    if fast is not None:
        otel = fast.start(name, client, current, static, inherited)
        recording = type(otel) is not trace_api.NonRecordingSpan
        span = Span(otel, recording, kind, settled_kind, capture, runtime)
        if recording:
            span._fast = otel  # type: ignore[assignment]
            if capture.defers:
                span.keeper = otel  # type: ignore[assignment]
    else:
        attributes = {**static, **inherited} if inherited else static
        otel = runtime.tracer.start_span(name, context=current, kind=client, attributes=attributes)
        span = Span(otel, otel.is_recording(), kind, settled_kind, capture, runtime)
    span._parent = current.get(_KEY)  # type: ignore[assignment]
    span.context = context = Context(current)
    _set_item(context, _OTEL_KEY, otel)
    _set_item(context, _KEY, span)
    return span


def current_span() -> Span:
    """The running span, whoever started it. Where there is none, a handle that does nothing."""
    otel = trace_api.get_current_span()
    span = get_current().get(_KEY)
    if isinstance(span, Span) and span._otel is otel:
        return span
    if not otel.is_recording():
        return _NONE
    return _live(otel, active() or _NO_RUNTIME)


class SpanScope:
    """``with trace.span(...) as span`` and ``async with``."""

    __slots__ = ("_arguments", "_capture", "_span", "_token")

    def __init__(self, name: str, kind: str, attributes: Mapping[str, Any] | None, capture: str | None) -> None:
        self._arguments = (name, kind, attributes)
        self._capture = capture
        self._span = _NONE
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        runtime = active()
        if runtime is None:
            return _NONE
        name, kind, attributes = self._arguments
        try:
            span = start(runtime, name, kind, kind_attributes(kind), runtime.capture.narrowed(self._capture))
            self._token = attach(span.context)
            self._span = span
            if attributes:
                span.set_attributes(attributes)
        except Exception as error:  # noqa: BLE001
            swallow("span", error)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            leave(self._token, getattr(self._span, "context", None))
            self._token = None
        self._span.end(error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
