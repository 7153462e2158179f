"""Why a rule did or did not score a trace, its spans or its session: rule by rule, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.evaluation.backfill import BackfillStore
from collector.evaluation.rules import JUDGES_PROJECT, Decision, Rule
from collector.evaluation.views import TraceView, views_of
from collector.storage.evaluation_api import DECIDE

_WORDS: Final = {
    "queued": "waits to be scored",
    "filtered": "not scored",
    "sampled_out": "not scored",
    "over_budget": "not scored",
    "not_applicable": "not scored",
    "failed": "failed",
    "done": "scored",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """Of one version of a rule. ``words`` answer for the whole; ``decisions`` are one for each target."""

    rule: Rule
    is_current: bool
    words: str
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """``project`` and ``session_id`` are None where no span of the trace is stored."""

    trace_id: bytes
    project: str | None = None
    session_id: str | None = None
    rules: list[Explained] = field(default_factory=list)


def explain(store: BackfillStore, trace_id: bytes, *, now_ns: int) -> Explanation:
    """By rule, the current version first. Raises ``StorageError``."""
    view = views_of(store, [trace_id]).get(trace_id)
    session = view.session_id if view else None
    decisions = store.decisions_about(trace_id, session)
    waiting = store.queue.stats(DECIDE, now_ns=now_ns).ready
    found = Explanation(trace_id, view.project if view else None, session)
    for rule in store.rules():
        mine = tuple(one for one in decisions if one.rule_id == rule.id and one.version == rule.version)
        words = _of_all(mine) if mine else why_nothing(rule, view, waiting)
        found.rules.append(Explained(rule, True, words, mine))
        old = {one.version for one in decisions if one.rule_id == rule.id} - {rule.version}
        for version in store.rule_versions(rule.name) if old else ():
            of_old = tuple(d for d in decisions if d.rule_id == rule.id and d.version == version.version)
            if version.version in old:
                found.rules.append(Explained(version, False, f"of an older version: {_of_all(of_old)}", of_old))
    return found


def why_nothing(rule: Rule, view: TraceView | None, waiting: int) -> str:
    """Where there is no decision. ``waiting``: batches that are still to be decided about."""
    if view is None:
        return "no span of this trace is stored"
    if view.project == JUDGES_PROJECT:
        return "it is a judge's own call, and these are never evaluated"
    projects = {span.project for span in view.spans} if rule.target == "span" else {view.project}
    if not any(rule.covers(project) for project in projects):
        return f"its project {view.project} is not one of the rule's: {', '.join(rule.projects)}"
    if rule.target == "session" and view.session_id is None:
        return "it belongs to no session"
    if rule.state == "paused":
        return "the rule is paused; what is stored meanwhile can be scored by a back-fill"
    if view.summary.end_ns < rule.changed_ns:
        return "it ended before this version of the rule was there; a back-fill scores it"
    if waiting:
        return f"it has not been looked at yet: {waiting} batches wait"
    return "it was stored while no rule was active, or before this one was; a back-fill scores it"


def words_of(decision: Decision) -> str:
    told = _WORDS[decision.state]
    if decision.state in ("failed", "queued") and decision.attempts:
        told += f" (attempts: {decision.attempts})"
    return f"{told}: {decision.reason}" if decision.reason else told


def _of_all(decisions: Sequence[Decision]) -> str:
    if len(decisions) == 1:
        return words_of(decisions[0])
    counts: dict[str, int] = {}
    for one in decisions:
        counts[one.state] = counts.get(one.state, 0) + 1
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in sorted(counts.items()))
