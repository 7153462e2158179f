"""The judge of an experiment: each call traced in the judges' own project, and counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation import set_span_in_context

from tracekit.evals.api import Judge, JudgeAnswer
from tracekit.evals.judge_calls import JudgeCall, watched
from tracekit.evals.judge_traced import traced

_RUN: Final[ContextVar[SpanContext | None]] = ContextVar("tracekit-judged-run", default=None)


@contextmanager
def judging(run: SpanContext | None) -> Iterator[None]:
    """Judges that are asked meanwhile say that it was about this run; other spans do not become part of its trace."""
    token = _RUN.set(run)
    try:
        yield
    finally:
        _RUN.reset(token)


class ExperimentJudge:
    """The same judge; ``totals`` says what it was asked, from any thread."""

    def __init__(self, judge: Judge) -> None:
        self._inner = judge
        self._judge = traced(watched(judge, self._count))
        self._lock = threading.Lock()
        self._calls = self._failed = self._unpriced = self._input = self._output = 0
        self._cost = 0.0

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def provider(self) -> str | None:
        return getattr(self._inner, "provider", None)

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        run = _RUN.get()
        token = attach(set_span_in_context(NonRecordingSpan(run or trace_api.INVALID_SPAN_CONTEXT)))
        try:
            return self._judge.complete(messages, schema=schema)
        finally:
            detach(token)

    def _count(self, call: JudgeCall) -> None:
        with self._lock:
            self._calls += 1
            self._failed += call.answer is None
            if call.answer is not None:
                self._input += call.answer.input_tokens or 0
                self._output += call.answer.output_tokens or 0
                self._unpriced += call.cost_usd is None
                self._cost += call.cost_usd or 0.0

    def totals(self) -> dict[str, Any]:
        """``model``, ``calls``, ``failed``, tokens, and ``cost_usd``: None where a call has no known price."""
        with self._lock:
            return {
                "model": self.model,
                "calls": self._calls,
                "failed": self._failed,
                "input_tokens": self._input,
                "output_tokens": self._output,
                "cost_usd": None if self._unpriced or not self._calls else self._cost,
            }
