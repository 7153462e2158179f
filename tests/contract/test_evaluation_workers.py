"""Deciding and scoring over what is stored, on every engine, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from evaluation_stage import Saying, Stage, question, saying, stage
from store_data import Sent, catch_up, llm, send, span_id, trace_id

from collector.evaluation.explain import explain
from collector.evaluation.rules import JUDGES_PROJECT, Budget, Subject
from collector.queue.retry import SECOND_NS
from collector.storage.evaluation_api import Backfill
from tracekit.evals.api import NotApplicable, Score, Temporary
from tracekit.evals.api import Subject as Judged

__all__ = ["saying", "stage"]


def test_a_complete_trace_is_scored_once(stage: Stage, saying: Saying) -> None:
    rule = stage.add()
    send(stage.store, question(1), llm(1, 1, 0, tokens=(7, 3)))
    stage.work()
    (score,) = stage.scores()
    assert (score.name, score.score, score.identifier) == ("tone", 1.0, "rule:tone@1")
    assert (score.annotator_kind, score.metadata["evaluator_version"]) == ("code", "1")
    assert stage.state(rule) == ("done", None)
    (seen,) = saying.seen
    assert (seen.input, seen.output, seen.total_tokens, seen.metadata["name"]) == (
        "Where is it?",
        "Here.",
        10,
        "answer",
    )
    stage.work(1000)
    assert len(saying.seen) == 1


def test_a_trace_waits_for_its_root_and_for_the_spans_between(stage: Stage, saying: Saying) -> None:
    rule = stage.add()
    send(stage.store, llm(1, 2, 1))
    stage.work()
    assert stage.state(rule) == (
        "queued",
        "waits: the root span has not come; scored as it is when nothing was added for 30 s",
    )
    send(stage.store, question(1))
    stage.work()
    state = stage.state(rule)
    assert state is not None and "the parents of 1 spans have not come" in str(state[1])
    send(stage.store, Sent(1, 1, 0, name="step"))
    stage.work()
    assert stage.state(rule) == ("done", None)
    stage.work(1000)
    assert len(saying.seen) == 1
    assert stage.state(rule) == ("done", None)


def test_a_trace_without_a_root_is_scored_when_it_was_quiet(stage: Stage, saying: Saying) -> None:
    rule = stage.add()
    send(stage.store, llm(1, 2, 1))
    stage.work()
    stage.work(20)
    send(stage.store, llm(1, 3, 1))
    stage.work()
    stage.work(20)
    assert saying.seen == []
    stage.work(11)
    assert (stage.state(rule), len(saying.seen)) == (("done", None), 1)


def test_a_late_span_has_the_trace_scored_again_and_replaces(stage: Stage, saying: Saying) -> None:
    saying.say = lambda subject: [Score("tone", float(subject.total_tokens or 0))]
    rule = stage.add()
    send(stage.store, question(1), llm(1, 1, 0, tokens=(7, 3)))
    stage.work()
    send(stage.store, llm(1, 2, 0, tokens=(70, 30)))
    stage.work()
    (score,) = stage.scores()
    assert score.score == 110.0
    assert stage.state(rule) == ("done", None)
    assert [one.annotation.score for one in stage.store.annotation_history(score.id)] == [10.0]


def test_what_an_evaluator_no_longer_says_goes(stage: Stage, saying: Saying) -> None:
    saying.say = lambda s: [Score("tone", 1.0), Score("extra", 1.0)]
    rule = stage.add(filter="span_count < 3")
    send(stage.store, question(1))
    stage.work()
    saying.say = lambda s: [Score("tone", 0.5)]
    send(stage.store, llm(1, 1, 0))
    stage.work()
    assert [(one.name, one.score) for one in stage.scores()] == [("tone", 0.5)]
    send(stage.store, Sent(1, 2, 0, name="step"))
    stage.work()
    assert stage.scores() == []
    assert stage.state(rule) == ("filtered", "the filter does not hold: span_count < 3")


def test_spans_are_scored_at_once_each_by_itself(stage: Stage) -> None:
    rule = stage.add(target="span", filter="kind == 'llm'")
    send(stage.store, llm(1, 1, 0), Sent(1, 2, 0, name="step"))
    stage.work()
    (score,) = stage.scores()
    assert score.target.span_id == span_id(1)
    assert stage.state(rule, span=1) == ("done", None)
    assert stage.state(rule, span=2) == ("filtered", "the filter does not hold: kind == 'llm'")


def test_a_session_is_scored_when_it_was_quiet_and_again_when_it_goes_on(stage: Stage, saying: Saying) -> None:
    rule = stage.add(target="session")
    turn = {"session.id": "s", "input.value": "Hello?", "output.value": "Yes."}
    send(stage.store, Sent(1, 0, name="turn", attributes=turn))
    stage.work()
    stage.work(50)
    send(stage.store, Sent(2, 0, name="turn", attributes=turn, at=5))
    stage.work()
    stage.work(20)
    assert saying.seen == []
    stage.work(61)
    (seen,) = saying.seen
    assert [message["role"] for message in seen.messages] == ["user", "assistant", "user", "assistant"]
    assert len(stage.store.annotations_about([], [], ["s"])) == 1
    send(stage.store, Sent(3, 0, name="turn", attributes=turn, at=9))
    stage.work()
    stage.work(130)
    assert len(saying.seen) == 2
    assert len(stage.store.annotations_about([], [], ["s"])) == 1
    found = stage.store.decision(rule.id, 1, Subject(session_id="s"))
    assert found.state == "done"


def test_sampling_and_projects_and_the_judges_own_project_leave_out(stage: Stage, saying: Saying) -> None:
    half, none = stage.add("half", sample_rate=0.5), stage.add("none", sample_rate=0.0)
    other = stage.add("other", projects=("shop",))
    named = stage.add("judges", projects=(JUDGES_PROJECT,))
    for number in range(1, 21):
        send(stage.store, question(number))
    send(stage.store, Sent(30, 0, name="judge", project=JUDGES_PROJECT, attributes={"input.value": "x"}))
    stage.work()
    states = [stage.state(half, number) for number in range(1, 21)]
    assert {state[0] for state in states if state} == {"done", "sampled_out"}
    assert stage.store.rule_counts()[none.id, 1].by_state == {"sampled_out": 20}
    assert stage.state(other) is None and stage.state(named, 30) is None
    assert all(stage.state(rule, 30) is None for rule in (half, none))


def test_a_judge_is_paid_traced_and_never_judged(stage: Stage) -> None:
    rule = stage.asks()
    send(stage.store, question(1))
    stage.work()
    (score,) = stage.scores()
    assert (score.label, score.annotator_kind, score.metadata["judge_model"]) == ("good", "llm", "gpt-4o-mini")
    assert score.metadata["judge_cost_usd"] == 5e-6
    judging = bytes.fromhex(score.metadata["judge_trace_id"])
    summary = stage.store.get_trace(judging)
    assert (summary.project, summary.llm_calls, summary.usage.total_tokens) == (JUDGES_PROJECT, 1, 1_100)
    spans = {span.kind: span for span in stage.store.get_spans(judging)}
    assert set(spans) == {"evaluator", "llm"}
    assert stage.store.spent(rule.id, stage.now // (86_400 * SECOND_NS)) == (5_000_000, 1)
    assert stage.judge.asked == 1
    counts = stage.store.rule_counts()[rule.id, 1]
    assert (counts.by_state, counts.cost, counts.calls) == ({"done": 1}, 5_000_000, 1)
    assert explain(stage.store, judging, now_ns=stage.now).rules[0].words == (
        "it is a judge's own call, and these are never evaluated"
    )


def test_a_budget_ends_what_a_judge_is_asked_and_retry_asks_the_rest(stage: Stage) -> None:
    rule = stage.asks(budget=Budget(calls=3))
    for number in range(1, 6):
        send(stage.store, question(number))
    stage.work()
    assert stage.judge.asked == 3
    counts = stage.store.rule_counts()[rule.id, 1].by_state
    assert counts == {"done": 3, "over_budget": 2}
    stage.now += 86_400 * SECOND_NS
    assert stage.store.retry_decisions(rule, ["over_budget"], now_ns=stage.now).result(30) == 2
    stage.work()
    assert stage.store.rule_counts()[rule.id, 1].by_state == {"done": 5}


def test_what_passes_is_tried_again_when_the_judge_asked_for_it(stage: Stage) -> None:
    def answer(asked: int) -> str:
        if asked == 1:
            raise Temporary("status 429", 40.0)
        if asked == 2:
            raise Temporary("no answer")
        return "good"

    stage.judge.answer = answer
    rule = stage.asks()
    send(stage.store, question(1))
    stage.work()
    assert stage.state(rule) == ("queued", "attempt 1 failed, tried again in 40 s: status 429")
    stage.work(39)
    assert stage.judge.asked == 1
    stage.work(2)
    assert stage.judge.asked == 2
    stage.work(10)
    assert stage.state(rule) == ("done", None)
    found = stage.store.decision(rule.id, 1, Subject(trace_id(1)))
    assert (found.attempts, found.calls) == (3, 3)
    assert len(stage.scores()) == 1


def test_an_evaluator_at_fault_is_given_up_and_tried_again_on_demand(stage: Stage, saying: Saying) -> None:
    def fails(subject: Judged) -> Sequence[Score]:
        raise KeyError("answer")

    saying.say = fails
    rule, other = stage.add(), stage.add("other", evaluator={"type": "saying"}, filter="name == 'nothing'")
    send(stage.store, question(1), question(2))
    for _ in range(4):
        stage.work(600)
    assert stage.state(rule) == ("failed", "given up after 3 attempts: KeyError: 'answer'")
    assert stage.state(other) == ("filtered", "the filter does not hold: name == 'nothing'")
    saying.say = lambda subject: [Score("tone", float("nan"))]
    assert stage.store.retry_decisions(rule, ["failed"], now_ns=stage.now).result(30) == 2
    for _ in range(4):
        stage.work(600)
    state = stage.state(rule)
    assert state is not None and "the score tone is nan" in str(state[1])
    saying.say = lambda subject: [Score("tone", True)]
    stage.store.retry_decisions(rule, ["failed"], now_ns=stage.now).result(30)
    stage.work()
    assert [one.score for one in stage.scores()] == [True]


def test_an_evaluator_may_have_nothing_to_say(stage: Stage, saying: Saying) -> None:
    def nothing(subject: Judged) -> Sequence[Score]:
        raise NotApplicable("no documents")

    saying.say = nothing
    rule = stage.add()
    send(stage.store, question(1))
    stage.work()
    assert stage.state(rule) == ("not_applicable", "no documents")
    assert stage.scores() == []


def test_a_new_version_takes_over_what_waits_and_old_scores_stay(stage: Stage, saying: Saying) -> None:
    stage.add()
    send(stage.store, question(1))
    stage.work()
    send(stage.store, question(2))
    catch_up(stage.store)
    assert stage.evaluating.decide.run_once() == 1
    new = stage.store.change_rule("tone", {"evaluator": {"type": "saying", "x": 1}}, now_ns=2).result(30)
    stage.work()
    assert [one.identifier for one in stage.scores(1)] == ["rule:tone@1"]
    assert [one.identifier for one in stage.scores(2)] == ["rule:tone@2"]
    assert stage.state(new, 2) == ("done", None)
    told = explain(stage.store, trace_id(1), now_ns=stage.now).rules
    assert [(one.rule.version, one.is_current) for one in told] == [(2, True), (1, False)]
    assert told[1].words == "of an older version: scored"


def test_a_paused_rule_holds_what_waits_and_takes_nothing_new(stage: Stage, saying: Saying) -> None:
    rule = stage.add()
    send(stage.store, question(1))
    catch_up(stage.store)
    stage.evaluating.decide.run_once()
    stage.store.change_rule("tone", {"state": "paused"}, now_ns=2).result(30)
    stage.work()
    send(stage.store, question(2))
    stage.work()
    assert stage.state(rule) == ("queued", "waits: the rule is paused")
    stage.store.change_rule("tone", {"state": "active"}, now_ns=3).result(30)
    stage.work(31)
    assert stage.state(rule) == ("done", None)
    assert stage.state(rule, 2) is None


def test_a_backfill_scores_what_was_there_before_the_rule(stage: Stage, saying: Saying) -> None:
    for number in range(1, 8):
        send(stage.store, question(number), llm(number, 1, 0))
    stage.work()
    rule = stage.add(target="span", filter="kind == 'llm'")
    assert "back-fill" in explain(stage.store, trace_id(1), now_ns=stage.now).rules[0].words
    begun = stage.store.add_backfill(Backfill(rule.id, 0, 2**62, expected=7), now_ns=stage.now).result(30)
    stage.store.set_backfill(begun.id, "paused", now_ns=stage.now).result(30)
    stage.work()
    assert saying.seen == []
    stage.store.set_backfill(begun.id, "active", now_ns=stage.now).result(30)
    stage.work(2)
    (done,) = stage.store.backfills(rule.id)
    assert (done.state, done.seen, len(saying.seen)) == ("done", 7, 7)
    assert stage.store.rule_counts()[rule.id, 1].by_state == {"done": 7, "filtered": 7}


def test_what_a_rule_waited_for_when_it_was_paused_is_not_forgotten(stage: Stage, saying: Saying) -> None:
    rule, other = stage.add(), stage.add("other")
    stage.store.change_rule("other", {"state": "paused"}, now_ns=2).result(30)
    send(stage.store, llm(1, 2, 1))
    stage.work()
    stage.store.change_rule("tone", {"state": "paused"}, now_ns=3).result(30)
    stage.work(31)
    assert stage.state(rule) == ("queued", "waits: the rule is paused")
    assert stage.state(other) is None
    stage.store.change_rule("tone", {"state": "active"}, now_ns=4).result(30)
    stage.work(31)
    assert (stage.state(rule), len(saying.seen)) == (("done", None), 1)


def test_one_trace_that_no_filter_can_read_does_not_stop_the_others(
    stage: Stage, saying: Saying, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collector.evaluation import choosing

    real = choosing.matches

    def hostile(node: Any, record: Any) -> bool:
        if record.summary.trace_id == trace_id(1):
            raise RecursionError("too deep")
        return real(node, record)

    monkeypatch.setattr(choosing, "matches", hostile)
    rule = stage.add(filter="name == 'answer'")
    send(stage.store, question(1), question(2))
    stage.work()
    assert stage.state(rule, 1) == ("failed", "the filter cannot be applied: RecursionError: too deep")
    assert stage.state(rule, 2) == ("done", None)
