"""What the hot path needs to know: where spans go and how much of values is kept.

``init`` sets it and ``shutdown`` switches it off. Before ``init``, spans go to the global OpenTelemetry provider if the
application has set one, and tracing costs next to nothing if it has not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, SpanKind, TracerProvider

from tracekit import semconv
from tracekit.capture import Capture
from tracekit.conventions import ALL, Conventions

if TYPE_CHECKING:
    from tracekit.recording import FastTracer

#: attributes that a span keeps in an SDK provider which nobody configured
SDK_ATTRIBUTE_LIMIT: Final = 128


class Tracer(Protocol):
    """The part of OpenTelemetry's tracer that is used here."""

    def start_span(
        self, name: str, context: Context | None = ..., kind: SpanKind = ..., attributes: Any = ...
    ) -> trace_api.Span: ...


class Runtime:
    """``most`` is how many messages, documents and vectors of one span are flattened into attributes. ``fast`` is the
    tracer where it is tracekit's own (see ``tracekit.recording``): its spans work out attributes when they are read."""

    __slots__ = ("capture", "conventions", "fast", "most", "tracer")

    def __init__(
        self,
        tracer: Tracer,
        capture: Capture,
        max_attributes: int,
        conventions: Conventions = ALL,
        fast: FastTracer | None = None,
    ) -> None:
        self.tracer = tracer
        self.capture = capture
        self.conventions = conventions
        self.fast = fast
        self.most = max(4, (max_attributes - 48) // 6)


class _Off:
    """Tracing has been shut down: no runtime, not even the global provider's."""


OFF: Final = _Off()

_current: Runtime | _Off | None = None
_borrowed: tuple[TracerProvider, Runtime | None] | None = None
_starter: Callable[[], object] | None = None


#: what is current again when ``tracekit.testing`` lets go, and the providers that it captures with
_below: list[Runtime | _Off | None] = []
_holding: list[tuple[Runtime, TracerProvider]] = []


def use(runtime: Runtime | _Off | None) -> None:
    """Make a runtime the current one, or switch tracing ``OFF``; None goes back to the global provider."""
    global _current, _borrowed
    if _below:
        _below[0] = runtime
        return
    _current, _borrowed = runtime, None


def hold(runtime: Runtime, provider: TracerProvider) -> Callable[[], None]:
    """Make a runtime the current one, whoever calls ``use``, until the function that is returned is called."""
    global _current
    _below.append(_current)
    _holding.append((runtime, provider))
    _current = runtime

    def release() -> None:
        global _current, _borrowed
        _current, _borrowed = _below.pop(), None
        _holding.pop()

    return release


def held() -> tuple[Runtime, TracerProvider] | None:
    """What is held, with its provider."""
    return _holding[-1] if _holding else None


def start_with(starter: Callable[[], object]) -> None:
    """Have ``starter`` called when a span is about to start and nobody has called ``init``: see ``tracekit.autostart``.

    Threads may call it at once; it returns when tracing has started."""
    global _starter
    _starter = starter


def active() -> Runtime | None:
    """The current runtime; None where tracing is off."""
    current = _current
    if type(current) is Runtime:
        return current
    return None if current is OFF else _from_global_provider()


def _from_global_provider() -> Runtime | None:
    global _borrowed, _starter
    starter = _starter
    if starter is not None:
        starter()
        _starter = None
        return active()
    provider = trace_api.get_tracer_provider()
    if _borrowed is None or _borrowed[0] is not provider:
        _borrowed = (provider, _borrow(provider))
    return _borrowed[1]


def _borrow(provider: TracerProvider) -> Runtime | None:
    if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
        return None
    from tracekit.config import capture_from_environment, disabled_by_environment

    if disabled_by_environment():
        return None
    return Runtime(provider.get_tracer(semconv.SCOPE), Capture(capture_from_environment()), SDK_ATTRIBUTE_LIMIT)
