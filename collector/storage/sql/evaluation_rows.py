"""Rules, decisions and back-fills to rows and back. Pure."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Final

import orjson

from collector.evaluation.rules import Budget, Decision, Rule, subject_of
from collector.storage.evaluation_api import Backfill
from collector.storage.sql.queue import clean_reason

#: what has a column of its own
_COLUMNS: Final = frozenset({"id", "name", "version", "state", "source", "created_ns", "changed_ns"})
_SETTINGS: Final = tuple(one.name for one in fields(Rule) if one.name not in _COLUMNS)
DECISION_COLUMNS: Final = (
    "rule_id", "version", "target", "trace_id", "session_id", "state", "mark", "attempts", "reason", "content", "cost",
    "calls", "created_ns", "updated_ns",
)  # fmt: skip


def rule_cells(rule: Rule) -> dict[str, Any]:
    """Every column that a rule fills, but its id."""
    settings = {name: getattr(rule, name) for name in _SETTINGS} | {"budget": asdict(rule.budget)}
    return {
        "name": rule.name,
        "version": rule.version,
        "settings": orjson.dumps(settings).decode(),
        "state": rule.state,
        "source": rule.source,
        "created_ns": rule.created_ns,
        "changed_ns": rule.changed_ns,
    }


def rule_of(row: Any, **others: Any) -> Rule:
    """Of a row of ``rules``; of one of ``rule_versions`` with the ``others`` that it lacks."""
    settings = orjson.loads(row.settings)
    settings["budget"] = Budget(**settings.get("budget") or {})
    settings["projects"] = tuple(settings.get("projects", ()))
    if not others:
        others = {"id": row.id, "state": row.state, "source": row.source, "created_ns": row.created_ns}
    return Rule(name=row.name, version=row.version, changed_ns=row.changed_ns, **settings, **others)


def decision_cells(decision: Decision, now_ns: int) -> dict[str, Any]:
    subject = decision.subject
    return {
        "rule_id": decision.rule_id,
        "version": decision.version,
        "target": subject.key,
        "trace_id": subject.trace_id,
        "session_id": subject.session_id,
        "state": decision.state,
        "mark": decision.mark,
        "attempts": decision.attempts,
        "reason": None if decision.reason is None else clean_reason(decision.reason),
        "content": decision.content,
        "cost": decision.cost,
        "calls": decision.calls,
        "created_ns": decision.created_ns or now_ns,
        "updated_ns": now_ns,
    }


def decision_of(row: Any) -> Decision:
    return Decision(
        rule_id=row.rule_id,
        version=row.version,
        subject=subject_of(row.target),
        state=row.state,
        mark=row.mark,
        attempts=row.attempts,
        reason=row.reason,
        content=None if row.content is None else bytes(row.content),
        cost=row.cost,
        calls=row.calls,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def backfill_of(row: Any) -> Backfill:
    return Backfill(**{one.name: getattr(row, one.name) for one in fields(Backfill)})
