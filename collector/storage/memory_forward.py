"""``ForwardStore`` over dicts: the contract at its plainest."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from collector.annotations import Annotation
from collector.codec.runs import RunHead
from collector.destinations import Destination
from collector.model import Span
from collector.queue.api import SUMMARISE
from collector.queue.memory import MemoryQueue
from collector.storage.forward_api import BatchSpans, NameTaken, Settled, Status, Tally


class MemoryForward:
    collector_id = "00000000000000aa"

    def __init__(self) -> None:
        self._destinations: dict[str, Status] = {}
        self._destination_ids = itertools.count(1)
        self._destinations_lock = threading.RLock()
        self._batch_times = {}

    # What the store itself has.
    queue: Any
    _spans: Mapping[bytes, Mapping[bytes, tuple[Span, int]]]
    _originals: Mapping[int, Any]
    _annotations: dict[bytes, Annotation]
    _runs: dict[bytes, RunHead]
    #: when each batch was stored, and how many spans
    _batch_times: dict[int, tuple[int, int]]

    @property
    def forward_queue(self) -> MemoryQueue:
        assert isinstance(self.queue, MemoryQueue)
        return self.queue

    def spans_of_batches(self, batch_ids: Sequence[int]) -> dict[int, BatchSpans]:
        found: dict[int, BatchSpans] = {}
        every = ((span, number) for spans in self._spans.values() for span, number in spans.values())
        for span, number in sorted(every, key=lambda pair: (pair[1], pair[0].position)):
            original = self._originals[number]
            if original.batch_id in batch_ids:
                batch = found.setdefault(original.batch_id, BatchSpans())
                batch.spans.append(replace(span, chunk=number))
                if original.chunk.via:
                    batch.via[number] = original.chunk.via
        return found

    def awaiting_summary(self, batch_ids: Sequence[int]) -> set[int]:
        entries = self.forward_queue.entries_of(SUMMARISE)
        return {one.batch_id for one in entries if one.state != "buried" and one.batch_id in batch_ids}

    def batch_sizes(self, batch_ids: Sequence[int]) -> dict[int, int]:
        return {one: self._batch_times[one][1] for one in batch_ids if one in self._batch_times}

    def queued(self, consumer: str) -> int:
        entries = self.forward_queue.entries_of(consumer)
        return sum(self._size(entry) for entry in entries if entry.state != "buried")

    def run_ids_of(self, trace_ids: Sequence[bytes]) -> dict[tuple[bytes, bytes], bytes]:
        runs = [run for run in self._runs.values() if run.trace_id in trace_ids]
        return {(run.trace_id, run.span_id): run.run_id for run in runs}

    def trace_of_span(self, span_id: bytes) -> bytes | None:
        return next((trace_id for trace_id, spans in self._spans.items() if span_id in spans), None)

    def batches_between(self, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """(batch id, spans) of what was stored in this time."""
        return [(batch, spans) for batch, (at, spans) in self._batch_times.items() if from_ns <= at < to_ns]

    def destinations(self) -> list[Destination]:
        with self._destinations_lock:
            return [self._destinations[name].destination for name in sorted(self._destinations)]

    def add_destination(self, destination: Destination, *, from_ns: int | None, now_ns: int) -> Future[Destination]:
        with self._destinations_lock:
            if destination.name in self._destinations:
                return _failed(NameTaken(f"there is a destination named {destination.name} already"))
            stored = replace(destination, id=next(self._destination_ids), created_ns=now_ns)
            self._destinations[stored.name] = Status(stored, Tally())
            if from_ns is not None:
                self._queue(stored, self.batches_between(from_ns, 2**63 - 1), now_ns)
            return _done(stored)

    def change_destination(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Destination | None]:
        with self._destinations_lock:
            status = self._destinations.get(name)
            if status is None:
                return _done(None)
            changed = replace(status.destination, **changes)
            if changed.name != name and changed.name in self._destinations:
                return _failed(NameTaken(f"there is a destination named {changed.name} already"))
            del self._destinations[name]
            self._destinations[changed.name] = replace(status, destination=changed)
            return _done(changed)

    def remove_destination(self, name: str) -> Future[bool]:
        with self._destinations_lock:
            status = self._destinations.pop(name, None)
            if status is not None:
                self.forward_queue.forget((status.destination.consumer, status.destination.verifier))
            return _done(status is not None)

    def destination_statuses(self, *, now_ns: int) -> list[Status]:
        with self._destinations_lock:
            return [self._filled(self._destinations[name], now_ns) for name in sorted(self._destinations)]

    def replay(self, name: str, *, from_ns: int, to_ns: int, now_ns: int) -> Future[int]:
        with self._destinations_lock:
            status = self._destinations.get(name)
            if status is None:
                return _done(0)
            batches = self.batches_between(from_ns, to_ns)
            for batch_id, _ in batches:
                self.forward_queue.revive_of_batch(status.destination.consumer, batch_id)
                self.forward_queue.revive_of_batch(status.destination.verifier, batch_id)
            waiting = self.forward_queue.batches_of(status.destination.consumer)
            self._queue(status.destination, [one for one in batches if one[0] not in waiting], now_ns)
            return _done(sum(spans for _, spans in batches))

    def drop_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        return self._of_buried(name, self.forward_queue.drop_buried, item_id)

    def revive_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        return self._of_buried(name, lambda consumer, one: self.forward_queue.revive(consumer, item_id=one), item_id)

    def annotations_by_id(self, ids: Sequence[bytes]) -> list[Annotation]:
        return [annotation for annotation in self._annotations.values() if annotation.id in set(ids)]

    def annotations_about(
        self, spans: Sequence[bytes], traces: Sequence[bytes], sessions: Sequence[str]
    ) -> list[tuple[bytes, Annotation]]:
        def about(annotation: Annotation) -> bool:
            target = annotation.target
            if target.span_id is not None:
                return target.span_id in spans
            if target.trace_id is not None:
                return target.trace_id in traces
            return target.session_id in sessions

        return [(one.id, one) for one in self._annotations.values() if one.id is not None and about(one)]

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
        with self._destinations_lock:
            ours = [one for one in settled if self.forward_queue.settle(one.item, one.follows)]
            if ours or peer is not None:
                self._count(destination_id, tally if ours else Tally(), now_ns, error, peer)
            return len(ours)

    def note_error(self, destination_id: int, error: str, *, now_ns: int) -> None:
        with self._destinations_lock:
            self._count(destination_id, Tally(), now_ns, error, None)

    def queue_for_destinations(self, batch_id: int, spans: int) -> None:
        with self._destinations_lock:
            self._batch_times[batch_id] = (time.time_ns(), spans)
            for status in self._destinations.values():
                self.forward_queue.put(status.destination.consumer, batch_id, now_ns=time.time_ns())

    def queue_annotations(self, ids: Iterable[bytes]) -> None:
        payload = {"annotations": [one.hex() for one in ids]}
        payload["n"] = len(payload["annotations"])  # type: ignore[assignment]
        with self._destinations_lock:
            for status in self._destinations.values():
                if status.destination.kind in ("phoenix", "langsmith"):
                    self.forward_queue.put(status.destination.consumer, 0, now_ns=time.time_ns(), payload=payload)

    def _queue(self, destination: Destination, batches: Iterable[tuple[int, int]], now_ns: int) -> None:
        for batch_id, _ in batches:
            self.forward_queue.put(destination.consumer, batch_id, now_ns=now_ns)

    def _of_buried(self, name: str, what: Any, item_id: int | None) -> Future[int]:
        with self._destinations_lock:
            status = self._destinations.get(name)
            if status is None:
                return _done(0)
            destination = status.destination
            return _done(sum(what(consumer, item_id) for consumer in (destination.consumer, destination.verifier)))

    def _count(self, destination_id: int, tally: Tally, now_ns: int, error: str | None, peer: str | None) -> None:
        for status in self._destinations.values():
            if status.destination.id != destination_id:
                continue
            status.tally.add(tally)
            if tally.sent or tally.annotated:
                status.last_sent_ns = now_ns
            if error is not None:
                status.last_error, status.last_error_ns = error, now_ns
            if peer is not None:
                status.destination = replace(status.destination, peer=peer)

    def _filled(self, status: Status, now_ns: int) -> Status:
        destination = status.destination
        found = replace(status, tally=replace(status.tally), waiting=0, unverified=0, buried=0, lag_ns=0)
        for consumer in (destination.consumer, destination.verifier):
            for entry in self.forward_queue.entries_of(consumer):
                spans = self._size(entry)
                if entry.state == "buried":
                    found.buried += spans
                    continue
                found.lag_ns = max(found.lag_ns, now_ns - entry.created_ns)
                if consumer == destination.verifier:
                    found.unverified += spans
                else:
                    found.waiting += spans
        return found

    def _size(self, entry: Any) -> int:
        if entry.payload and "n" in entry.payload:
            return int(entry.payload["n"])
        return self._batch_times.get(entry.batch_id, (0, 1))[1]


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
