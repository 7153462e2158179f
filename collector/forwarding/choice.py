"""Which spans a destination gets: of its projects, matching its filter, in its sample, not from there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector import via
from collector.annotations import Annotation
from collector.codec.run_spans import PENDING
from collector.destinations import Destination, is_sampled
from collector.exporters.api import Record
from collector.filters.matches import SpanRecord, matches
from collector.filters.nodes import Node, needs_originals
from collector.filters.parse import parse
from collector.model import RUN_SCOPE, Span


def way_of(said: str | None, collector_id: str) -> tuple[str, ...]:
    """The collectors that a span has been through once it leaves this one."""
    return (*via.parsed(said), collector_id)


@dataclass(slots=True)
class Choice:
    """One destination's, compiled."""

    destination: Destination
    filter: Node | None

    @classmethod
    def of(cls, destination: Destination) -> Choice:
        """Raises ``FilterFault``."""
        return cls(destination, parse(destination.filter, "span") if destination.filter else None)

    def takes(self, facts: Span, way: Sequence[str]) -> bool:
        """Whether it wants the span, as far as that can be told without its original."""
        destination = self.destination
        return (
            (not destination.projects or facts.project in destination.projects)
            and is_sampled(facts.trace_id, destination.sample_rate)
            and (destination.peer is None or destination.peer not in way)
        )

    def matches(self, record: Record, annotations_of: Callable[[Span], Sequence[Annotation]]) -> bool:
        """Whether its filter holds."""
        if self.filter is None:
            return True
        span = record.span if needs_originals(self.filter) else record.facts
        return matches(self.filter, SpanRecord(span, lambda _: record.content, lambda: annotations_of(span)))


def is_pending(record: Record) -> bool:
    """Whether this is a run whose end is not known: what ends it replaces it, and has an item of its own."""
    return record.facts.scope == RUN_SCOPE and bool(record.span.attributes.get(PENDING))
