"""What storage promises about destinations, and about the queue's items that are for them.

Every transaction that stores spans (or annotations) leaves one item for each destination that there is: so whatever
crashes when, each destination gets each batch. An item stands for its whole batch, or for what its payload says:
``{"spans": ["TRACE:SPAN", ...]}``, ``{"annotations": ["ID", ...]}``, ``{"batches": [1, 2]}``; ``n`` says how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from collector.annotations import Annotation
from collector.destinations import Destination
from collector.model import Span
from collector.queue.api import Item


class NameTaken(Exception):
    """There is a destination of this name already."""


@dataclass(frozen=True, slots=True)
class Follow:
    """An item that takes another's place. Buried where there is a ``reason``."""

    consumer: str
    payload: Mapping[str, Any] | None
    due_ns: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an item: it goes, and these come in its place."""

    item: Item
    follows: tuple[Follow, ...] = ()


@dataclass(slots=True)
class Tally:
    """Spans (annotations in ``annotated``) since the destination was made. ``skipped``: of other projects, not
    matching its filter, not in its sample, or from there. ``rejected``: refused for good by a destination that did not
    say which. ``retried``: times that something was sent again."""

    sent: int = 0
    skipped: int = 0
    rejected: int = 0
    retried: int = 0
    annotated: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Status:
    """``waiting`` and ``buried`` in spans and annotations; ``unverified``: sent, and not seen there yet. ``lag_ns``:
    age of the oldest item that is not buried, 0 where there is none."""

    destination: Destination
    tally: Tally
    waiting: int = 0
    unverified: int = 0
    buried: int = 0
    lag_ns: int = 0
    last_sent_ns: int | None = None
    last_error: str | None = None
    last_error_ns: int | None = None


@dataclass(slots=True)
class BatchSpans:
    """What of a batch is stored still: spans with facts only, ``Span.chunk`` the id of their original; and the way
    each original came (``collector.via``), where it came by one."""

    spans: list[Span] = field(default_factory=list)
    via: dict[int, str] = field(default_factory=dict)


class DestinationStore(Protocol):
    """Destinations, for whoever administers them."""

    @property
    def collector_id(self) -> str:
        """16 hex digits, the same for every collector on this database and for ever."""
        ...

    def destinations(self) -> list[Destination]:
        """By name."""
        ...

    def add_destination(self, destination: Destination, *, from_ns: int | None, now_ns: int) -> Future[Destination]:
        """Store it, and queue for it what was stored at or after ``from_ns`` (None: nothing): from the same commit on,
        every batch has an item for it. The future raises ``NameTaken``."""
        ...

    def change_destination(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Destination | None]:
        """Replace fields of ``Destination``; None where there is none of that name."""
        ...

    def remove_destination(self, name: str) -> Future[bool]:
        """With everything that waits for it. False where there is none."""
        ...

    def destination_statuses(self, *, now_ns: int) -> list[Status]:
        """By name."""
        ...

    def replay(self, name: str, *, from_ns: int, to_ns: int, now_ns: int) -> Future[int]:
        """Queue again what was stored at or after ``from_ns`` and before ``to_ns``, but for batches that wait
        already; and revive what is buried of these batches. Returns how many spans."""
        ...

    def drop_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        """Forget what is buried (one item of it). Returns how many items."""
        ...

    def revive_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        """Try what is buried again. Returns how many items."""
        ...


class ForwardStore(DestinationStore, Protocol):
    """What the workers of destinations need beside the queue."""

    def spans_of_batches(self, batch_ids: Sequence[int]) -> dict[int, BatchSpans]:
        """By batch; what is no longer stored is left out."""
        ...

    def awaiting_summary(self, batch_ids: Sequence[int]) -> set[int]:
        """Those of the batches whose traces are still to be summarised."""
        ...

    def batch_sizes(self, batch_ids: Sequence[int]) -> dict[int, int]:
        """How many spans each batch brought."""
        ...

    def queued(self, consumer: str) -> int:
        """Spans and annotations that wait for this consumer, buried ones not among them."""
        ...

    def run_ids_of(self, trace_ids: Sequence[bytes]) -> dict[tuple[bytes, bytes], bytes]:
        """(trace id, span id) -> run id, of the spans of LangSmith's runs in these traces."""
        ...

    def annotations_by_id(self, ids: Sequence[bytes]) -> list[Annotation]: ...

    def annotations_about(
        self, spans: Sequence[bytes], traces: Sequence[bytes], sessions: Sequence[str]
    ) -> list[tuple[bytes, Annotation]]:
        """(id, annotation) of those about one of these spans, one of these traces as a whole, or a session."""
        ...

    def trace_of_span(self, span_id: bytes) -> bytes | None:
        """A trace that has a span with this id. Slow: there is no index."""
        ...

    def settle(
        self,
        destination_id: int,
        settled: Sequence[Settled],
        tally: Tally,
        *,
        now_ns: int,
        error: str | None = None,
        peer: str | None = None,
    ) -> int:
        """In one transaction: those of the items that are still ours go, what follows them comes, and the
        destination's counts grow. Returns how many were ours; where none was, nothing is counted. ``peer`` is kept
        either way."""
        ...

    def note_error(self, destination_id: int, error: str, *, now_ns: int) -> None:
        """What the destination's page shows as its last error."""
        ...
