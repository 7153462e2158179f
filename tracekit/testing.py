"""For tests of applications: what they trace, captured in memory, with ids and times that are the same on every run.

    with tracekit.testing.capture() as spans:
        answer("What does the kettle hold?")
    assert spans.tree() == [("answer", "chain", [("search", "retriever", [])])]
    assert spans.one("search").input == "kettle"

Nothing is sent, the global tracer provider is left alone, and an application that calls ``tracekit.init`` meanwhile
only changes what is captured of values. With pytest, the fixture ``tracekit_spans`` is such a capture.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tracekit import runtime, semconv, threads
from tracekit.capture import Capture
from tracekit.captured import CapturedSpan, Tree, rendered, tree_of
from tracekit.conventions import ALL
from tracekit.current import attach
from tracekit.stepping import leave

__all__ = ["CapturedSpan", "Spans", "capture"]

#: 2026-01-01T00:00:00Z, in nanoseconds
START_NS: Final = 1_767_225_600_000_000_000
STEP_NS: Final = 1_000_000
_MAX_ATTRIBUTES: Final = 4_096


class Spans:
    """The spans that ended within a capture. All lists are in the order in which the spans started."""

    def __init__(self, provider: TracerProvider, kept: _Kept) -> None:
        #: for instrumentations that are to be captured too: ``instrument(tracer_provider=spans.tracer_provider)``
        self.tracer_provider = provider
        self._kept = kept

    def all(self) -> list[CapturedSpan]:
        ended = {span.context.span_id: CapturedSpan(span) for span in self._kept.ended() if span.context is not None}
        for span in sorted(ended.values(), key=lambda span: span.start_ns):
            parent = ended.get(span.otel.parent.span_id) if span.otel.parent is not None else None
            if parent is not None:
                span.parent = parent
                parent.children.append(span)
        return sorted(ended.values(), key=lambda span: span.start_ns)

    def find(self, name: str | None = None, kind: str | None = None) -> list[CapturedSpan]:
        """Those with this name and this kind."""
        found = [span for span in self.all() if name is None or span.name == name]
        return [span for span in found if kind is None or span.kind == kind]

    def one(self, name: str | None = None, kind: str | None = None) -> CapturedSpan:
        """The only one with this name and this kind. Raises AssertionError where there is none, or more than one."""
        found = self.find(name, kind)
        if len(found) != 1:
            asked = " ".join(part for part in (kind, name and repr(name)) if part)
            raise AssertionError(f"{len(found)} spans{' ' if asked else ''}{asked} among {self.names()}")
        return found[0]

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def roots(self) -> list[CapturedSpan]:
        """Spans whose parents were not captured."""
        return [span for span in self.all() if span.parent is None]

    def tree(self) -> list[Tree]:
        """``(name, kind, [children])`` of each root."""
        return [tree_of(span) for span in self.roots()]

    def text(self, values: bool = True) -> str:
        """All spans as text, for a comparison with what was kept from an earlier run; without ``values``, names, kinds
        and errors only."""
        return "\n".join(line for root in self.roots() for line in rendered(root, values))

    def clear(self) -> None:
        """Forget what ended so far."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept.ended())

    def __iter__(self) -> Iterator[CapturedSpan]:
        return iter(self.all())

    def __repr__(self) -> str:
        return f"<{len(self)} captured spans>"


@contextmanager
def capture(**settings: Any) -> Iterator[Spans]:
    """Capture every span of tracekit's that ends within the block, in all threads and tasks of this process.

    settings: those of ``tracekit.init`` that say what is kept of values (``capture``, ``mask``, ``mask_keys``,
        ``mask_patterns``, ``max_value_chars``). The environment's count as well.
    """
    from tracekit.config import resolve

    config = resolve(**settings)
    kept = _Kept()
    provider = _Provider(kept)
    tracer = provider.get_tracer(semconv.SCOPE)
    captured = Capture(config.capture, config.limits, config.redactor)
    release = runtime.hold(runtime.Runtime(tracer, captured, _MAX_ATTRIBUTES, ALL), provider)
    carried = threads.installed()
    if config.propagate_threads and not carried:
        threads.install()
    token = attach(Context())
    try:
        yield Spans(provider, kept)
    finally:
        leave(token)
        if not carried:
            threads.remove()
        release()


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            self._ended.append(span)

    def ended(self) -> list[ReadableSpan]:
        with self._lock:
            return list(self._ended)

    def clear(self) -> None:
        with self._lock:
            self._ended.clear()


class _Ids(IdGenerator):
    """1, 2, 3 ..."""

    def __init__(self) -> None:
        self._spans, self._traces = itertools.count(1), itertools.count(1)

    def generate_span_id(self) -> int:
        return next(self._spans)

    def generate_trace_id(self) -> int:
        return next(self._traces)


class _Provider(TracerProvider):
    """A provider of its own ids and clock, which reads one step later each time."""

    def __init__(self, kept: _Kept) -> None:
        super().__init__(
            sampler=ALWAYS_ON,
            resource=Resource({}),
            id_generator=_Ids(),
            span_limits=SpanLimits(max_span_attributes=_MAX_ATTRIBUTES),
            shutdown_on_exit=False,
        )
        self._disabled = False
        self._steps = itertools.count()
        self.add_span_processor(kept)

    def now(self) -> int:
        return START_NS + next(self._steps) * STEP_NS

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        return _Tracer(super().get_tracer(*args, **kwargs), self)


class _Tracer(trace_api.Tracer):
    def __init__(self, tracer: trace_api.Tracer, provider: _Provider) -> None:
        self._tracer = tracer
        self._provider = provider

    def start_span(self, name: str, context: Context | None = None, *args: Any, **kwargs: Any) -> trace_api.Span:
        now = self._provider.now
        span = self._tracer.start_span(name, context, *args, **{**kwargs, "start_time": now()})
        end, add_event = span.end, span.add_event

        def stepped_event(name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
            add_event(name, attributes, now())

        span.add_event = stepped_event  # type: ignore[method-assign]
        span.end = lambda end_time=None: end(now())  # type: ignore[method-assign]
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *args: Any, **kwargs: Any
    ) -> Iterator[trace_api.Span]:
        ending = {key: kwargs.pop(key) for key in ("record_exception", "set_status_on_exception") if key in kwargs}
        end_on_exit = kwargs.pop("end_on_exit", True)
        span = self.start_span(name, *args, **kwargs)
        with trace_api.use_span(span, end_on_exit=end_on_exit, **ending):
            yield span
