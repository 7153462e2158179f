"""The consumers that score: one item is one target of one version of a rule.

The score, the decision and the item's removal are one transaction, and the score's key is the rule's version: so
whatever crashes when, there is one. What fails is tried again later as a new item; what has failed too often is a
decision that says why, and waits for ``retry``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from collector.evaluation.corpora import Corpora
from collector.evaluation.decide import NOW, DecideStore
from collector.evaluation.judging import Ledger, OverBudget, Record, Recorded, day_of, recorded
from collector.evaluation.makers import Makers
from collector.evaluation.prepare import Found, Preparing
from collector.evaluation.rules import Decision, DecisionState, Rule, Subject, subject_of
from collector.evaluation.scores import annotations_of
from collector.evaluation.subjects import digest_of
from collector.evaluation.threads import each
from collector.model import PICO_USD
from collector.queue.api import Item
from collector.queue.retry import SECOND_NS, Poison, RetryPolicy, delay_ns, describe
from collector.storage.api import StorageError, Unavailable
from collector.storage.evaluation_api import DECIDE, Concluded, scorer_of
from collector.storage.forward_api import Follow
from tracekit.evals.api import NotApplicable, Temporary

log = structlog.get_logger("collector.evaluation")

#: What may pass (a judge that is away) is tried so often, for some seven hours; a fault of the evaluator's own so
#: often.
MOST_TEMPORARY: Final = 50
MOST_FAULTS: Final = 3
DELAYS: Final = RetryPolicy(first_ns=SECOND_NS, most_ns=600 * SECOND_NS)
PAUSED_NS: Final = 30 * SECOND_NS
#: Judges that are asked at the same time, of all rules together; each rule's judge has limits of its own.
THREADS: Final = 8
#: No content: what was scored before was taken back.
_NOTHING: Final = b""


@dataclass(frozen=True, slots=True)
class Work:
    item: Item
    rule: Rule
    subject: Subject
    known: Decision | None

    @property
    def attempts(self) -> int:
        """That failed before this one."""
        found = (self.item.payload or {}).get("failed", 0)
        return found if isinstance(found, int) else 0


@dataclass(frozen=True, slots=True)
class Judged:
    """How one evaluation ended: with annotations, or with a state and why. ``after_s`` where it is to be tried again
    then."""

    state: DecisionState
    reason: str | None = None
    scores: tuple[Any, ...] | None = None
    after_s: float | None = None
    passing: bool = False


class Score:
    """The handler of ``SCORE``, and with ``threads`` of ``JUDGE``. ``record`` keeps what judges were asked."""

    def __init__(
        self,
        store: DecideStore,
        makers: Makers,
        record: Record,
        *,
        threads: int = 0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._makers = makers
        self._corpora = Corpora(store, clock)
        self._record = record
        self._clock = clock
        self._threads = threads
        # The worker calls again with what it does not know to be settled.
        self._settled: deque[tuple[int, str]] = deque(maxlen=1_024)

    def __call__(self, items: Sequence[Item]) -> None:
        rules = {rule.id: rule for rule in self._store.rules()}
        done: list[Concluded] = []
        work: list[Work] = []
        wanted = [(item, *_place_of(item)) for item in items if (item.id, item.token) not in self._settled]
        decisions = self._store.decisions_at(
            [(rule_id, version, subject.key) for _, rule_id, version, subject in wanted]
        )
        for item, rule_id, version, subject in wanted:
            known = decisions.get((rule_id, version, subject.key))
            found = self._work_of(item, rules.get(rule_id), version, subject, known)
            if isinstance(found, Work):
                work.append(found)
            else:
                done.append(found)
        preparing = Preparing(self._store)
        preparing.load([one.subject for one in work])
        if not self._threads:
            done += [self._evaluated(one, preparing) for one in work]
            self._conclude(done)
            return
        self._conclude(done)
        self._in_threads(work, preparing)

    def _in_threads(self, work: Sequence[Work], preparing: Preparing) -> None:
        found = [(one, preparing.found(one.rule, one.subject)) for one in work]
        fault: BaseException | None = None
        for result in each(found, lambda pair: self._with_found(*pair), self._threads):
            if isinstance(result, BaseException):
                fault = fault or result
            else:
                self._conclude([result])
        if fault is not None:
            raise fault

    def _conclude(self, concluded: Sequence[Concluded]) -> None:
        if concluded:
            self._store.conclude(concluded, now_ns=self._clock())
            self._settled.extend((one.item.id, one.item.token) for one in concluded)

    def _work_of(
        self, item: Item, rule: Rule | None, version: int, subject: Subject, known: Decision | None
    ) -> Work | Concluded:
        """What is to be done, or what the item comes to at once."""
        if rule is None:
            return Concluded(item)
        mark = known.mark if known else 0
        if rule.version != version:
            reason = f"version {rule.version} of the rule came before it was scored"
            decision = Decision(rule.id, version, subject, "not_applicable", mark, reason=reason)
            return Concluded(item, (decision,), (_decide_again(rule, subject),))
        if rule.state == "paused":
            decision = Decision(rule.id, version, subject, "queued", mark, reason="waits: the rule is paused")
            return Concluded(item, (decision,), (Follow(item.consumer, item.payload, self._clock() + PAUSED_NS),))
        return Work(item, rule, subject, known)

    def _evaluated(self, work: Work, preparing: Preparing) -> Concluded:
        return self._with_found(work, preparing.found(work.rule, work.subject))

    def _with_found(self, work: Work, found: Found) -> Concluded:
        if found.prepared is None:
            state, reason = found.left_out or ("not_applicable", "there is nothing to be scored")
            return self._concluded(work, found, Judged(state, reason, ()), _NOTHING, None)
        ledger = Ledger()
        judged, content = self._judge(work, found, ledger)
        told = self._keep(work, ledger) if ledger.calls else None
        if judged.scores and told is not None:
            about = {"judge_trace_id": told.trace_id, "judge_cost_usd": _usd(told.cost)}
            scores = tuple(replace(one, metadata=one.metadata | about) for one in judged.scores)
            judged = replace(judged, scores=scores)
        return self._concluded(work, found, judged, content, told, len(ledger.calls))

    def _judge(self, work: Work, found: Found, ledger: Ledger) -> tuple[Judged, bytes | None]:
        """How it ended, and the digest of what was scored (None where nothing was)."""
        assert found.prepared is not None
        rule = work.rule
        try:
            evaluator = self._makers.evaluator(rule, ledger)
            content = digest_of(found.prepared.subject, evaluator.version)
            if work.known is not None and work.known.content == content:
                return Judged("done"), content  # as it is
            said = evaluator(self._corpora.given(rule, found.prepared.subject, found.prepared.project))
            about = {
                "rule": rule.name,
                "version": rule.version,
                "evaluator": rule.evaluator.get("type"),
                "evaluator_version": evaluator.version,
                **({"judge_model": (rule.judge or {}).get("model")} if rule.judge is not None else {}),
            }
            kind = evaluator.annotator_kind
            scores = annotations_of(rule, work.subject, found.prepared, list(said), kind, about)
            return Judged("done", None, scores), content
        except NotApplicable as reason:
            return Judged("not_applicable", str(reason) or "the evaluator does not apply", ()), _NOTHING
        except OverBudget as reason:
            return Judged("over_budget", str(reason)), None
        except Temporary as fault:
            return Judged("failed", str(fault) or "failed", after_s=fault.after_s, passing=True), None
        except StorageError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever an evaluator raises is its own
            return Judged("failed", describe(fault), after_s=0.0), None

    def _keep(self, work: Work, ledger: Ledger) -> Recorded | None:
        """Record what the judge was asked. A record that cannot be kept does not cost the score."""
        try:
            told = recorded(self._record, work.rule, work.subject, ledger.calls)
        except Unavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - too much at once, or a value that no column takes
            log.warning("a judge's call could not be recorded", rule=work.rule.name, reason=describe(fault))
            return None
        if told.cost:
            self._store.add_spending(work.rule.id, day_of(self._clock()), told.cost)
        return told

    def _concluded(
        self,
        work: Work,
        found: Found,
        judged: Judged,
        content: bytes | None,
        told: Recorded | None,
        calls: int = 0,
    ) -> Concluded:
        rule, item, failed = work.rule, work.item, work.attempts + 1
        state, reason = judged.state, judged.reason
        follows: tuple[Follow, ...] = ()
        if judged.after_s is not None:
            most = MOST_TEMPORARY if judged.passing else MOST_FAULTS
            if failed < most:
                state = "queued"
                reason, follows = self._again(work, judged, failed)
            else:
                reason = f"given up after {failed} attempts: {reason}"
                log.error("a target could not be scored", rule=rule.name, target=work.subject.key, reason=reason)
        decision = Decision(
            rule.id,
            rule.version,
            work.subject,
            state,
            max(found.mark, work.known.mark if work.known else 0),
            failed,
            reason,
            content,
            cost=(told.cost or 0) if told else 0,
            calls=calls,
        )
        return Concluded(item, (decision,), follows, work.subject, rule.identifier, judged.scores)

    def _again(self, work: Work, judged: Judged, failed: int) -> tuple[str, tuple[Follow, ...]]:
        asked = round(min(judged.after_s or 0.0, DELAYS.most_asked_ns / 1e9) * 1e9)
        # Of the target, not of the item, which is a new one each time: so that what failed together is spread.
        delay = max(asked, delay_ns(hash_of(work.subject), failed, DELAYS))
        payload = {**(work.item.payload or {}), "failed": failed}
        reason = f"attempt {failed} failed, tried again in {delay / 1e9:.0f} s: {judged.reason}"
        return reason, (Follow(scorer_of(work.rule), payload, self._clock() + delay),)


def _place_of(item: Item) -> tuple[int, int, Subject]:
    """(rule id, version, target). Raises ``Poison``."""
    payload = item.payload or {}
    try:
        return int(payload["rule"]), int(payload["version"]), subject_of(payload["target"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Poison("the item names no rule and target") from None


def hash_of(subject: Subject) -> int:
    return int.from_bytes(subject.sampled_by[:8])


def _decide_again(rule: Rule, subject: Subject) -> Follow:
    if subject.session_id is not None:
        return Follow(DECIDE, {"sessions": {subject.session_id: NOW}, "rule": rule.id}, 0)
    assert subject.trace_id is not None
    return Follow(DECIDE, {"traces": [subject.trace_id.hex()], "rule": rule.id}, 0)


def _usd(cost: int | None) -> float | None:
    return None if cost is None else cost / PICO_USD
