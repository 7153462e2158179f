"""Rules, what was decided by them, and the scores that come with decisions, on every engine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from store_data import llm, send, span_id, trace_id

from collector.annotations import Annotation, Target
from collector.evaluation.rules import Budget, Decision, Rule, Subject
from collector.queue.api import Item
from collector.storage.evaluation_api import BACKFILL, DECIDE, JUDGE, SCORE, Backfill, Concluded
from collector.storage.forward_api import Follow, NameTaken

POLITE = Rule(
    "polite",
    {"type": "contains", "value": "please", "é": [1, None]},
    target="span",
    filter="kind == 'llm'",
    sample_rate=0.5,
    judge={"provider": "openai", "model": "m", "api_key": "env:KEY"},
    budget=Budget(1.5, 100),
    projects=("p", "shop"),
)
SHORT = Rule("short", {"type": "latency"})
TRACE = Subject(trace_id(1))
LATER = 2**62


def add(store: Any, rule: Rule) -> Rule:
    added: Rule = store.add_rule(rule, now_ns=5).result(30)
    return added


def change(store: Any, name: str, **changes: Any) -> Rule:
    changed: Rule = store.change_rule(name, changes, now_ns=9).result(30)
    return changed


def claim(store: Any, consumer: str = SCORE, now_ns: int = LATER) -> list[Item]:
    items: list[Item] = store.queue.claim(consumer, "test", limit=100, lease_ns=10**9, now_ns=now_ns)
    return items


def queued(store: Any, consumer: str = SCORE) -> Item:
    store.queue.put(consumer, 0, now_ns=1, payload={"x": 1})
    (item,) = claim(store, consumer)
    return item


def score(value: float, rule: Rule, name: str = "polite", subject: Subject = TRACE) -> Annotation:
    target = Target(subject.trace_id, subject.span_id, subject.session_id)
    return Annotation(name, target, "code", rule.identifier, score=value)


def scored(item: Item, rule: Rule, *scores: Annotation, subject: Subject = TRACE, mark: int = 1) -> Concluded:
    decision = Decision(rule.id, rule.version, subject, "done", mark, 1, content=b"c" * 16, cost=7, calls=1)
    return Concluded(item, (decision,), (), subject, rule.identifier, scores)


def scores(store: Any, number: int = 1) -> list[tuple[str, Any, str]]:
    found = [(one.name, one.score, one.identifier) for one in store.annotations_of_trace(trace_id(number))]
    return sorted(found, key=lambda one: (one[2], one[0], one[1]))


def test_a_rule_is_kept_as_it_was_said(store: Any) -> None:
    added = add(store, POLITE)
    assert added == replace(POLITE, id=added.id, version=1, created_ns=5, changed_ns=5)
    add(store, SHORT)
    assert [rule.name for rule in store.rules()] == ["polite", "short"]
    assert store.rules()[0] == added


def test_a_name_is_taken_once(store: Any) -> None:
    add(store, SHORT)
    with pytest.raises(NameTaken):
        add(store, replace(POLITE, name="short"))
    add(store, POLITE)
    with pytest.raises(NameTaken):
        store.change_rule("polite", {"name": "short"}, now_ns=1).result(30)


def test_what_could_change_a_score_makes_a_version_and_the_old_ones_are_kept(store: Any) -> None:
    first = add(store, POLITE)
    assert change(store, "polite", state="paused", sample_rate=0.1, budget=Budget()).version == 1
    second = change(store, "polite", evaluator={"type": "contains", "value": "thanks"})
    assert (second.version, second.changed_ns, second.state, second.sample_rate) == (2, 9, "paused", 0.1)
    versions = store.rule_versions("polite")
    assert [one.version for one in versions] == [2, 1]
    assert versions[1].evaluator == first.evaluator
    assert store.rule_versions("nobody") == []
    assert store.change_rule("nobody", {"state": "paused"}, now_ns=1).result(30) is None


def test_a_batch_leaves_one_item_where_a_rule_is_active(store: Any) -> None:
    send(store, llm(1, 0))
    assert claim(store, DECIDE) == []
    add(store, POLITE)
    add(store, SHORT)
    send(store, llm(2, 0), llm(3, 0), llm(3, 1, 0))
    (item,) = claim(store, DECIDE)
    assert set(store.traces_of_batches([item.batch_id])) == {trace_id(2), trace_id(3)}
    change(store, "polite", state="paused")
    change(store, "short", state="paused")
    send(store, llm(4, 0))
    assert claim(store, DECIDE) == []


def test_the_item_the_decision_the_score_and_what_follows_come_and_go_together(store: Any) -> None:
    rule = add(store, POLITE)
    item = queued(store)
    follow = Follow(SCORE, {"rule": rule.id, "target": TRACE.key}, due_ns=3)
    concluded = replace(scored(item, rule, score(1.0, rule)), follows=(follow,))
    assert store.conclude([concluded], now_ns=11) == 1
    assert scores(store) == [("polite", 1.0, "rule:polite@1")]
    decision = store.decision(rule.id, 1, TRACE)
    assert (decision.state, decision.attempts, decision.content, decision.cost) == ("done", 1, b"c" * 16, 7)
    assert (decision.created_ns, decision.updated_ns) == (11, 11)
    (following,) = claim(store)
    assert following.payload == {"rule": rule.id, "target": TRACE.key}


def test_nothing_of_a_lost_claim_is_stored(store: Any) -> None:
    rule = add(store, POLITE)
    item = queued(store)
    store.queue.rescue(now_ns=LATER + 10**10)
    (again,) = claim(store)
    assert store.conclude([scored(item, rule, score(0.0, rule))], now_ns=1) == 0
    assert scores(store) == []
    assert store.decision(rule.id, 1, TRACE) is None
    assert store.conclude([scored(again, rule, score(1.0, rule))], now_ns=1) == 1
    assert scores(store) == [("polite", 1.0, "rule:polite@1")]


def test_a_score_replaces_the_one_before_and_only_of_its_version(store: Any) -> None:
    rule = add(store, POLITE)
    first = scored(queued(store), rule, score(0.0, rule), score(0.5, rule, "tone"))
    store.conclude([first], now_ns=1)
    store.conclude([scored(queued(store), rule, score(1.0, rule), mark=2)], now_ns=2)
    assert scores(store) == [("polite", 1.0, "rule:polite@1")]
    new = change(store, "polite", filter=None)
    store.conclude([scored(queued(store), new, score(0.2, new))], now_ns=3)
    assert [identifier for _, _, identifier in scores(store)] == ["rule:polite@1", "rule:polite@2"]
    store.conclude([scored(queued(store), new, mark=2)], now_ns=4)
    assert [identifier for _, _, identifier in scores(store)] == ["rule:polite@1"]


def test_scores_of_spans_stand_beside_each_other_and_those_of_documents_go_with_their_trace(store: Any) -> None:
    of_spans, of_trace = add(store, POLITE), add(store, replace(SHORT, name="found"))
    one, other = Subject(trace_id(1), span_id(0)), Subject(trace_id(1), span_id(1))
    for subject in (one, other):
        said = score(0.3, of_spans, subject=subject)
        store.conclude([scored(queued(store), of_spans, said, subject=subject)], now_ns=3)
    document = replace(score(0.9, of_trace, "relevant"), target=Target(trace_id(1), span_id(1), None, 2))
    store.conclude([scored(queued(store), of_trace, document)], now_ns=3)
    store.conclude([scored(queued(store), of_spans, subject=one)], now_ns=4)
    assert scores(store) == [("relevant", 0.9, "rule:found@1"), ("polite", 0.3, "rule:polite@1")]
    store.conclude([scored(queued(store), of_trace)], now_ns=5)
    assert scores(store) == [("polite", 0.3, "rule:polite@1")]


def test_scores_stay_where_nothing_is_said_of_them(store: Any) -> None:
    rule = add(store, POLITE)
    store.conclude([scored(queued(store), rule, score(0.0, rule))], now_ns=1)
    failed = Decision(rule.id, 1, TRACE, "failed", 2, 3, "the judge is gone")
    store.conclude([Concluded(queued(store), (failed,))], now_ns=2)
    assert scores(store) == [("polite", 0.0, "rule:polite@1")]
    decision = store.decision(rule.id, 1, TRACE)
    assert (decision.state, decision.attempts, decision.reason) == ("failed", 3, "the judge is gone")
    assert (decision.content, decision.cost, decision.created_ns) == (b"c" * 16, 7, 1)


def test_scores_of_sessions_are_replaced_too(store: Any) -> None:
    rule = add(store, replace(SHORT, target="session"))
    session = Subject(session_id="s\N{SNOWMAN}:1")
    store.conclude([scored(queued(store), rule, score(0.1, rule, subject=session), subject=session)], now_ns=1)
    again = scored(queued(store), rule, score(0.2, rule, "calm", subject=session), subject=session, mark=2)
    store.conclude([again], now_ns=2)
    found = store.annotations_about([], [], [session.session_id])
    assert [(one.name, one.score) for _, one in found] == [("calm", 0.2)]
    assert store.decision(rule.id, 1, session).subject == session


def test_what_was_decided_knowing_less_replaces_nothing(store: Any) -> None:
    rule = add(store, POLITE)
    done = Decision(rule.id, 1, TRACE, "done", 5)
    store.conclude([Concluded(queued(store), (done,))], now_ns=1)
    store.conclude([Concluded(queued(store), (replace(done, state="queued", mark=4),))], now_ns=2)
    assert store.decision(rule.id, 1, TRACE).state == "done"
    store.conclude([Concluded(queued(store), (replace(done, state="filtered", mark=5),))], now_ns=3)
    assert store.decision(rule.id, 1, TRACE).state == "filtered"


def test_decisions_are_counted_and_found(store: Any) -> None:
    rule = add(store, POLITE)
    about = [Subject(trace_id(1)), Subject(trace_id(1), span_id(1)), Subject(trace_id(2)), Subject(session_id="s")]
    states = ["done", "filtered", "done", "failed"]
    decisions = tuple(
        Decision(rule.id, 1, subject, state, cost=3, calls=1) for subject, state in zip(about, states, strict=True)
    )
    store.conclude([Concluded(queued(store), decisions)], now_ns=1)
    counts = store.rule_counts()[rule.id, 1]
    assert (counts.by_state, counts.cost, counts.calls) == ({"done": 2, "filtered": 1, "failed": 1}, 12, 4)
    assert {one.subject for one in store.decisions_about(trace_id(1))} == set(about[:2])
    assert {one.subject for one in store.decisions_about(trace_id(2), "s")} == set(about[2:])
    assert [one.subject for one in store.decisions_of(rule.id, state="failed")] == [about[3]]
    assert len(store.decisions_of(rule.id, limit=3)) == 3
    assert store.decisions_of(rule.id, version=2) == []
    places = [(rule.id, 1, about[0].key), (rule.id, 1, about[3].key), (rule.id, 2, about[1].key), (99, 1, "trace:")]
    assert {place: one.state for place, one in store.decisions_at(places).items()} == {
        places[0]: "done",
        places[1]: "failed",
    }
    assert store.decisions_at([]) == {}


def test_targets_are_queued_again_by_their_state(store: Any) -> None:
    rule = add(store, POLITE)
    failed = Decision(rule.id, 1, TRACE, "failed", 5, 3, "gone", b"c" * 16)
    done = Decision(rule.id, 1, Subject(trace_id(2)), "done", 5)
    store.conclude([Concluded(queued(store), (failed, done))], now_ns=1)
    assert store.retry_decisions(rule, ["failed", "over_budget"], now_ns=2).result(30) == 1
    (item,) = claim(store, JUDGE)
    assert item.payload == {"rule": rule.id, "version": 1, "target": TRACE.key}
    again = store.decision(rule.id, 1, TRACE)
    assert (again.state, again.attempts, again.reason, again.content) == ("queued", 0, None, None)


def test_a_removed_rule_takes_its_decisions_along_and_leaves_its_scores(store: Any) -> None:
    rule = add(store, POLITE)
    store.conclude([scored(queued(store), rule, score(0.0, rule))], now_ns=1)
    assert store.remove_rule("polite").result(30)
    assert not store.remove_rule("polite").result(30)
    assert store.decisions_about(trace_id(1)) == []
    assert len(scores(store)) == 1
    assert add(store, POLITE).id != rule.id


def test_a_judge_calls_no_more_often_than_it_may(store: Any) -> None:
    assert [store.reserve_call(1, 20, calls=2, usd=None) for _ in range(3)] == [True, True, False]
    assert store.reserve_call(1, 21, calls=2, usd=100)
    store.add_spending(1, 21, 60)
    store.add_spending(1, 21, 60)
    assert not store.reserve_call(1, 21, calls=2, usd=100)
    assert store.reserve_call(1, 21, calls=None, usd=None)
    assert (store.spent(1, 20), store.spent(1, 21), store.spent(2, 20)) == ((0, 2), (120, 2), (0, 0))


def test_a_backfill_goes_on_where_it_was(store: Any) -> None:
    rule = add(store, SHORT)
    added = store.add_backfill(Backfill(rule.id, 10, 20, expected=3), now_ns=4).result(30)
    (item,) = claim(store, BACKFILL)
    assert item.payload == {"backfill": added.id}
    follow = Follow(BACKFILL, {"backfill": added.id}, due_ns=0)
    ahead = replace(added, seen=2, cursor="abc")
    assert store.advance_backfill(Concluded(item, follows=(follow,)), ahead, now_ns=5)
    assert not store.advance_backfill(Concluded(item), replace(ahead, seen=9), now_ns=5)
    assert store.backfills(rule.id) == [ahead]
    assert store.set_backfill(added.id, "paused", now_ns=6).result(30).state == "paused"
    (item,) = claim(store, BACKFILL)
    store.advance_backfill(Concluded(item), replace(ahead, seen=3, state="done"), now_ns=7)
    assert (store.backfills()[0].state, store.backfills()[0].seen) == ("paused", 3)
    assert store.set_backfill(99, "active", now_ns=6).result(30) is None


def test_what_an_annotation_said_before_is_kept(store: Any) -> None:
    said = Annotation("tone", Target(trace_id(1), span_id(0)), score=0.5, explanation="é", metadata={"k": [1]})
    (kept,) = store.put_annotations([said]).result(30)
    store.put_annotations([said]).result(30)
    assert store.annotation_history(kept.id) == []
    store.put_annotations([replace(said, score=True)]).result(30)
    store.change_annotation(kept.id, {"label": "good"}).result(30)
    store.delete_annotation(kept.id).result(30)
    before = store.annotation_history(kept.id)
    assert [(one.annotation.score, one.annotation.label) for one in before] == [
        (True, "good"),
        (True, None),
        (0.5, None),
    ]
    assert before[2].annotation.metadata == {"k": [1]}
    assert before[2].annotation.target == said.target
    assert before[0].replaced_ns >= before[2].replaced_ns > time.time_ns() - 60 * 10**9
