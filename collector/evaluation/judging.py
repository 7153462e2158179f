"""What a rule's judge is asked: counted against its budget before it is, and recorded as a trace of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

from collector.evaluation.rules import JUDGES_PROJECT, Rule, Subject
from collector.model import PICO_USD
from tracekit.evals.api import Judge, JudgeAnswer
from tracekit.evals.judge_calls import JudgeCall, watched

_DAY_NS: Final = 86_400 * 10**9
#: Bytes of messages that are recorded of one call.
_MAX_TEXT: Final = 200_000


class OverBudget(Exception):
    """The rule's judge has done what it may do that day."""


class Budgets(Protocol):
    def reserve_call(self, rule_id: int, day: int, *, calls: int | None, usd: int | None) -> bool: ...


def day_of(now_ns: int) -> int:
    """UTC days since the epoch."""
    return now_ns // _DAY_NS


@dataclass
class Ledger:
    """The calls that one evaluation made."""

    calls: list[JudgeCall] = field(default_factory=list)


class Metered:
    """A rule's judge, for one evaluation: every call is counted before it is made. Raises ``OverBudget``."""

    def __init__(self, judge: Judge, rule: Rule, budgets: Budgets, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._judge = watched(judge, ledger.calls.append)
        self._rule = rule
        self._budgets = budgets
        self._clock = clock

    @property
    def model(self) -> str:
        return self._judge.model

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        budget = self._rule.budget
        usd = None if budget.usd is None else round(budget.usd * PICO_USD)
        if not self._budgets.reserve_call(self._rule.id, day_of(self._clock()), calls=budget.calls, usd=usd):
            raise OverBudget(f"the judge has used up what it may in a day ({_said(budget.usd, budget.calls)})")
        return self._judge.complete(messages, schema=schema)


def _said(usd: float | None, calls: int | None) -> str:
    parts = [f"{usd:g} USD" if usd is not None else "", f"{calls} calls" if calls is not None else ""]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Recorded:
    """``cost`` in pico-USD, None where a call's price is unknown."""

    trace_id: str
    cost: int | None


#: Stores a serialised OTLP ``TracesData`` as any sender's, and says what its model calls cost (pico-USD; None: not
#: known). Raises ``StorageError``.
Record = Callable[[bytes], int | None]


def recorded(
    record: Record, rule: Rule, subject: Subject, calls: Sequence[JudgeCall], trace_id: bytes | None = None
) -> Recorded:
    trace_id = trace_id or secrets.token_bytes(16)
    return Recorded(trace_id.hex(), record(judging_trace(rule, subject, calls, trace_id)))


def judging_trace(rule: Rule, subject: Subject, calls: Sequence[JudgeCall], trace_id: bytes) -> bytes:
    """A serialised ``TracesData``: the evaluation, and beneath it each call with its messages and tokens."""
    root_id = trace_id[:7] + b"\x01"
    about = {"rule": rule.name, "version": rule.version, "target": subject.key}
    root = Span(
        trace_id=trace_id,
        span_id=root_id,
        name=f"judge {rule.name}",
        start_time_unix_nano=calls[0].start_ns,
        end_time_unix_nano=calls[-1].end_ns,
        attributes=_pairs(
            {
                "openinference.span.kind": "EVALUATOR",
                "tracekit.project": JUDGES_PROJECT,
                "input.value": subject.key,
                "metadata": orjson.dumps(about).decode(),
            }
        ),
    )
    spans = [root, *(_call_span(call, trace_id, root_id, number) for number, call in enumerate(calls))]
    return TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]).SerializeToString()


def _call_span(call: JudgeCall, trace_id: bytes, root_id: bytes, number: int) -> Span:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "tracekit.project": JUDGES_PROJECT,
        "gen_ai.request.model": call.model,
        "gen_ai.input.messages": _chat([(one.get("role", "user"), one.get("content", "")) for one in call.messages]),
    }
    if call.provider is not None:
        attributes["gen_ai.provider.name"] = call.provider
    if call.answer is not None:
        answer = call.answer
        attributes["gen_ai.response.model"] = answer.model
        attributes["gen_ai.output.messages"] = _chat([("assistant", answer.text)])
        for name, count in (("input", answer.input_tokens), ("output", answer.output_tokens)):
            if count is not None:
                attributes[f"gen_ai.usage.{name}_tokens"] = count
    span = Span(
        trace_id=trace_id,
        span_id=trace_id[:6] + (number + 2).to_bytes(2),
        parent_span_id=root_id,
        name=f"chat {call.model}",
        start_time_unix_nano=call.start_ns,
        end_time_unix_nano=call.end_ns,
        attributes=_pairs(attributes),
    )
    if call.error is not None:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = _clean(call.error)[:4_096]
    return span


def _chat(messages: Sequence[tuple[str, str]]) -> str:
    left, found = _MAX_TEXT, []
    for role, content in messages:
        text = _clean(content)[: max(0, left)]
        left -= len(text)
        found.append({"role": role, "parts": [{"type": "text", "content": text}]})
    return orjson.dumps(found).decode()


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [
        KeyValue(key=name, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for name, value in attributes.items()
    ]
