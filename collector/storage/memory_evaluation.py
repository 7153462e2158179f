"""``EvaluationStore`` over dicts: the contract at its plainest."""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from collector.annotations import Annotation, key_of
from collector.evaluation.rules import Counts, Decision, DecisionState, Rule, Subject, changed
from collector.model import TraceSummary
from collector.queue.memory import MemoryQueue
from collector.storage.evaluation_api import (
    BACKFILL,
    DECIDE,
    MAX_CELLS,
    Backfill,
    BackfillState,
    Concluded,
    NameTaken,
    Place,
    Replaced,
    ScoreCell,
    scorer_of,
)


class MemoryEvaluation(ABC):
    # What the store itself has.
    queue: Any
    _annotations: dict[bytes, Annotation]
    _history: dict[bytes, list[Replaced]]

    def __init__(self) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._rule_ids = itertools.count(1)
        self._backfill_ids = itertools.count(1)
        self._decisions: dict[Place, Decision] = {}
        self._backfills: dict[int, Backfill] = {}
        self._spending: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        self._rules_lock = threading.RLock()

    @abstractmethod
    def get_trace(self, trace_id: bytes) -> TraceSummary | None: ...

    @abstractmethod
    def _put_all(self, annotations: Sequence[Annotation]) -> list[Annotation]:
        """Store annotations, as ``put_annotations`` does."""

    def rules(self) -> list[Rule]:
        with self._rules_lock:
            return [self._rules[name][-1] for name in sorted(self._rules)]

    def rule_versions(self, name: str) -> list[Rule]:
        with self._rules_lock:
            versions = self._rules.get(name, [])
            return [replace(one, state=versions[-1].state) for one in reversed(versions)]

    def add_rule(self, rule: Rule, *, now_ns: int) -> Future[Rule]:
        with self._rules_lock:
            if rule.name in self._rules:
                return _failed(NameTaken(f"there is a rule named {rule.name} already"))
            stored = replace(rule, id=next(self._rule_ids), version=1, created_ns=now_ns, changed_ns=now_ns)
            self._rules[rule.name] = [stored]
            return _done(stored)

    def change_rule(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Rule | None]:
        with self._rules_lock:
            if name not in self._rules:
                return _done(None)
            known = self._rules[name]
            new = changed(known[-1], changes, now_ns)
            if new.name != name and new.name in self._rules:
                return _failed(NameTaken(f"there is a rule named {new.name} already"))
            del self._rules[name]
            self._rules[new.name] = [*(known if new.version > known[-1].version else known[:-1]), new]
            return _done(new)

    def remove_rule(self, name: str) -> Future[bool]:
        with self._rules_lock:
            versions = self._rules.pop(name, None)
            if versions is None:
                return _done(False)
            gone = versions[-1].id
            self._decisions = {key: one for key, one in self._decisions.items() if key[0] != gone}
            self._backfills = {key: one for key, one in self._backfills.items() if one.rule_id != gone}
            return _done(True)

    def rule_counts(self) -> dict[tuple[int, int], Counts]:
        found: dict[tuple[int, int], Counts] = {}
        for one in self._decisions.values():
            counts = found.setdefault((one.rule_id, one.version), Counts())
            counts.by_state[one.state] = counts.by_state.get(one.state, 0) + 1
            counts.cost += one.cost
            counts.calls += one.calls
        return found

    def decision(self, rule_id: int, version: int, subject: Subject) -> Decision | None:
        return self._decisions.get((rule_id, version, subject.key))

    def decisions_at(self, places: Sequence[Place]) -> dict[Place, Decision]:
        return {place: self._decisions[place] for place in places if place in self._decisions}

    def decisions_about(self, trace_id: bytes, session_id: str | None = None) -> list[Decision]:
        def about(subject: Subject) -> bool:
            return subject.trace_id == trace_id or (session_id is not None and subject.session_id == session_id)

        return [self._decisions[key] for key in sorted(self._decisions) if about(self._decisions[key].subject)]

    def decisions_of(
        self, rule_id: int, *, state: DecisionState | None = None, version: int | None = None, limit: int = 100
    ) -> list[Decision]:
        found = [
            one
            for one in self._decisions.values()
            if one.rule_id == rule_id and state in (None, one.state) and version in (None, one.version)
        ]
        return sorted(found, key=lambda one: (-one.updated_ns, one.subject.key))[:limit]

    def retry_decisions(
        self, rule: Rule, states: Sequence[DecisionState], *, now_ns: int, limit: int = 10_000
    ) -> Future[int]:
        with self._rules_lock:
            found = [one for one in self.decisions_of(rule.id, version=rule.version) if one.state in states][:limit]
            for one in found:
                key = (one.rule_id, one.version, one.subject.key)
                again = replace(one, state="queued", attempts=0, reason=None, content=None, updated_ns=now_ns)
                self._decisions[key] = again
                payload = {"rule": one.rule_id, "version": one.version, "target": one.subject.key}
                self.queue.put(scorer_of(rule), 0, now_ns=now_ns, payload=payload)
            return _done(len(found))

    def conclude(self, concluded: Sequence[Concluded], *, now_ns: int) -> int:
        with self._rules_lock:
            assert isinstance(self.queue, MemoryQueue)
            ours = [one for one in concluded if self.queue.settle(one.item, one.follows)]
            for one in ours:
                for decision in one.decisions:
                    self._decide(decision, now_ns)
                if one.scores is not None:
                    assert one.subject is not None
                    self._replace_scores(one.subject, one.identifier, one.scores)
            return len(ours)

    def add_backfill(self, backfill: Backfill, *, now_ns: int) -> Future[Backfill]:
        with self._rules_lock:
            stored = replace(backfill, id=next(self._backfill_ids), created_ns=now_ns)
            self._backfills[stored.id] = stored
            self.queue.put(BACKFILL, 0, now_ns=now_ns, payload={"backfill": stored.id})
            return _done(stored)

    def backfills(self, rule_id: int | None = None) -> list[Backfill]:
        found = [one for one in self._backfills.values() if rule_id in (None, one.rule_id)]
        return sorted(found, key=lambda one: -one.id)[:100]

    def set_backfill(self, backfill_id: int, state: BackfillState, *, now_ns: int) -> Future[Backfill | None]:
        with self._rules_lock:
            known = self._backfills.get(backfill_id)
            if known is not None and known.state != "done":
                known = self._backfills[backfill_id] = replace(known, state=state)
            return _done(known)

    def advance_backfill(self, concluded: Concluded, backfill: Backfill, *, now_ns: int) -> bool:
        with self._rules_lock:
            if not self.conclude([concluded], now_ns=now_ns):
                return False
            known = self._backfills.get(backfill.id)
            if known is not None:
                state = backfill.state if known.state == "active" else known.state
                self._backfills[backfill.id] = replace(known, seen=backfill.seen, cursor=backfill.cursor, state=state)
            return True

    def spent(self, rule_id: int, day: int) -> tuple[int, int]:
        cost, calls = self._spending[rule_id, day]
        return cost, calls

    def reserve_call(self, rule_id: int, day: int, *, calls: int | None, usd: int | None) -> bool:
        with self._rules_lock:
            spent = self._spending[rule_id, day]
            if (calls is not None and spent[1] >= calls) or (usd is not None and spent[0] >= usd):
                return False
            spent[1] += 1
            return True

    def add_spending(self, rule_id: int, day: int, cost: int) -> None:
        with self._rules_lock:
            self._spending[rule_id, day][0] += cost

    def score_cells(self, identifier: str, *, from_ns: int, to_ns: int, step_ns: int) -> list[ScoreCell]:
        cells: dict[tuple[str, int, str | None], list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for said in list(self._annotations.values()):
            trace_id = said.target.trace_id
            summary = self.get_trace(trace_id) if trace_id is not None else None
            at = (said.created_ns or 0) if summary is None else summary.start_ns
            if said.identifier == identifier and from_ns <= at < to_ns:
                cell = cells[said.name, at // step_ns * step_ns, said.label]
                cell[0] += 1
                cell[1] += said.score is not None
                cell[2] += float(said.score or 0)
        found = [ScoreCell(*key, int(count), int(scored), total) for key, (count, scored, total) in cells.items()]
        most = sorted(found, key=lambda cell: -cell.count)[:MAX_CELLS]
        return sorted(most, key=ScoreCell.place)

    def annotation_history(self, annotation_id: bytes) -> list[Replaced]:
        return list(reversed(self._history.get(annotation_id, [])))

    def queue_for_rules(self, batch_id: int) -> None:
        if any(rule.state == "active" for rule in self.rules()):
            self.queue.put(DECIDE, batch_id, now_ns=time.time_ns())

    def _decide(self, decision: Decision, now_ns: int) -> None:
        key = (decision.rule_id, decision.version, decision.subject.key)
        known = self._decisions.get(key)
        if known is not None and known.mark > decision.mark:
            return
        self._decisions[key] = replace(
            decision,
            content=decision.content or (known.content if known else None),
            cost=decision.cost + (known.cost if known else 0),
            calls=decision.calls + (known.calls if known else 0),
            created_ns=known.created_ns if known else decision.created_ns or now_ns,
            updated_ns=now_ns,
        )

    def _replace_scores(self, subject: Subject, identifier: str, scores: Sequence[Annotation]) -> None:
        kept = {key_of(score) for score in scores}
        for number, said in list(self._annotations.items()):
            if said.identifier == identifier and _is_about(said, subject) and key_of(said) not in kept:
                self._history.setdefault(number, []).append(Replaced(said, time.time_ns()))
                del self._annotations[number]
        self._put_all(scores)


def _is_about(said: Annotation, subject: Subject) -> bool:
    target = said.target
    if subject.session_id is not None:
        return target.session_id == subject.session_id and target.trace_id is None and target.span_id is None
    return target.trace_id == subject.trace_id and subject.span_id in (None, target.span_id)


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
