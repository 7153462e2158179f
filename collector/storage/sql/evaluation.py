"""``EvaluationStore`` over a ``Database``: rules, decisions, and scores that come with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import IntegrityError

from collector.evaluation.rules import Counts, Decision, DecisionState, Rule, Subject, changed
from collector.storage.evaluation_api import (
    BACKFILL,
    Backfill,
    BackfillState,
    Concluded,
    NameTaken,
    Place,
    Replaced,
    ScoreCell,
    scorer_of,
)
from collector.storage.sql.annotations import history_of, replace_scores, take_turns
from collector.storage.sql.engine import Database
from collector.storage.sql.evaluation_rows import (
    DECISION_COLUMNS,
    backfill_of,
    decision_cells,
    decision_of,
    rule_cells,
    rule_of,
)
from collector.storage.sql.forward import FOLLOW, TAKE, follow_cells
from collector.storage.sql.scores import score_cells

_ALL: Final = text("SELECT * FROM rules ORDER BY name")
_BY_NAME: Final = text("SELECT * FROM rules WHERE name = :name")
_RULE: Final = ("name", "version", "settings", "state", "source", "created_ns", "changed_ns")
_ADD: Final = text(
    f"INSERT INTO rules ({', '.join(_RULE)}) VALUES ({', '.join(':' + name for name in _RULE)}) RETURNING id"
)
_SET: Final = text(f"UPDATE rules SET {', '.join(f'{name} = :{name}' for name in _RULE)} WHERE id = :id")
_VERSIONS: Final = text("SELECT * FROM rule_versions WHERE rule_id = :id ORDER BY version DESC")
_KEEP_VERSION: Final = text(
    "INSERT INTO rule_versions (rule_id, version, name, settings, changed_ns) "
    "VALUES (:id, :version, :name, :settings, :changed_ns) ON CONFLICT (rule_id, version) DO UPDATE "
    "SET settings = excluded.settings"
)
_REMOVE: Final = tuple(
    text(f"DELETE FROM {table} WHERE {column} = :id")
    for table, column in (
        ("rules", "id"),
        ("rule_versions", "rule_id"),
        ("decisions", "rule_id"),
        ("rule_spending", "rule_id"),
        ("backfills", "rule_id"),
    )
)
_COUNTS: Final = text(
    "SELECT rule_id, version, state, count(*) AS n, sum(cost) AS cost, sum(calls) AS calls FROM decisions "
    "GROUP BY rule_id, version, state"
)
_DECISIONS: Final = f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions"
_ONE: Final = text(f"{_DECISIONS} WHERE rule_id = :rule_id AND version = :version AND target = :target")
_AT: Final = text(f"{_DECISIONS} WHERE rule_id IN :rules AND version IN :versions AND target IN :targets").bindparams(
    *(bindparam(name, expanding=True) for name in ("rules", "versions", "targets"))
)
_AT_ONCE: Final = 500
_ABOUT: Final = text(f"{_DECISIONS} WHERE trace_id = :trace_id UNION ALL {_DECISIONS} WHERE session_id = :session_id")
# What was decided knowing less leaves what is stored as it is.
_DECIDE: Final = text(
    f"INSERT INTO decisions ({', '.join(DECISION_COLUMNS)}) VALUES ({', '.join(':' + c for c in DECISION_COLUMNS)}) "
    "ON CONFLICT (rule_id, version, target) DO UPDATE SET state = excluded.state, mark = excluded.mark, "
    "attempts = excluded.attempts, reason = excluded.reason, content = coalesce(excluded.content, decisions.content), "
    "cost = decisions.cost + excluded.cost, calls = decisions.calls + excluded.calls, "
    "updated_ns = excluded.updated_ns WHERE decisions.mark <= excluded.mark"
)
_AGAIN: Final = text(
    f"{_DECISIONS} WHERE rule_id = :rule_id AND version = :version AND state IN :states "
    "ORDER BY updated_ns LIMIT :limit"
).bindparams(bindparam("states", expanding=True))
_REQUEUE: Final = text(
    "UPDATE decisions SET state = 'queued', attempts = 0, reason = NULL, content = NULL, updated_ns = :now "
    "WHERE rule_id = :rule_id AND version = :version AND target = :target"
)
_PUT: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns, payload) "
    "VALUES (:consumer, 0, 'ready', 0, :now, :now, :payload)"
)
_BACKFILL: Final = ("rule_id", "from_ns", "to_ns", "expected", "state", "seen", "cursor", "created_ns")
_ADD_BACKFILL: Final = text(
    f"INSERT INTO backfills ({', '.join(_BACKFILL)}) VALUES ({', '.join(':' + name for name in _BACKFILL)}) "
    "RETURNING id"
)
_ADVANCE: Final = text(
    "UPDATE backfills SET seen = :seen, cursor = :cursor, "
    "state = CASE WHEN state = 'active' THEN :state ELSE state END WHERE id = :id"
)
_SPENT: Final = text("SELECT cost, calls FROM rule_spending WHERE rule_id = :rule_id AND day = :day")
_FIRST_SPENT: Final = text(
    "INSERT INTO rule_spending (rule_id, day, cost, calls) VALUES (:rule_id, :day, 0, 0) "
    "ON CONFLICT (rule_id, day) DO NOTHING"
)
_RESERVE: Final = text(
    "UPDATE rule_spending SET calls = calls + 1 WHERE rule_id = :rule_id AND day = :day "
    "AND calls < :calls AND cost < :usd"
)
_SPEND: Final = text(
    "INSERT INTO rule_spending (rule_id, day, cost, calls) VALUES (:rule_id, :day, :cost, 0) "
    "ON CONFLICT (rule_id, day) DO UPDATE SET cost = rule_spending.cost + excluded.cost"
)
_NO_LIMIT: Final = 2**62


class SqlEvaluation:
    def __init__(self, database: Database) -> None:
        self._database = database

    # rules

    def rules(self) -> list[Rule]:
        with self._database.read() as connection:
            return [rule_of(row) for row in connection.execute(_ALL)]

    def rule_versions(self, name: str) -> list[Rule]:
        with self._database.read() as connection:
            known = _named(connection, name)
            if known is None:
                return []
            others = {"id": known.id, "state": known.state, "source": known.source, "created_ns": known.created_ns}
            return [rule_of(row, **others) for row in connection.execute(_VERSIONS, {"id": known.id})]

    def add_rule(self, rule: Rule, *, now_ns: int) -> Future[Rule]:
        def job(connection: Connection) -> Rule:
            new = replace(rule, version=1, created_ns=now_ns, changed_ns=now_ns)
            try:
                with connection.begin_nested():
                    stored = replace(new, id=connection.execute(_ADD, rule_cells(new)).scalar_one())
            except IntegrityError:
                raise NameTaken(f"there is a rule named {rule.name} already") from None
            connection.execute(_KEEP_VERSION, {**rule_cells(stored), "id": stored.id})
            return stored

        return self._database.write(job)

    def change_rule(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Rule | None]:
        def job(connection: Connection) -> Rule | None:
            known = _named(connection, name)
            if known is None:
                return None
            new = changed(known, changes, now_ns)
            try:
                with connection.begin_nested():
                    connection.execute(_SET, {**rule_cells(new), "id": known.id})
            except IntegrityError:
                raise NameTaken(f"there is a rule named {new.name} already") from None
            connection.execute(_KEEP_VERSION, {**rule_cells(new), "id": known.id})
            return new

        return self._database.write(job)

    def remove_rule(self, name: str) -> Future[bool]:
        def job(connection: Connection) -> bool:
            known = _named(connection, name)
            if known is not None:
                for statement in _REMOVE:  # what waits for it finds no rule, and goes
                    connection.execute(statement, {"id": known.id})
            return known is not None

        return self._database.write(job)

    # decisions

    def rule_counts(self) -> dict[tuple[int, int], Counts]:
        found: dict[tuple[int, int], Counts] = {}
        with self._database.read() as connection:
            for row in connection.execute(_COUNTS):
                counts = found.setdefault((row.rule_id, row.version), Counts())
                counts.by_state[row.state] = int(row.n)
                counts.cost += int(row.cost)
                counts.calls += int(row.calls)
        return found

    def decision(self, rule_id: int, version: int, subject: Subject) -> Decision | None:
        with self._database.read() as connection:
            values = {"rule_id": rule_id, "version": version, "target": subject.key}
            row = connection.execute(_ONE, values).first()
        return None if row is None else decision_of(row)

    def decisions_at(self, places: Sequence[Place]) -> dict[Place, Decision]:
        wanted, found = set(places), {}
        with self._database.read() as connection:
            for start in range(0, len(places), _AT_ONCE):
                part = places[start : start + _AT_ONCE]
                rules, versions, targets = (sorted(set(column)) for column in zip(*part, strict=True))
                values = {"rules": rules, "versions": versions, "targets": targets}
                for decision in map(decision_of, connection.execute(_AT, values)):
                    found[decision.rule_id, decision.version, decision.subject.key] = decision
        return {place: decision for place, decision in found.items() if place in wanted}

    def decisions_about(self, trace_id: bytes, session_id: str | None = None) -> list[Decision]:
        with self._database.read() as connection:
            rows = connection.execute(_ABOUT, {"trace_id": trace_id, "session_id": session_id}).all()
        return sorted(map(decision_of, rows), key=lambda one: (one.rule_id, one.version, one.subject.key))

    def decisions_of(
        self, rule_id: int, *, state: DecisionState | None = None, version: int | None = None, limit: int = 100
    ) -> list[Decision]:
        asked = {name: value for name, value in (("state", state), ("version", version)) if value is not None}
        where = " AND ".join(["rule_id = :rule_id", *(f"{name} = :{name}" for name in asked)])
        statement = text(f"{_DECISIONS} WHERE {where} ORDER BY updated_ns DESC, target LIMIT :limit")
        with self._database.read() as connection:
            rows = connection.execute(statement, {"rule_id": rule_id, "limit": limit, **asked}).all()
        return [decision_of(row) for row in rows]

    def retry_decisions(
        self, rule: Rule, states: Sequence[DecisionState], *, now_ns: int, limit: int = 10_000
    ) -> Future[int]:
        which = {"rule_id": rule.id, "version": rule.version}

        def job(connection: Connection) -> int:
            rows = connection.execute(_AGAIN, {**which, "states": list(states), "limit": limit}).all()
            if rows:
                connection.execute(_REQUEUE, [{**which, "target": row.target, "now": now_ns} for row in rows])
                payloads = [{"rule": rule.id, "version": rule.version, "target": row.target} for row in rows]
                connection.execute(_PUT, [_item(scorer_of(rule), payload, now_ns) for payload in payloads])
            return len(rows)

        return self._database.write(job)

    def conclude(self, concluded: Sequence[Concluded], *, now_ns: int) -> int:
        return self._database.write(lambda connection: _conclude(connection, concluded, now_ns)).result()

    # back-fills

    def add_backfill(self, backfill: Backfill, *, now_ns: int) -> Future[Backfill]:
        def job(connection: Connection) -> Backfill:
            new = replace(backfill, created_ns=now_ns)
            number = connection.execute(_ADD_BACKFILL, asdict(new)).scalar_one()
            connection.execute(_PUT, _item(BACKFILL, {"backfill": number}, now_ns))
            return replace(new, id=number)

        return self._database.write(job)

    def backfills(self, rule_id: int | None = None) -> list[Backfill]:
        where = "" if rule_id is None else "WHERE rule_id = :rule_id"
        with self._database.read() as connection:
            rows = connection.execute(
                text(f"SELECT * FROM backfills {where} ORDER BY id DESC LIMIT 100"), {"rule_id": rule_id}
            ).all()
        return [backfill_of(row) for row in rows]

    def set_backfill(self, backfill_id: int, state: BackfillState, *, now_ns: int) -> Future[Backfill | None]:
        def job(connection: Connection) -> Backfill | None:
            row = connection.execute(text("SELECT * FROM backfills WHERE id = :id"), {"id": backfill_id}).first()
            if row is None or row.state in ("done", state):
                return None if row is None else backfill_of(row)
            values = {"id": backfill_id, "state": state}
            connection.execute(text("UPDATE backfills SET state = :state WHERE id = :id"), values)
            return replace(backfill_of(row), state=state)

        return self._database.write(job)

    def advance_backfill(self, concluded: Concluded, backfill: Backfill, *, now_ns: int) -> bool:
        def job(connection: Connection) -> bool:
            ours = _conclude(connection, [concluded], now_ns) > 0
            if ours:
                connection.execute(_ADVANCE, asdict(backfill))
            return ours

        return self._database.write(job).result()

    # what judges spend

    def spent(self, rule_id: int, day: int) -> tuple[int, int]:
        with self._database.read() as connection:
            row = connection.execute(_SPENT, {"rule_id": rule_id, "day": day}).first()
        return (0, 0) if row is None else (int(row.cost), int(row.calls))

    def reserve_call(self, rule_id: int, day: int, *, calls: int | None, usd: int | None) -> bool:
        key = {"rule_id": rule_id, "day": day}
        limits = {"calls": _NO_LIMIT if calls is None else calls, "usd": _NO_LIMIT if usd is None else usd}

        def job(connection: Connection) -> bool:
            connection.execute(_FIRST_SPENT, key)
            return connection.execute(_RESERVE, {**key, **limits}).rowcount > 0

        return self._database.write(job).result()

    def add_spending(self, rule_id: int, day: int, cost: int) -> None:
        values = {"rule_id": rule_id, "day": day, "cost": cost}
        self._database.write(lambda connection: connection.execute(_SPEND, values)).result()

    # scores

    def score_cells(self, identifier: str, *, from_ns: int, to_ns: int, step_ns: int) -> list[ScoreCell]:
        with self._database.read() as connection:
            return score_cells(connection, identifier, from_ns, to_ns, step_ns)

    def annotation_history(self, annotation_id: bytes) -> list[Replaced]:
        with self._database.read() as connection:
            return [Replaced(said, at) for said, at in history_of(connection, annotation_id)]


def _conclude(connection: Connection, concluded: Iterable[Concluded], now_ns: int) -> int:
    concluded = list(concluded)
    if any(one.scores is not None for one in concluded):
        take_turns(connection)
    ours, decisions, follows = 0, [], []
    for one in concluded:
        row = connection.execute(TAKE, {"id": one.item.id, "token": one.item.token}).first()
        if row is None:
            continue
        ours += 1
        decisions += [decision_cells(decision, now_ns) for decision in one.decisions]
        follows += [follow_cells(one.item, follow, row.created_ns) for follow in one.follows]
        if one.scores is not None:
            assert one.subject is not None
            replace_scores(connection, one.subject, one.identifier, one.scores, now_ns)
    if decisions:  # in one order, so that two that decide about the same targets do not lock each other
        decisions.sort(key=lambda cells: (cells["rule_id"], cells["version"], cells["target"]))
        connection.execute(_DECIDE, decisions)
    if follows:
        connection.execute(FOLLOW, follows)
    return ours


def _item(consumer: str, payload: dict[str, Any], now_ns: int) -> dict[str, Any]:
    return {"consumer": consumer, "payload": orjson.dumps(payload).decode(), "now": now_ns}


def _named(connection: Connection, name: str) -> Rule | None:
    row = connection.execute(_BY_NAME, {"name": name}).first()
    return None if row is None else rule_of(row)
