"""The consumer that decides: from stored batches to what is to be scored, and to why the rest is not.

An item stands for its batch, or for what its payload says: ``{"traces": [ID, ...]}`` decides about these now
(back-fill, a new version of a rule), ``{"quiet": {ID: MARK, ...}}`` about those to which nothing was added since,
``{"sessions": {NAME: MARK, ...}}`` likewise; ``rule`` restricts it to one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from collector.evaluation.choosing import Choice, Choices
from collector.evaluation.readiness import waits_for
from collector.evaluation.rules import Decision, DecisionState, Rule, Subject
from collector.evaluation.views import MAX_SPANS, Reads, TraceView, session_mark, session_traces, views_of
from collector.model import Span
from collector.queue.api import Item
from collector.queue.retry import SECOND_NS, Poison, describe
from collector.storage.api import StorageError
from collector.storage.evaluation_api import DECIDE, Concluded, EvaluationStore, scorer_of
from collector.storage.forward_api import BatchSpans, Follow

#: Traces whose spans are in memory together.
SLICE: Final = 200


class DecideStore(EvaluationStore, Reads, Protocol):
    def traces_of_batches(self, batch_ids: Sequence[int]) -> dict[bytes, int]: ...

    def spans_of_batches(self, batch_ids: Sequence[int]) -> dict[int, BatchSpans]: ...


@dataclass(frozen=True, slots=True)
class Quiet:
    """How long nothing must have been added to a trace without a root, and to a session, to count as complete."""

    trace_ns: int = 30 * SECOND_NS
    session_ns: int = 300 * SECOND_NS


QUIET: Final = Quiet()


@dataclass
class _Gathered:
    """What one item comes to. ``waiting``: traces that are not complete, by id with their marks."""

    item: Item
    decisions: list[Decision] = field(default_factory=list)
    follows: list[Follow] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)

    @property
    def only(self) -> bool:
        """Whether it is about one rule alone."""
        return "rule" in (self.item.payload or {})

    def say(self, rule: Rule, subject: Subject, state: DecisionState, mark: int, reason: str | None) -> None:
        self.decisions.append(Decision(rule.id, rule.version, subject, state, mark, reason=reason))

    def score(self, rule: Rule, subject: Subject, mark: int) -> None:
        self.say(rule, subject, "queued", mark, None)
        payload = {"rule": rule.id, "version": rule.version, "target": subject.key}
        self.follows.append(Follow(scorer_of(rule), payload, 0))


class Decide:
    """The handler. ``told`` is called when something is to be scored."""

    def __init__(
        self,
        store: DecideStore,
        quiet: Quiet = QUIET,
        *,
        clock: Callable[[], int] = time.time_ns,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._quiet = quiet
        self._clock = clock
        self._told = told
        self._choices = Choices()

    def __call__(self, items: Sequence[Item]) -> None:
        choices = self._choices.of(self._store.rules())
        concluded = []
        for item in items:
            gathered = _Gathered(item)
            only = (item.payload or {}).get("rule")
            # What a rule waited for when it was paused is decided about all the same; then the scorer holds it.
            again = item.payload is not None
            mine = [one for one in choices if only in (None, one.rule.id) and (again or one.rule.state == "active")]
            if mine:
                self._gather(gathered, mine)
            concluded.append(Concluded(item, tuple(gathered.decisions), (*gathered.follows, *self._waits(gathered))))
        self._store.conclude(concluded, now_ns=self._clock())
        if any(one.follows for one in concluded):
            self._told()

    def _gather(self, gathered: _Gathered, choices: Sequence[Choice]) -> None:
        payload = gathered.item.payload
        if payload is None:
            self._batch(gathered, choices)
        elif "traces" in payload:
            for view in self._views(_ids(payload["traces"])):
                self._trace(gathered, view, choices, now=True)
                self._spans(gathered, view, view.spans, choices)
                self._of_session(gathered, view, choices)
        elif "quiet" in payload:
            marks = _marks(payload["quiet"])
            for view in self._views(_ids(marks)):
                # Where something was added, what added it has an item of its own.
                if marks[view.trace_id.hex()] == view.mark:
                    self._trace(gathered, view, choices, now=True)
        elif "sessions" in payload:
            for name, mark in _marks(payload["sessions"]).items():
                self._session(gathered, name, mark, choices)
        else:
            raise Poison("the item says nothing that is to be decided")

    def _batch(self, gathered: _Gathered, choices: Sequence[Choice]) -> None:
        batch_id = gathered.item.batch_id
        of_spans = [choice for choice in choices if choice.rule.target == "span"]
        new: dict[bytes, set[bytes]] = {}
        if of_spans:
            found = self._store.spans_of_batches([batch_id]).get(batch_id, BatchSpans())
            for span in found.spans:
                new.setdefault(span.trace_id, set()).add(span.span_id)
        for view in self._views(self._store.traces_of_batches([batch_id])):
            self._trace(gathered, view, choices)
            ids = new.get(view.trace_id, set())
            self._spans(gathered, view, [span for span in view.spans if span.span_id in ids], of_spans)
            self._of_session(gathered, view, choices)

    def _views(self, trace_ids: Iterable[bytes]) -> Iterable[TraceView]:
        ids = list(trace_ids)
        for start in range(0, len(ids), SLICE):
            yield from views_of(self._store, ids[start : start + SLICE]).values()

    def _spans(self, gathered: _Gathered, view: TraceView, spans: Sequence[Span], choices: Sequence[Choice]) -> None:
        for choice in choices:
            if choice.rule.target != "span" or (choice.rule.state == "paused" and not gathered.only):
                continue
            for span in spans:
                if not choice.rule.covers(span.project) or view.is_pending(span):
                    continue
                subject = Subject(span.trace_id, span.span_id)
                left_out = choice.of_sample(subject) or _looked(
                    lambda choice=choice, span=span: choice.of_span(view, span)  # type: ignore[misc]
                )
                self._say(gathered, choice.rule, subject, span.chunk, left_out)

    def _trace(self, gathered: _Gathered, view: TraceView, choices: Sequence[Choice], *, now: bool = False) -> None:
        subject = Subject(view.trace_id)
        for choice in choices:
            rule = choice.rule
            if rule.target != "trace" or not rule.covers(view.project) or self._is_new(gathered, rule, subject):
                continue
            left_out = choice.of_sample(subject) or _too_large(view)
            if left_out is None and not now and (missing := waits_for(view.spans, view.is_pending)):
                gathered.waiting[view.trace_id.hex()] = view.mark
                seconds = self._quiet.trace_ns / 1e9
                told = f"waits: {missing}; scored as it is when nothing was added for {seconds:g} s"
                gathered.say(rule, subject, "queued", view.mark, told)
                continue
            left_out = left_out or _looked(lambda choice=choice: choice.of_trace(view))  # type: ignore[misc]
            self._say(gathered, rule, subject, view.mark, left_out)

    def _of_session(self, gathered: _Gathered, view: TraceView, choices: Sequence[Choice]) -> None:
        """A session is never complete: every batch has somebody look at it again when it has been quiet."""
        name = view.session_id
        mine = [choice for choice in choices if choice.rule.target == "session" and choice.rule.covers(view.project)]
        if not name or not mine:
            return
        mark = gathered.sessions.get(name)
        if mark is None:
            mark = gathered.sessions[name] = session_mark(session_traces(self._store, name))
        for choice in mine:
            self._session_waits(gathered, choice, Subject(session_id=name), mark)

    def _session_waits(self, gathered: _Gathered, choice: Choice, subject: Subject, mark: int) -> None:
        left_out = choice.of_sample(subject)
        told = f"waits: scored when nothing was added to the session for {self._quiet.session_ns / 1e9:g} s"
        state, reason = left_out or ("queued", told)
        gathered.say(choice.rule, subject, state, mark, reason)

    def _session(self, gathered: _Gathered, name: str, mark: int, choices: Sequence[Choice]) -> None:
        traces = session_traces(self._store, name)
        subject, found = Subject(session_id=name), session_mark(traces)
        views: list[TraceView] | None = None
        for choice in choices:
            rule = choice.rule
            mine = [trace for trace in traces if rule.covers(trace.project)]
            if rule.target != "session" or not mine or choice.of_sample(subject):
                continue
            if self._is_new(gathered, rule, subject):
                continue
            if mark not in (found, NOW):
                known = self._store.decision(rule.id, rule.version, subject)
                if known is None or known.mark <= mark:  # else somebody who knew more waits already
                    gathered.sessions[name] = found
                    self._session_waits(gathered, choice, subject, found)
                continue
            if views is None:
                views = ordered(views_of(self._store, [trace.trace_id for trace in traces]).values())
            of_rule = [view for view in views if rule.covers(view.project)]
            if of_rule:
                left_out = _looked(lambda choice=choice, views=of_rule: choice.of_session(views))  # type: ignore[misc]
                self._say(gathered, rule, subject, found, left_out)

    def _say(
        self,
        gathered: _Gathered,
        rule: Rule,
        subject: Subject,
        mark: int,
        left_out: tuple[DecisionState, str] | None,
    ) -> None:
        if left_out is None or (left_out[0] == "filtered" and self._was_scored(rule, subject)):
            gathered.score(rule, subject, mark)  # the scorer looks at the filter again, and takes the old score back
        else:
            gathered.say(rule, subject, left_out[0], mark, left_out[1])

    def _is_new(self, gathered: _Gathered, rule: Rule, subject: Subject) -> bool:
        """Whether a paused rule has not looked at it before: then it does not now."""
        if rule.state == "active" or gathered.only:
            return False
        return self._store.decision(rule.id, rule.version, subject) is None

    def _was_scored(self, rule: Rule, subject: Subject) -> bool:
        if subject.span_id is not None:
            return False  # a span is stored once; runs, which are replaced, keep what they are filtered by
        known = self._store.decision(rule.id, rule.version, subject)
        return known is not None and bool(known.content)

    def _waits(self, gathered: _Gathered) -> list[Follow]:
        now, follows = self._clock(), []
        only = (gathered.item.payload or {}).get("rule")
        restricted = {} if only is None else {"rule": only}
        if gathered.waiting:
            payload = {"quiet": gathered.waiting, **restricted}
            follows.append(Follow(DECIDE, payload, now + self._quiet.trace_ns))
        if gathered.sessions:
            payload = {"sessions": gathered.sessions, **restricted}
            follows.append(Follow(DECIDE, payload, now + self._quiet.session_ns))
        return follows


#: Instead of a mark: decide whether it is quiet or not.
NOW: Final = -1


def ordered(views: Iterable[TraceView]) -> list[TraceView]:
    return sorted(views, key=lambda view: (view.spans[0].start_ns, view.trace_id))


def _looked(look: Callable[[], tuple[DecisionState, str] | None]) -> tuple[DecisionState, str] | None:
    """What ``look`` says; where it fails over what a sender wrote, that: one trace must not stop its batch."""
    try:
        return look()
    except StorageError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever hostile values a filter meets
        return "failed", f"the filter cannot be applied: {describe(fault)}"


def _too_large(view: TraceView) -> tuple[DecisionState, str] | None:
    if len(view.spans) <= MAX_SPANS:
        return None
    return "not_applicable", f"it has {len(view.spans)} spans, more than {MAX_SPANS} are not evaluated"


def _ids(given: Any) -> list[bytes]:
    try:
        return [bytes.fromhex(one) for one in given]
    except (TypeError, ValueError):
        raise Poison("the item names no traces") from None


def _marks(given: Any) -> dict[str, int]:
    if not isinstance(given, dict) or not all(isinstance(mark, int) for mark in given.values()):
        raise Poison("the item names no marks")
    return given
