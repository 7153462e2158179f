"""A rule tried on one thing that is stored: nothing of it is kept, but what its judge is asked counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from collector.annotations import Annotation
from collector.evaluation.choosing import Choice
from collector.evaluation.decide import DecideStore
from collector.evaluation.judging import Ledger, OverBudget
from collector.evaluation.makers import Makers
from collector.evaluation.rules import DecisionState, Rule, Subject
from collector.evaluation.scores import annotations_of
from collector.evaluation.subjects import Prepared, of_session, of_span, of_trace
from collector.evaluation.views import session_traces, views_of
from collector.queue.retry import describe
from collector.storage.api import StorageError
from tracekit.evals.api import NotApplicable, Temporary


class NotThere(LookupError):
    """What the rule is to be tried on is not stored. The message says what."""


@dataclass(frozen=True, slots=True)
class Tried:
    """``why_not``: why the rule would leave it out, None where it would not."""

    why_not: str | None
    state: DecisionState
    reason: str | None = None
    scores: tuple[Annotation, ...] = ()


def tried(
    store: DecideStore,
    rule: Rule,
    trace_id: bytes,
    span_id: bytes | None,
    *,
    makers: Makers | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Tried:
    """Raises ``NotThere`` and ``StorageError``."""
    subject, prepared, why_not = _look(store, Choice.of(rule), trace_id, span_id)
    ledger = Ledger()
    try:
        evaluator = (makers or Makers(store, clock)).evaluator(rule, ledger)
        said = list(evaluator(prepared.subject))
        scores = annotations_of(rule, subject, prepared, said, evaluator.annotator_kind, {"rule": rule.name})
        return Tried(why_not, "done", None, scores)
    except NotApplicable as reason:
        return Tried(why_not, "not_applicable", str(reason))
    except OverBudget as reason:
        return Tried(why_not, "over_budget", str(reason))
    except Temporary as reason:
        return Tried(why_not, "failed", str(reason))
    except StorageError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever an evaluator raises is its own
        return Tried(why_not, "failed", describe(fault))


def _look(
    store: DecideStore, choice: Choice, trace_id: bytes, span_id: bytes | None
) -> tuple[Subject, Prepared, str | None]:
    rule = choice.rule
    view = views_of(store, [trace_id]).get(trace_id)
    if view is None:
        raise NotThere("no span of this trace is stored")
    if rule.target == "span":
        span = view.span(span_id) if span_id is not None else None
        if span is None:
            raise NotThere("the rule's target are spans: say which, by span_id, of those that are stored")
        subject = Subject(trace_id, span.span_id)
        covered, left_out = rule.covers(span.project), choice.of_sample(subject) or choice.of_span(view, span)
        return subject, of_span(view, span), _why(rule, covered, left_out)
    covered = rule.covers(view.project)
    if rule.target == "trace":
        subject = Subject(trace_id)
        return subject, of_trace(view), _why(rule, covered, choice.of_sample(subject) or choice.of_trace(view))
    if view.session_id is None:
        raise NotThere("the rule's target are sessions, and the trace belongs to none")
    subject = Subject(session_id=view.session_id)
    traces = [one.trace_id for one in session_traces(store, view.session_id)] or [trace_id]
    views = sorted(views_of(store, traces).values(), key=lambda one: (one.spans[0].start_ns, one.trace_id))
    left_out = choice.of_sample(subject) or choice.of_session(views)
    return subject, of_session(view.session_id, views), _why(rule, covered, left_out)


def _why(rule: Rule, covered: bool, left_out: tuple[DecisionState, str] | None) -> str | None:
    if not covered:
        return "its project is not one of the rule's"
    return left_out[1] if left_out else None
