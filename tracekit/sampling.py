"""Sampling by trace: a share of all traces is sent, decided by the trace's id when it begins, and every trace with an
error in it.

The share is that of OpenTelemetry's ``TraceIdRatioBased``, so services with the same rate keep the same traces. Spans
of a trace that is left out are still recorded, and held in memory until the trace's local root ends.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

#: spans held of traces that are not sampled; beyond it, the oldest trace is given up
MAX_HELD_SPANS: Final = 8_192
#: traces whose fate is remembered for spans that end later
_MAX_REMEMBERED: Final = 4_096


class ShareOfTraces(Sampler):
    """Samples a share of the traces and records the others all the same. A span follows its parent, here or remote."""

    def __init__(self, rate: float) -> None:
        self._ratio = TraceIdRatioBased(rate)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            sampled = parent.trace_flags.sampled
        else:
            sampled = self._ratio.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE
        decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY
        return SamplingResult(decision, trace_state=parent.trace_state if parent.is_valid else trace_state)

    def get_description(self) -> str:
        return f"ShareOfTraces{{{self._ratio.rate}}}"


class Errors:
    """Holds the spans of traces that are not sampled until their local root ends; gives those of traces with an error,
    as soon as there is one.

    A local root is a span without a parent, or with one in another process. Spans that end after it go where the trace
    went. Where more than ``most`` spans are held, the oldest trace is given up. Thread-safe.
    """

    def __init__(self, most: int = MAX_HELD_SPANS) -> None:
        self._most = most
        self._lock = threading.RLock()
        self._held: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._count = 0
        #: traces that are sent, for an error; traces that are left out
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._left: OrderedDict[int, None] = OrderedDict()
        #: spans that were left out for good
        self.sampled_out = 0

    def ended(self, span: ReadableSpan) -> list[ReadableSpan]:
        """Take a span that has ended; the spans that are to be sent now."""
        trace_id = span.context.trace_id
        with self._lock:
            if trace_id in self._kept:
                return [span]
            if span.status.status_code is StatusCode.ERROR:
                _remember(self._kept, trace_id)
                return [*self._release(trace_id), span]
            if trace_id in self._left:
                self.sampled_out += 1
                return []
            self._held.setdefault(trace_id, []).append(span)
            self._count += 1
            if span.parent is None or span.parent.is_remote:
                _remember(self._left, trace_id)
                self._give_up(trace_id)
            while self._count > self._most:
                self._give_up(next(iter(self._held)))
            return []

    def _give_up(self, trace_id: int) -> None:
        self.sampled_out += len(self._release(trace_id))

    def _release(self, trace_id: int) -> list[ReadableSpan]:
        held = self._held.pop(trace_id, [])
        self._count -= len(held)
        return held


def _remember(known: OrderedDict[int, None], trace_id: int) -> None:
    known[trace_id] = None
    if len(known) > _MAX_REMEMBERED:
        known.popitem(last=False)


class Sampling:
    """What becomes of the spans of one process. ``rate`` None or 1 leaves it to the providers' samplers alone.
    ``before``: what stood in its place."""

    def __init__(self, rate: float | None, before: Sampling | None = None) -> None:
        self._sampled_out_before = 0 if before is None else before.sampled_out
        most = TraceIdRatioBased.TRACE_ID_LIMIT + 1
        self._bound = most if rate is None else TraceIdRatioBased.get_bound_for_rate(min(rate, 1.0))
        self._errors = Errors() if self._bound < most else None

    @property
    def sampled_out(self) -> int:
        return self._sampled_out_before + (0 if self._errors is None else self._errors.sampled_out)

    def chosen(self, span: ReadableSpan, own: bool) -> list[ReadableSpan]:
        """The spans that are to be sent now that this one has ended. ``own``: its provider samples by this rate."""
        context = span.context
        if context is None:
            return []
        sampled = context.trace_flags.sampled
        if self._errors is None:
            return [span] if sampled else []
        if sampled and (own or context.trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound):
            return [span]
        return self._errors.ended(span)


def sampler_of(rate: float | None) -> Sampler | None:
    """The sampler of tracekit's own provider; None for OpenTelemetry's choice (``OTEL_TRACES_SAMPLER``)."""
    if rate is None:
        return None
    return DEFAULT_ON if rate >= 1.0 else ShareOfTraces(rate)
