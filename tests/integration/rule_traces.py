"""A rule with decisions, scores and a back-fill for the tests of the API, over what ``api_traces`` stores."""

from __future__ import annotations

from typing import Any

from api_traces import NOW, span_id, trace_id

from collector.annotations import Annotation, Target
from collector.evaluation.rules import Budget, Decision, Rule, Subject
from collector.storage.evaluation_api import DECIDE, Backfill, Concluded

SCORED = Annotation("polite", Target(trace_id(1)), "code", "rule:polite@1", score=1.0, id=b"s" * 16)


def add_rule(store: Any) -> Rule:
    """``polite``, at its second version: of trace 1 the whole was scored, its second span failed."""
    given = Rule("polite", {"type": "contains", "value": "please"}, filter="cost > 0", budget=Budget(1.5))
    store.add_rule(given, now_ns=NOW).result(30)
    rule: Rule = store.change_rule(
        "polite", {"evaluator": {"type": "contains", "value": "thanks"}}, now_ns=NOW
    ).result()
    store.change_rule("polite", {"state": "paused"}, now_ns=NOW).result(30)
    for score in (0.0, 1.0):
        store.queue.put(DECIDE, 0, now_ns=1, payload={"traces": []})
        (item,) = store.queue.claim(DECIDE, "tests", limit=1, lease_ns=10**9, now_ns=2**62)
        subjects = (Subject(trace_id(1)), Subject(trace_id(1), span_id(2)))
        done = Decision(rule.id, 2, subjects[0], "done", 1, 1, content=b"c" * 16, cost=7, calls=1)
        failed = Decision(rule.id, 2, subjects[1], "failed", 1, 3, "KeyError: 'x'")
        said = Annotation(SCORED.name, SCORED.target, "code", SCORED.identifier, score=score, id=SCORED.id)
        store.conclude([Concluded(item, (done, failed), (), subjects[0], SCORED.identifier, (said,))], now_ns=NOW)
    store.add_backfill(Backfill(rule.id, 0, NOW, expected=3), now_ns=NOW).result(30)
    return rule
