"""``ReviewStore`` over dicts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from collector.annotations import Annotation
from collector.model import TraceSummary
from collector.storage.api import TracePage, TraceQuery
from collector.storage.reviews_api import MAX_LEFT, RESERVED_NS, SKIPPED_NS, Review, ReviewQuery


@dataclass(slots=True, frozen=True)
class _Kept:
    until_ns: int = 0
    skipped_until_ns: int = 0


class MemoryReviews(ABC):
    def __init__(self) -> None:
        self._reservations: dict[tuple[str, bytes], dict[str, _Kept]] = {}
        self._reviews_lock = threading.Lock()

    @abstractmethod
    def list_traces(self, query: TraceQuery) -> TracePage: ...

    @abstractmethod
    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]: ...

    def next_review(self, query: ReviewQuery, *, now_ns: int) -> Review:
        with self._reviews_lock:
            found = [one for one in self._all(query.traces) if self._is_open(query, one.trace_id, now_ns)]
            if not found:
                return Review()
            first = min(found, key=lambda one: (not self._is_mine(query, one, now_ns), one.start_ns, one.trace_id))
            kept = self._reservations.setdefault((query.name, first.trace_id), {})
            kept[query.reviewer] = _Kept(until_ns=now_ns + RESERVED_NS)
            return Review(first.trace_id, now_ns + RESERVED_NS, min(len(found), MAX_LEFT))

    def skip_review(self, trace_id: bytes, name: str, reviewer: str, *, now_ns: int) -> bool:
        with self._reviews_lock:
            if all(one.trace_id != trace_id for one in self._all(TraceQuery())):
                return False
            kept = self._reservations.setdefault((name, trace_id), {})
            kept[reviewer] = _Kept(skipped_until_ns=now_ns + SKIPPED_NS)
            return True

    def _all(self, query: TraceQuery) -> list[TraceSummary]:
        return self.list_traces(replace(query, sort="start_time", cursor=None, limit=2**31)).items

    def _is_mine(self, query: ReviewQuery, summary: TraceSummary, now_ns: int) -> bool:
        kept = self._reservations.get((query.name, summary.trace_id), {})
        return kept.get(query.reviewer, _Kept()).until_ns > now_ns

    def _is_open(self, query: ReviewQuery, trace_id: bytes, now_ns: int) -> bool:
        said_by = {
            one.identifier
            for one in self.annotations_of_trace(trace_id)
            if one.name == query.name and one.annotator_kind == "human" and one.target.trace_id == trace_id
        }
        if query.reviewer in said_by if query.each_reviewer else said_by:
            return False
        kept = self._reservations.get((query.name, trace_id), {})
        if kept.get(query.reviewer, _Kept()).skipped_until_ns > now_ns:
            return False
        return not any(
            one.until_ns > now_ns and reviewer not in said_by
            for reviewer, one in kept.items()
            if reviewer != query.reviewer
        )
