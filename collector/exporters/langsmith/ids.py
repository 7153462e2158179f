"""Where a span is in LangSmith: its run's UUID, its trace's, and its ``dotted_order``. Pure but for ``Roots``' memory.

LangSmith requires that a trace's id is the id of its root run, and that ``dotted_order`` names every run from the
root down, each with its start: ``20260102T030405678901Z{uuid}.20260102T030405678950Z{uuid}``. So the root of a trace
has the 16 bytes of the trace id for its UUID, and every other span a UUID made of both ids, the same on every
collector.
A span whose ancestors never came cannot name them: it, and all below it, becomes a trace of its own, whose root is the
topmost span that is known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from collector.exporters.api import Record
from collector.model import Span

#: Never to be changed: what was sent is found by it again.
NAMESPACE: Final = UUID("5b0d8a4e-7c55-5f0c-9f43-1f2b6f3a9d10")
#: Traces whose roots are remembered.
MAX_ROOTS: Final = 20_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Of a run. ``start_us``: never before its parent's, for LangSmith sorts by ``dotted_order``."""

    run_id: UUID
    trace_id: UUID
    parent_run_id: UUID | None
    dotted_order: str
    start_us: int


class Roots:
    """Which span is the root of a trace: of several without a parent, the first one seen. Two runs of one UUID would
    be one run to LangSmith, and the second one lost."""

    def __init__(self, limit: int = MAX_ROOTS) -> None:
        self._limit = limit
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def has(self, span: Span) -> bool:
        """Whether a span without a parent is the root of its trace. Remembers it as such if there was none."""
        known = self._known.setdefault(span.trace_id, span.span_id)
        self._known.move_to_end(span.trace_id)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return known == span.span_id

    def learn(self, records: Sequence[Record]) -> None:
        """Of what is sent together, the span that began first is the root, in whatever order they come."""
        tops = [record.facts for record in records if record.is_rooted and not record.ancestry]
        for span in sorted(tops, key=lambda span: (span.start_ns, span.span_id)):
            if span.parent_span_id is None:
                self.has(span)


def place_of(record: Record, roots: Roots) -> Place:
    path = (*record.ancestry, record.facts)
    top = path[0]
    is_root = record.is_rooted and top.parent_span_id is None and roots.has(top)
    ids = [run_id(span, record.run_ids.get(span.span_id), is_root=is_root and span is top) for span in path]
    starts: list[int] = []
    for span in path:
        starts.append(max(span.start_ns // 1000, starts[-1] if starts else 0))
    order = ".".join(segment(start, found) for start, found in zip(starts, ids, strict=True))
    return Place(ids[-1], ids[0], ids[-2] if len(ids) > 1 else None, order, starts[-1])


def run_id(span: Span, known: bytes | None = None, *, is_root: bool) -> UUID:
    """``known``: of the run that the span came as."""
    if known is not None:
        return UUID(bytes=known)
    if is_root:
        return UUID(bytes=span.trace_id)
    return uuid5(NAMESPACE, f"{span.trace_id.hex()}:{span.span_id.hex()}")


def segment(start_us: int, found: UUID) -> str:
    return f"{_EPOCH + timedelta(microseconds=start_us):%Y%m%dT%H%M%S%fZ}{found}"


def time(us: int) -> str:
    """ISO 8601 with microseconds, as LangSmith's clients write times."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")
