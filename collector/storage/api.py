"""What storage promises. Every engine keeps these contracts; ``tests/contract`` runs one suite over all of them.

Everything here is synchronous: async callers use a thread pool. Times are nanoseconds, money pico-USD (see model).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collector.filters.nodes import Node
from collector.model import Cost, Span, SpanBatch, SummaryUpdate, TraceSummary, Usage
from collector.queue.api import Item, Queue
from collector.storage.annotations_api import AnnotationReader, AnnotationStore
from collector.storage.datasets_api import DatasetStore
from collector.storage.evaluation_api import EvaluationStore
from collector.storage.forward_api import ForwardStore
from collector.storage.projects_api import ProjectStore
from collector.storage.reviews_api import ReviewStore
from collector.storage.runs_api import RunStore


class StorageError(Exception):
    """Base of what storage raises. The message is fit to be shown to an operator."""


class Overloaded(StorageError):
    """The write queue is full: nothing was stored, the sender should come again after ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(StorageError):
    """The database cannot be written now (locked, full, gone): nothing was stored, retrying may help."""


class Refused(StorageError):
    """The batch holds a value that no column takes: nothing of it was stored, and sending it again will not help."""


class SchemaTooNew(StorageError):
    """The database was written by a newer program."""


class CannotOpen(StorageError):
    """The database cannot be opened (path, permission, address, credentials). Says what to do."""


class TooBroad(StorageError):
    """Answering would take too long: the message says what would make the question smaller."""


class BadCursor(ValueError):
    """The cursor was not made by this query."""


@dataclass(slots=True)
class WriteResult:
    """``stored`` new spans and ``duplicates``: spans whose (trace_id, span_id) was there already and was left alone."""

    stored: int
    duplicates: int


class SpanWriter(Protocol):
    """Takes batches and makes them durable."""

    def submit(self, batch: SpanBatch) -> Future[WriteResult]:
        """Queue a batch. The future resolves only after the transaction holding all of it has committed.

        Raises ``Overloaded`` at once when more than the configured number of spans is waiting. The future raises
        ``Unavailable`` where the transaction failed, ``Refused`` where the batch itself was at fault (other batches
        are not touched by it); then nothing of the batch is stored. A span whose
        (trace_id, span_id) exists is left as it is: sending twice stores once, also within one batch.
        """
        ...

    def pending_spans(self) -> int:
        """Spans submitted and not yet committed: background work yields while this is large."""
        ...

    def close(self) -> None:
        """Commit everything that was submitted, then stop. Idempotent."""
        ...


SortKey = Literal["start_time", "duration", "cost", "tokens"]


@dataclass(slots=True, frozen=True)
class TraceQuery:
    """Which traces: all conditions must hold. ``from_ns <= start < to_ns``. ``q`` is free text: every word (the last
    one as a prefix) must occur in one chunk of the trace. ``filter`` is over traces (``collector.filters.parse``);
    where it asks for what only originals hold, lists and stats raise ``TooBroad`` rather than open very many."""

    project: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    status: str | None = None
    q: str | None = None
    filter: Node | None = None
    sort: SortKey = "start_time"
    descending: bool = True
    limit: int = 50
    cursor: str | None = None
    #: only traces whose (start_ns, trace_id) sorts after this one: the live tail
    newer_than: tuple[int, bytes] | None = None


@dataclass(slots=True)
class TracePage:
    """``next_cursor`` is None on the last page. Pages are keyset pages: rows that arrive meanwhile shift nothing."""

    items: list[TraceSummary]
    next_cursor: str | None = None


@dataclass(slots=True)
class TraceStats:
    """The head of a list: totals of everything that matches, and ``buckets`` of equal width over the time range."""

    traces: int
    errors: int
    p50_ns: int | None
    p99_ns: int | None
    tokens: int | None
    cost: int | None
    unpriced_calls: int
    buckets: list[StatsBucket] = field(default_factory=list)


@dataclass(slots=True)
class StatsBucket:
    start_ns: int
    end_ns: int
    traces: int
    errors: int


@dataclass(slots=True, frozen=True)
class UsageQuery:
    """``group_by``: user_id session_id project model provider day hour, or ``tag:NAME``: the trace's metadata value
    NAME, else the rest of a tag ``NAME:rest`` or ``NAME=rest``. Days and hours are UTC, named by their start in
    RFC 3339."""

    project: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    group_by: tuple[str, ...] = ()


@dataclass(slots=True)
class UsageRow:
    """One group. ``calls`` are counted calls of every kind; latencies are of calls; percentiles are exact
    (nearest rank). ``errors`` counts failed calls. ``group`` has one entry for each name in ``group_by``."""

    group: dict[str, str | None]
    traces: int
    calls: int
    errors: int
    usage: Usage
    cost: Cost
    unpriced_calls: int
    latency_ns: dict[str, int | None]
    time_to_first_token_ns: dict[str, int | None]


@dataclass(slots=True)
class ProjectSummary:
    name: str
    traces: int
    first_ns: int | None
    last_ns: int | None


class TraceReader(Protocol):
    """Reads what is committed. Never blocks the writer."""

    def list_traces(self, query: TraceQuery) -> TracePage:
        """Summaries only (a trace appears once it has been summarised). Raises ``BadCursor``."""
        ...

    def stats(self, query: TraceQuery, buckets: int = 0) -> TraceStats:
        """Totals over all that match, whatever ``limit`` and ``cursor`` say."""
        ...

    def get_trace(self, trace_id: bytes) -> TraceSummary | None:
        """The summary with ``stale`` set while stored spans are not in it yet; made from the spans where there is
        none yet. None if no span of the trace is stored."""
        ...

    def get_spans(self, trace_id: bytes, *, originals: bool = True) -> list[Span]:
        """The trace's spans by (start_ns, span_id). With ``originals``, resource, attributes, events and links are
        filled in as they were sent; without, only facts are (cheap: 5,000 spans in some tens of ms)."""
        ...

    def get_span(self, trace_id: bytes, span_id: bytes) -> Span | None:
        """One span with its original."""
        ...

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        """Sums over counted calls, largest cost first. ``traces`` counts distinct traces that have a counted call in
        the group; groups by project, user, session, tag, day or hour also count the traces without calls."""
        ...

    def projects(self) -> list[ProjectSummary]: ...

    def neighbours(self, trace_id: bytes) -> tuple[bytes | None, bytes | None]:
        """(newer, older) trace of the same project by start, for paging between traces."""
        ...


class Reader(TraceReader, AnnotationReader, Protocol):
    """Everything that pages and the API read."""


class SummaryStore(Protocol):
    """What the summariser and the search index need of an engine, beside the queue.

    ``complete_*`` write results and remove queue items in one transaction, and do nothing when the claims are no
    longer ours: so a crash between any two steps neither loses nor doubles work.
    """

    def traces_of_batches(self, batch_ids: Sequence[int]) -> dict[bytes, int]:
        """The traces that have a span stored by one of these batches, and how many spans each has in all."""
        ...

    def spans_of_traces(self, trace_ids: Sequence[bytes]) -> dict[bytes, list[Span]]:
        """As ``TraceReader.get_spans`` without originals, for many traces at once and in no order. ``chunk`` is the
        id of the span's original. A trace without spans is left out."""
        ...

    def originals_of(self, original_ids: Sequence[int]) -> dict[int, bytes]:
        """Compressed OTLP TracesData by id, for many at once."""
        ...

    def complete_summaries(self, items: Sequence[Item], updates: Sequence[SummaryUpdate]) -> int:
        """Store the updates and remove those of the items that are still ours; returns how many were. With items of
        which none is, nothing is stored; without items (a part of a larger work), the updates are. A trace whose
        stored summary covers more spans than the update is left as it is: another worker was faster and knew more."""
        ...

    def originals_of_batch(self, batch_id: int) -> list[tuple[int, bytes]]:
        """(original id, compressed OTLP TracesData) of every chunk stored by this batch."""
        ...

    def complete_index(self, texts: Sequence[tuple[Item, Sequence[tuple[int, str]]]]) -> int:
        """For each item its (original id, text to be found by) go to the full-text index and the item goes, unless
        the claim is no longer ours; returns how many were."""
        ...


class Store(
    SpanWriter,
    Reader,
    AnnotationStore,
    RunStore,
    ProjectStore,
    SummaryStore,
    ForwardStore,
    EvaluationStore,
    DatasetStore,
    ReviewStore,
    Protocol,
):
    """One engine's whole. Running the queue's consumers is the composition root's business, not the store's."""

    @property
    def queue(self) -> Queue:
        """Where each stored batch has put an item for each consumer."""
        ...

    def subscribe(self, tell: Callable[[], None]) -> None:
        """``tell`` is called after every commit that stored spans, on a writing thread, and must return at once."""
        ...

    def check_writable(self) -> None:
        """For readiness: raises ``Unavailable`` with the reason unless a transaction can be committed now."""
        ...

    def size_bytes(self) -> int | None: ...
