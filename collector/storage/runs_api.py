"""What storage promises of LangSmith's runs. Every engine keeps these contracts, as those of ``storage/api.py``.

A run is stored twice over: as a row that finds it by LangSmith's own names and ids, and as the span that everything
else reads, whose original holds the run's whole document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from collector.codec.runs import Attachment, RunChange, RunHead
from collector.model import SpanBatch

#: Makes the span of each run: a batch with one span and one chunk per run, in the order given, with all facts. Pure.
SpansOf = Callable[[Sequence[RunHead]], SpanBatch]


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    name: str
    mime_type: str
    size: int


@dataclass(slots=True)
class Run(RunHead):
    """A stored run: ``document`` as the client would see it, and what is attached to it."""

    attachments: list[AttachmentInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs: all conditions must hold; an empty tuple of names or ids means none of them is asked for, None that
    it does not matter. ``from_ns <= start < to_ns``. ``error`` is status == error. Ordered by (start, run id).
    ``after`` is the (start_ns, run_id) of the last run of the page before."""

    run_ids: tuple[bytes, ...] | None = None
    projects: tuple[str, ...] | None = None
    trace_id: bytes | None = None
    parent_run_id: bytes | None = None
    is_root: bool | None = None
    run_type: str | None = None
    error: bool | None = None
    reference_example_ids: tuple[bytes, ...] | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    descending: bool = True
    limit: int = 100
    after: tuple[int, bytes] | None = None


@dataclass(slots=True)
class RunPage:
    """``next_after`` is what the next page's query says as ``after``; None on the last page. A run that arrives
    meanwhile shifts nothing."""

    items: list[Run]
    next_after: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """``created`` runs that were not known, ``updated`` ones that were, known or changed or not."""

    created: int
    updated: int


class RunStore(Protocol):
    """Takes changes of runs, and reads runs."""

    def submit_runs(self, changes: Sequence[RunChange], spans_of: SpansOf) -> Future[RunResult]:
        """Merge the changes into the runs that are stored (``codec.runs.merged``) and store what comes of it: runs,
        their spans in place of those that they had, attachments, the batch and its queue items, in one transaction.
        The future resolves after its commit.

        Raises ``Overloaded`` at once when too much is waiting. The future raises ``Unavailable`` where the
        transaction failed, ``Refused`` where these changes were at fault; then nothing of them is stored. Sending
        the same changes again changes nothing.
        """
        ...

    def get_runs(self, run_ids: Sequence[bytes]) -> dict[bytes, Run]:
        """By id; one that is not known is left out."""
        ...

    def query_runs(self, query: RunQuery) -> RunPage: ...

    def get_attachment(self, run_id: bytes, name: str) -> Attachment | None: ...
