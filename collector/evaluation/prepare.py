"""A decision's target as the evaluator is to see it, once the rule still wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collector.evaluation.choosing import Choice
from collector.evaluation.decide import DecideStore, ordered
from collector.evaluation.rules import DecisionState, Rule, Subject
from collector.evaluation.subjects import Prepared, of_session, of_span, of_trace
from collector.evaluation.views import MAX_SPANS, TraceView, session_mark, session_traces, views_of
from collector.queue.retry import describe
from collector.storage.api import StorageError

#: Originals of traces of at most so many spans are read together.
_SMALL: Final = 200


@dataclass(frozen=True, slots=True)
class Found:
    """``prepared``, or why the target is ``left_out``. ``mark`` as of a ``Decision``."""

    mark: int
    prepared: Prepared | None = None
    left_out: tuple[DecisionState, str] | None = None


class Preparing:
    """Of one round: a trace that several rules look at is read once."""

    def __init__(self, store: DecideStore) -> None:
        self._store = store
        self._views: dict[bytes, TraceView] = {}
        self._traces: dict[bytes, Prepared] = {}

    def load(self, subjects: list[Subject]) -> None:
        """Read the traces of these together."""
        ids = {one.trace_id for one in subjects if one.trace_id is not None}
        views = views_of(self._store, sorted(ids - self._views.keys()))
        self._views |= views
        small = [view for view in views.values() if len(view.spans) <= _SMALL]
        data = self._store.originals_of(sorted({span.chunk for view in small for span in view.spans}))
        for view in small:
            view.originals_of = lambda ids: {number: data[number] for number in ids if number in data}

    def found(self, rule: Rule, subject: Subject) -> Found:
        """Raises ``StorageError``; what cannot be read for another reason is left out with that."""
        try:
            return self._found(Choice.of(rule), subject)
        except StorageError:
            raise
        except Exception as fault:  # noqa: BLE001 - one hostile trace must not keep the others from being scored
            return Found(0, left_out=("failed", f"cannot be read: {describe(fault)}"))

    def _found(self, choice: Choice, subject: Subject) -> Found:
        if subject.session_id is not None:
            return self._session(choice, subject.session_id)
        assert subject.trace_id is not None
        view = self._views.get(subject.trace_id)
        if view is None:
            return Found(0, left_out=_GONE)
        if len(view.spans) > MAX_SPANS:
            return Found(view.mark, left_out=("not_applicable", f"it has more than {MAX_SPANS} spans"))
        if subject.span_id is None:
            left_out = choice.of_trace(view)
            return Found(view.mark, None if left_out else self._trace(view), left_out)
        span = view.span(subject.span_id)
        if span is None:
            return Found(0, left_out=_GONE)
        left_out = choice.of_span(view, span)
        return Found(span.chunk, None if left_out else of_span(view, span), left_out)

    def _trace(self, view: TraceView) -> Prepared:
        found = self._traces.get(view.trace_id)
        if found is None:
            found = self._traces[view.trace_id] = of_trace(view)
        return found

    def _session(self, choice: Choice, name: str) -> Found:
        traces = session_traces(self._store, name)
        mark = session_mark(traces)
        views = ordered(views_of(self._store, [one.trace_id for one in traces]).values())
        views = [view for view in views if choice.rule.covers(view.project)]
        if not views:
            return Found(mark, left_out=_GONE)
        left_out = choice.of_session(views)
        return Found(mark, None if left_out else of_session(name, views), left_out)


_GONE: tuple[DecisionState, str] = ("not_applicable", "what it is about is not stored any more")
