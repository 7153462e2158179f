"""Going over what was stored before a rule was there: what it would cost, and then, portion by portion, doing it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from collector.evaluation.choosing import Choice
from collector.evaluation.decide import DecideStore
from collector.evaluation.rules import Rule, Subject
from collector.evaluation.subjects import of_trace
from collector.evaluation.views import TraceView, views_of
from collector.queue.api import Item, Queue
from collector.queue.retry import SECOND_NS, Poison
from collector.storage.api import TraceQuery, TraceStats
from collector.storage.evaluation_api import BACKFILL, DECIDE, Concluded, scorer_of
from collector.storage.forward_api import Follow

#: Traces that are queued at once; while more than so many items wait, none are.
PORTION: Final = 100
MOST_WAITING: Final = 500
WAIT_NS: Final = SECOND_NS
#: Traces that an estimate looks at, the latest ones; where there are more, it is scaled.
LOOKED_AT: Final = 500
#: What a judge's question and answer are taken to have beside what is judged, in tokens; and characters of a token.
_FRAME_TOKENS: Final = 500
_ANSWER_TOKENS: Final = 150
_CHARACTERS: Final = 4


class BackfillStore(DecideStore, Protocol):
    @property
    def queue(self) -> Queue: ...

    def stats(self, query: TraceQuery, buckets: int = 0) -> TraceStats: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """``traces`` are in the window, ``looked_at`` of them were looked at, ``targets`` are expected to be scored.
    ``cost_usd``: of all of them, None where neither the rule's past nor a price says. ``basis``: what it was told by.
    """

    traces: int
    looked_at: int
    targets: int
    calls: int = 0
    cost_usd: float | None = 0.0
    basis: str = "no judge is asked"


def estimate(store: BackfillStore, rule: Rule, from_ns: int, to_ns: int) -> Estimate:
    """Reads up to ``LOOKED_AT`` traces. Raises ``StorageError``."""
    traces = sum(store.stats(_window(project, from_ns, to_ns)).traces for project in _projects(rule))
    choice = Choice.of(rule)
    targets: set[str] = set()
    characters = looked = 0
    for view in _latest(store, rule, from_ns, to_ns):
        looked += 1
        found = list(_targets(choice, view))
        targets.update(found)
        if found and rule.judge is not None and looked <= 50:
            subject = of_trace(view).subject
            characters += sum(map(len, (subject.input_text, subject.output_text, *(d.text for d in subject.documents))))
    scale = traces / looked if looked else 0.0
    expected = round(len(targets) * max(1.0, scale)) if looked else 0
    if rule.judge is None or not expected:
        return Estimate(traces, looked, expected)
    return _priced(store, rule, Estimate(traces, looked, expected), characters / min(max(looked, 1), 50))


def _projects(rule: Rule) -> Sequence[str | None]:
    return rule.projects or (None,)


def _window(project: str | None, from_ns: int, to_ns: int) -> TraceQuery:
    return TraceQuery(project=project, from_ns=from_ns, to_ns=to_ns, limit=PORTION)


def _latest(store: BackfillStore, rule: Rule, from_ns: int, to_ns: int) -> Iterator[TraceView]:
    each = max(1, LOOKED_AT // len(_projects(rule)))
    for project in _projects(rule):
        query, left = _window(project, from_ns, to_ns), each
        while left > 0:
            page = store.list_traces(query)
            yield from views_of(store, [one.trace_id for one in page.items[:left]]).values()
            left -= len(page.items)
            if page.next_cursor is None:
                break
            query = replace(query, cursor=page.next_cursor)


def _targets(choice: Choice, view: TraceView) -> Iterator[str]:
    """The keys of what of the trace would be scored."""
    rule = choice.rule
    if rule.target == "span":
        for span in view.spans:
            subject = Subject(span.trace_id, span.span_id)
            if rule.covers(span.project) and not (choice.of_sample(subject) or choice.of_span(view, span)):
                yield subject.key
        return
    subject = Subject(view.trace_id) if rule.target == "trace" else Subject(session_id=view.session_id)
    if view.session_id is None and rule.target == "session":
        return
    if rule.covers(view.project) and not (choice.of_sample(subject) or choice.of_trace(view)):
        yield subject.key


def _priced(store: BackfillStore, rule: Rule, found: Estimate, characters: float) -> Estimate:
    past = [counts for (rule_id, _), counts in store.rule_counts().items() if rule_id == rule.id]
    done = sum(counts.by_state.get("done", 0) for counts in past)
    if done:
        calls = sum(counts.calls for counts in past) / done
        cost = sum(counts.cost for counts in past) / done / 1e12
        basis = f"the rule's {done} scores so far"
        return replace(found, calls=round(found.targets * calls), cost_usd=found.targets * cost or None, basis=basis)
    from tracekit.evals.api import JudgeAnswer
    from tracekit.evals.judge_calls import cost_of

    judge = rule.judge or {}
    model, provider = str(judge.get("model", "")), str(judge.get("price_provider") or judge.get("provider") or "openai")
    tokens = round(characters / _CHARACTERS) + _FRAME_TOKENS
    price = cost_of(JudgeAnswer("", model, tokens, _ANSWER_TOKENS), model, provider, time.time_ns())
    basis = (
        f"one call each, of {tokens} tokens" if price is not None else f"one call each; the price of {model} is unknown"
    )
    return replace(found, calls=found.targets, cost_usd=None if price is None else found.targets * price, basis=basis)


class Backfilling:
    """The handler of ``BACKFILL``: one item is one back-fill, wherever it has come to."""

    def __init__(
        self,
        store: BackfillStore,
        *,
        clock: Callable[[], int] = time.time_ns,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._told = told

    def __call__(self, items: Sequence[Item]) -> None:
        for item in items:
            self._go_on(item)

    def _go_on(self, item: Item) -> None:
        number = (item.payload or {}).get("backfill")
        if not isinstance(number, int):
            raise Poison("the item names no back-fill")
        found = next((one for one in self._store.backfills() if one.id == number), None)
        rule = next((one for one in self._store.rules() if found is not None and one.id == found.rule_id), None)
        now = self._clock()
        if found is None or rule is None or found.state == "done":
            self._store.conclude([Concluded(item)], now_ns=now)
            return
        if found.state == "paused" or rule.state == "paused" or self._is_busy(rule, now):
            wait = Follow(BACKFILL, item.payload, now + WAIT_NS)
            self._store.conclude([Concluded(item, follows=(wait,))], now_ns=now)
            return
        query = TraceQuery(
            project=rule.projects[0] if len(rule.projects) == 1 else None,
            from_ns=found.from_ns,
            to_ns=found.to_ns,
            descending=False,
            limit=PORTION,
            cursor=found.cursor,
        )
        page = self._store.list_traces(query)
        follows = []
        wanted = [one.trace_id.hex() for one in page.items if rule.covers(one.project)]
        if wanted:
            follows.append(Follow(DECIDE, {"traces": wanted, "rule": rule.id}, 0))
        if page.next_cursor is not None:
            follows.append(Follow(BACKFILL, item.payload, 0))
        ahead = replace(
            found,
            seen=found.seen + len(wanted),
            cursor=page.next_cursor or found.cursor,
            state="active" if page.next_cursor else "done",
        )
        self._store.advance_backfill(Concluded(item, follows=tuple(follows)), ahead, now_ns=now)
        self._told()

    def _is_busy(self, rule: Rule, now: int) -> bool:
        waiting = sum(self._store.queue.stats(one, now_ns=now).ready for one in (DECIDE, scorer_of(rule)))
        return waiting > MOST_WAITING
