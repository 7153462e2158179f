"""Rules, decisions and explanations as the API and the command line show them. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from collector.annotations import Annotation
from collector.api.values import finite, timestamp, usd
from collector.evaluation.backfill import Estimate
from collector.evaluation.explain import Explanation, words_of
from collector.evaluation.rules import DECISION_STATES, Counts, Decision, Rule
from collector.evaluation.score_series import ScoreStep
from collector.storage.evaluation_api import Backfill


def rule_json(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "evaluator": dict(rule.evaluator),
        "target": rule.target,
        "filter": rule.filter,
        "sample_rate": rule.sample_rate,
        "judge": None if rule.judge is None else dict(rule.judge),
        "budget": asdict(rule.budget),
        "projects": list(rule.projects),
        "state": rule.state,
        "source": rule.source,
        "version": rule.version,
        "created_at": timestamp(rule.created_ns),
        "changed_at": timestamp(rule.changed_ns),
    }


def status_json(rule: Rule, counts: Counts | None) -> dict[str, Any]:
    """With what was decided by its current version."""
    found = counts or Counts()
    return {
        **rule_json(rule),
        "decisions": {state: found.by_state.get(state, 0) for state in DECISION_STATES},
        "judge_calls": found.calls,
        "judge_cost": usd(found.cost),
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    subject = decision.subject
    return {
        "version": decision.version,
        "trace_id": subject.trace_id.hex() if subject.trace_id else None,
        "span_id": subject.span_id.hex() if subject.span_id else None,
        "session_id": subject.session_id,
        "state": decision.state,
        "words": words_of(decision),
        "reason": decision.reason,
        "attempts": decision.attempts,
        "judge_calls": decision.calls,
        "judge_cost": usd(decision.cost),
        "created_at": timestamp(decision.created_ns),
        "updated_at": timestamp(decision.updated_ns),
    }


def explanation_json(found: Explanation) -> dict[str, Any]:
    return {
        "trace_id": found.trace_id.hex(),
        "project": found.project,
        "session_id": found.session_id,
        "rules": [
            {
                "name": one.rule.name,
                "version": one.rule.version,
                "is_current": one.is_current,
                "target": one.rule.target,
                "state": one.rule.state,
                "words": one.words,
                "decisions": [decision_json(decision) for decision in one.decisions],
            }
            for one in found.rules
        ],
    }


def backfill_json(found: Backfill) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": found.state,
        "from": timestamp(found.from_ns),
        "to": timestamp(found.to_ns),
        "expected": found.expected,
        "seen": found.seen,
        "created_at": timestamp(found.created_ns),
    }


def estimate_json(found: Estimate) -> dict[str, Any]:
    return {
        "traces": found.traces,
        "looked_at": found.looked_at,
        "targets": found.targets,
        "judge_calls": found.calls,
        "cost_usd": found.cost_usd,
        "basis": found.basis,
    }


def score_step_json(step: ScoreStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "start_time": timestamp(step.start_ns),
        "count": step.count,
        "mean": finite(step.mean),
        "labels": step.labels,
    }


def score_json(said: Annotation) -> dict[str, Any]:
    target = said.target
    return {
        "name": said.name,
        "score": said.score,
        "label": said.label,
        "explanation": said.explanation,
        "annotator_kind": said.annotator_kind,
        "span_id": target.span_id.hex() if target.span_id else None,
        "document_position": target.document_position,
        "metadata": said.metadata,
    }
