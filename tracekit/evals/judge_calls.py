"""Seeing what a judge was asked: for the worker of the collector, which records judges' calls itself, and for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracekit import semconv
from tracekit.cost import cost_attributes, installed
from tracekit.evals.api import Judge, JudgeAnswer


@dataclass(frozen=True, slots=True)
class JudgeCall:
    """One call of ``complete``. ``model`` is the one asked for; ``answer.model`` the one that answered. Times are
    nanoseconds since 1970. ``error``: what was raised, as ``Type: message``; then there is no ``answer``. ``cost_usd``
    is None where it is not known."""

    model: str
    provider: str | None
    messages: Sequence[Mapping[str, str]]
    start_ns: int
    end_ns: int
    answer: JudgeAnswer | None = None
    error: str | None = None
    cost_usd: float | None = None


OnCall = Callable[[JudgeCall], None]


class WatchedJudge:
    """The same judge; ``on_call`` is told of each call, failed ones too, in the caller's thread."""

    def __init__(self, judge: Judge, on_call: OnCall, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._judge = judge
        self._on_call = on_call
        self._now_ns = now_ns

    @property
    def model(self) -> str:
        return self._judge.model

    @property
    def provider(self) -> str | None:
        return getattr(self._judge, "provider", None)

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        start = self._now_ns()
        try:
            answer = self._judge.complete(messages, schema=schema)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            self._on_call(JudgeCall(self.model, self.provider, messages, start, self._now_ns(), error=told))
            raise
        end, cost = self._now_ns(), cost_of(answer, self.model, self.provider, start)
        self._on_call(JudgeCall(self.model, self.provider, messages, start, end, answer, cost_usd=cost))
        return answer


def watched(judge: Judge, on_call: OnCall) -> WatchedJudge:
    return WatchedJudge(judge, on_call)


def cost_of(answer: JudgeAnswer, asked_model: str, provider: str | None, start_ns: int) -> float | None:
    """US dollars by genai-prices; None where that is not installed, or knows no price, or tokens were not counted."""
    if answer.input_tokens is None or answer.output_tokens is None or not installed():
        return None
    counts = {
        semconv.SPAN_KIND: "LLM",
        semconv.GEN_AI_INPUT_TOKENS: answer.input_tokens,
        semconv.GEN_AI_OUTPUT_TOKENS: answer.output_tokens,
    }
    for model in dict.fromkeys((answer.model, asked_model)):
        named = counts | {semconv.GEN_AI_RESPONSE_MODEL: model}
        if provider is not None:
            named[semconv.GEN_AI_PROVIDER_NAME] = provider
        cost = cost_attributes(named, start_ns).get(semconv.LLM_COST_TOTAL)
        if cost is not None:
            return float(cost)
    return None
