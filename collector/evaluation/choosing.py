"""Which targets a rule wants: its projects, its sample, its filter. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collector.evaluation.rules import DecisionState, Rule, Subject
from collector.evaluation.views import TraceView
from collector.filters.matches import matches
from collector.filters.nodes import Node, needs_originals
from collector.filters.parse import parse
from collector.model import Span


@dataclass(frozen=True, slots=True)
class Choice:
    """One version of a rule, compiled."""

    rule: Rule
    filter: Node | None

    @classmethod
    def of(cls, rule: Rule) -> Choice:
        """Raises ``FilterFault``."""
        scope = "span" if rule.target == "span" else "trace"
        return cls(rule, parse(rule.filter, scope) if rule.filter else None)  # type: ignore[arg-type]

    def of_sample(self, subject: Subject) -> tuple[DecisionState, str] | None:
        """Why a target is left out by sampling alone; None where it is not."""
        if self.rule.samples(subject.sampled_by):
            return None
        return "sampled_out", f"it is not in the sample of {self.rule.sample_rate:g}"

    def of_span(self, view: TraceView, span: Span) -> tuple[DecisionState, str] | None:
        """Why a span is left out; None where it is to be scored."""
        if self.filter is None or matches(self.filter, view.span_record(span, needs_originals(self.filter))):
            return None
        return _filtered(self.rule)

    def of_trace(self, view: TraceView) -> tuple[DecisionState, str] | None:
        if self.filter is None or matches(self.filter, view.trace_record()):
            return None
        return _filtered(self.rule)

    def of_session(self, views: Sequence[TraceView]) -> tuple[DecisionState, str] | None:
        if self.filter is None or any(matches(self.filter, view.trace_record()) for view in views):
            return None
        return "filtered", f"the filter holds for none of its traces: {self.rule.filter}"


def _filtered(rule: Rule) -> tuple[DecisionState, str]:
    return "filtered", f"the filter does not hold: {rule.filter}"


@dataclass
class Choices:
    """Compiled rules, kept by version."""

    _known: dict[tuple[int, int], Choice] = field(default_factory=dict)

    def of(self, rules: Sequence[Rule]) -> list[Choice]:
        """Of those that can be used: a filter that no longer parses (an older program wrote it) leaves its rule out."""
        fresh: dict[tuple[int, int], Choice] = {}
        for rule in rules:
            key = (rule.id, rule.version)
            known = self._known.get(key)
            try:
                fresh[key] = Choice(rule, known.filter) if known else Choice.of(rule)
            except ValueError:
                continue
        self._known = fresh
        return list(fresh.values())
