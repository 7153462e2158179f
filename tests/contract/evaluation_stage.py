"""Evaluating over a store, step by step, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from store_data import Sent, catch_up, span_id, trace_id

from collector.codec.otlp import decode_traces
from collector.evaluation.decide import Quiet
from collector.evaluation.evaluating import Evaluating
from collector.evaluation.rules import Rule, Subject
from collector.processors.chain import process
from collector.queue.retry import SECOND_NS
from tracekit.evals import registry
from tracekit.evals.api import AnnotatorKind, JudgeAnswer, Score
from tracekit.evals.api import Subject as Judged

QUIET = Quiet(30 * SECOND_NS, 60 * SECOND_NS)


@dataclass
class Saying:
    """Gives what ``say`` gives, and keeps what it saw."""

    say: Callable[[Judged], Sequence[Score]] = lambda _: [Score("tone", 1.0)]
    seen: list[Judged] = field(default_factory=list)
    name: str = "tone"
    version: str = "1"
    annotator_kind: AnnotatorKind = "code"
    judge: Any = None

    def __call__(self, subject: Judged) -> Sequence[Score]:
        self.seen.append(subject)
        return self.say(subject)


@dataclass
class Fake:
    """A judge that answers as it is told; ``asked`` counts."""

    answer: Callable[[int], str] = lambda _: "good"
    asked: int = 0
    model: str = "gpt-4o-mini"
    provider: str = "openai"

    def complete(self, messages: Any, *, schema: Any = None) -> JudgeAnswer:
        self.asked += 1
        return JudgeAnswer(self.answer(self.asked), self.model, 1_000, 100)


@pytest.fixture
def saying(monkeypatch: pytest.MonkeyPatch) -> Saying:
    made = Saying()
    monkeypatch.setitem(registry._MAKERS, "saying", (lambda settings, judge: made, False))

    def asking(settings: Mapping[str, Any], judge: Any) -> Saying:
        def ask(subject: Judged) -> Sequence[Score]:
            made.seen.append(subject)
            return [Score("tone", label=judge.complete([{"role": "user", "content": subject.output_text}]).text)]

        return Saying(ask, annotator_kind="llm")

    monkeypatch.setitem(registry._MAKERS, "asking", (asking, True))
    return made


@dataclass
class Stage:
    store: Any
    judge: Fake = field(default_factory=Fake)
    now: int = 2 * 10**18  # later than whatever the store says

    def __post_init__(self) -> None:
        self.evaluating = Evaluating(
            self.store, self._record, quiet=QUIET, name="t", clock=lambda: self.now, judge_of=lambda _: self.judge
        )

    def _record(self, traces: bytes) -> int | None:
        self.store.submit(process(decode_traces(traces))).result(30)
        return 5_000_000

    def add(self, name: str = "tone", **more: Any) -> Rule:
        given = {"evaluator": {"type": "saying"}, **more}
        rule: Rule = self.store.add_rule(Rule(name, **given), now_ns=1).result(30)
        return rule

    def asks(self, name: str = "tone", **more: Any) -> Rule:
        return self.add(name, evaluator={"type": "asking"}, judge={"model": "gpt-4o-mini"}, **more)

    def work(self, seconds: float = 0) -> None:
        """What is due by then."""
        self.now += round(seconds * SECOND_NS)
        catch_up(self.store)
        while sum(worker.run_once() for worker in self.evaluating.each):
            catch_up(self.store)

    def state(self, rule: Rule, number: int = 1, span: int | None = None) -> tuple[str, str | None] | None:
        subject = Subject(trace_id(number), None if span is None else span_id(span))
        found = self.store.decision(rule.id, rule.version, subject)
        return None if found is None else (found.state, found.reason)

    def scores(self, number: int = 1) -> list[Any]:
        return [one for one in self.store.annotations_of_trace(trace_id(number)) if one.identifier.startswith("rule:")]


@pytest.fixture
def stage(store: Any, saying: Saying) -> Iterator[Stage]:
    made = Stage(store)
    yield made
    made.evaluating.stop(0)


def question(number: int, text: str = "Where is it?") -> Sent:
    attributes = {"openinference.span.kind": "CHAIN", "input.value": text, "output.value": "Here."}
    return Sent(number, 0, name="answer", attributes=attributes)
