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
from typing import Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.context import Context, attach, create_key, get_current, get_value, set_value
from opentelemetry.trace import SpanKind, Status, StatusCode

from tracekit import record, semconv
from tracekit.capture import Capture
from tracekit.context import inherited_attributes
from tracekit.documents import Document
from tracekit.errors import exception_attributes, is_failure, type_name
from tracekit.guard import guarded, swallow
from tracekit.runtime import Runtime, active
from tracekit.stepping import leave
from tracekit.usage import COUNTS, read_usage, usage_attributes, with_total

_KEY: Final = create_key("tracekit-span")
_CALL_KINDS: Final = frozenset(("llm", "embedding", "reranker"))


class Span:
    """One running span. ``kind`` is one of ``tracekit.semconv.OPENINFERENCE_KINDS``."""

    _parent: Span | None = None
    _ended = False
    _defers = False
    _later: list[Callable[[], dict[str, Any]]] | None = None
    _later_size = 0
    _has_output = False
    _answered = False
    #: the OpenTelemetry context in which this span is the current one, until it ends
    context: Context
    #: a reranker's input documents
    inputs: list[Document] | None = None
    #: attributes that hold only if this turns out to be a model call
    request: dict[str, Any] | None = None
    provider: str | None = None
    request_model: str | None = None

    def __init__(
        self,
        otel: trace_api.Span,
        kind: str,
        capture: Capture,
        most: int,
        settled_kind: bool = True,
        live: bool = False,
    ) -> None:
        self._otel = otel
        self._recording = otel.is_recording()
        self._attributes: dict[str, Any] = {}
        self._live = live
        self.kind = kind
        self.settled_kind = settled_kind
        self.capture = capture
        self.most = most

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
        return self._recording and not self._ended

    # --- what an application says ------------------------------------------------------------------------------------
    @guarded
    def set_attribute(self, key: str, value: Any) -> None:
        """Any attribute. What OpenTelemetry cannot carry becomes JSON text."""
        self.put({str(key): self.capture.attribute(value)})

    @guarded
    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.put({str(key): self.capture.attribute(value) for key, value in attributes.items()})

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
            self._has_output = True

    @guarded
    def set_usage(self, usage: Any = None, **counts: int) -> None:
        """Token counts: a provider's usage object or dict, or any of ``tracekit.usage.COUNTS`` by name.

        ``input_tokens`` includes cached tokens and ``output_tokens`` includes reasoning.
        """
        found = read_usage(usage) or {}
        found.update({name: int(count) for name, count in counts.items() if name in COUNTS and count is not None})
        self.put(usage_attributes(with_total(found)))

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
        found = {key: self.capture.attribute(value) for key, value in (attributes or {}).items()}
        self._otel.add_event(str(name), found)

    @guarded
    def record_error(self, error: BaseException | str) -> None:
        """Mark the span as failed: with an exception, or with a message."""
        if not self.is_recording():
            return
        if isinstance(error, BaseException):
            attributes = exception_attributes(error, self.capture)
            self._otel.add_event(semconv.EXCEPTION_EVENT, attributes)
            self.put({semconv.ERROR_TYPE: type_name(error)})
            message = attributes.get(semconv.EXCEPTION_MESSAGE, "")
        else:
            self.put({semconv.ERROR_TYPE: "_OTHER"})
            message = self.capture.text(str(error), 2_000) if self.capture.content else ""
        self._otel.set_status(Status(StatusCode.ERROR, message))

    # --- for the rest of tracekit ------------------------------------------------------------------------------------
    def put(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes that are already fit for OpenTelemetry."""
        if not self._recording or self._ended:
            return
        if self._live:
            self._otel.set_attributes(dict(attributes))
        else:
            self._attributes.update(attributes)

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

    @property
    def has_output(self) -> bool:
        """Whether the application set its own output."""
        return self._has_output

    @property
    def may_be_a_call(self) -> bool:
        return self.kind in _CALL_KINDS or (not self.settled_kind and not self._answered)

    def returned(self, value: Any) -> None:
        """Record a return value, unless the application gave its own output."""
        if value is not None and not self._has_output and self.is_recording():
            try:
                record.output(self, value)
            except Exception as error:  # noqa: BLE001
                swallow("output", error)

    def later(self, work_out: Callable[..., dict[str, Any]], *given: Any, size: int | None) -> None:
        """Add the attributes that ``work_out(*given)`` gives: when the span's attributes are first read, where the span
        can do that and nobody can change what is ``given`` meanwhile (``size`` is its characters then), else now."""
        if not self._defers or size is None:
            self.put(work_out(*given))
        elif self.is_recording():
            if self._later is None:
                self._later = []
            self._later.append(functools.partial(work_out, *given))
            self._later_size += size

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
            if self._recording and self._attributes:
                self._otel.set_attributes(self._attributes)
            self._ended = True
            if self._later is not None:
                self._otel.defer(self._later, self._later_size)  # type: ignore[attr-defined]
            self._otel.end()
        except Exception as fault:  # noqa: BLE001
            self._ended = True
            swallow("end", fault)
        # The context holds this handle: without this, every span would wait for the garbage collector.
        self.__dict__.pop("context", None)


_NO_CAPTURE: Final = Capture("none")
_NONE: Final = Span(trace_api.INVALID_SPAN, "task", _NO_CAPTURE, 0, live=True)


def kind_attributes(kind: str) -> dict[str, Any]:
    attributes = {semconv.SPAN_KIND: semconv.OPENINFERENCE_KINDS[kind]}
    operation = semconv.OPERATIONS.get(kind)
    if operation is not None:
        attributes[semconv.GEN_AI_OPERATION_NAME] = operation
    return attributes


def start(
    runtime: Runtime, name: str, kind: str, static: Mapping[str, Any], capture: Capture, settled_kind: bool = True
) -> Span:
    """Start a span as a child of the current one. It is not made current: attach ``span.context`` for that.

    ``static`` are attributes known beforehand, its kind's among them.
    """
    current = get_current()
    inherited = inherited_attributes(current)
    otel = runtime.tracer.start_span(
        name,
        context=current,
        kind=SpanKind.CLIENT if kind in _CALL_KINDS else SpanKind.INTERNAL,
        attributes={**static, **inherited} if inherited else static,
    )
    span = Span(otel, kind, capture, runtime.most, settled_kind)
    parent = current.get(_KEY)
    span._parent = parent if isinstance(parent, Span) else None
    span._defers = runtime.defers and capture.mask is None
    span.context = set_value(_KEY, span, trace_api.set_span_in_context(otel, current))
    return span


def current_span() -> Span:
    """The running span, whoever started it. Where there is none, a handle that does nothing."""
    otel = trace_api.get_current_span()
    span = get_value(_KEY)
    if isinstance(span, Span) and span._otel is otel:
        return span
    if not otel.is_recording():
        return _NONE
    runtime = active()
    capture = runtime.capture if runtime is not None else _NO_CAPTURE
    return Span(otel, "task", capture, runtime.most if runtime is not None else 0, live=True)


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
            leave(self._token)
            self._token = None
        self._span.end(error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
