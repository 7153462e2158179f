"""The queue's first two consumers: summaries of traces, and the full-text index.

What fails for one trace or one chunk is set aside as a buried item of its own, with the reason, and the rest is
completed; revived, that item asks for this one trace or chunk only.
"""

from __future__ import annotations

import os
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from collector.codec.otlp import Original
from collector.model import RUN_SCOPE, Content, Span, SummaryUpdate
from collector.processors.normalize import content
from collector.queue.api import INDEX, SUMMARISE, Item, Queue
from collector.queue.retry import Poison, describe
from collector.queue.worker import Settings, Worker, make_way
from collector.storage.api import StorageError, SummaryStore
from collector.summarise.search_text import search_text
from collector.summarise.summary import summarise

log = structlog.get_logger("collector.summarise")

#: Spans that are read, summarised and written in one go, unless a single trace has more.
SLICE_SPANS: Final = 1_000
#: A trace of more spans is not summarised: its spans would not fit into memory.
MAX_SPANS: Final = 100_000
#: Batches that are summarised together: a growing trace is then read once for all of them.
SUMMARISE_ITEMS: Final = 64
INDEX_ITEMS: Final = 16
#: Characters of text that are written to the index in one transaction.
INDEX_CHARS: Final = 500_000
#: Parsed originals that are kept while a trace is summarised.
PARSED_ORIGINALS: Final = 32


class WorkStore(SummaryStore, Protocol):
    """What the workers stand on."""

    @property
    def queue(self) -> Queue:
        """Where each stored batch has put an item for each consumer."""
        ...

    def subscribe(self, tell: Callable[[], None]) -> None:
        """``tell`` is called after every commit that stored spans."""
        ...


class Workers:
    """The workers of this process, woken by every commit."""

    def __init__(self, store: WorkStore, workers: Sequence[Worker]) -> None:
        self.each = tuple(workers)
        self._store = store

    def start(self) -> None:
        for worker in self.each:
            worker.start()
        self._store.subscribe(self.notify)

    def notify(self) -> None:
        for worker in self.each:
            worker.notify()

    def stop(self, timeout_s: float = 10.0) -> None:
        """All at once; what they cannot finish in time is given back to the queue. Idempotent."""
        for worker in self.each:
            worker.ask_to_stop()
        until = time.monotonic() + timeout_s
        for worker in self.each:
            worker.stop(max(0.0, until - time.monotonic()))


def build_workers(
    store: WorkStore,
    busy: Callable[[], bool] = lambda: False,
    *,
    name: str | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Workers:
    """One worker for each of the two consumers. They make way while ingest is ``busy``.

    ``name`` tells this process from the others that share the queue.
    """
    process = name or f"{platform.node()}:{os.getpid()}"

    def pause() -> None:
        make_way(busy)

    def worker(consumer: str, handler: Summarise | Index, limit: int) -> Worker:
        label, settings = f"{process}/{consumer}", Settings(limit=limit)
        return Worker(store.queue, consumer, handler, name=label, settings=settings, busy=busy, clock=clock)

    summariser = Summarise(store, store.queue, pause=pause, clock=clock)
    indexer = Index(store, store.queue, pause=pause, clock=clock)
    return Workers(store, [worker(SUMMARISE, summariser, SUMMARISE_ITEMS), worker(INDEX, indexer, INDEX_ITEMS)])


class Summarise:
    """Summarises every trace that the items' batches touched, once, from all its spans."""

    def __init__(
        self,
        store: SummaryStore,
        queue: Queue,
        *,
        pause: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._queue = queue
        self._pause = pause
        self._clock = clock
        #: summaries written, and traces that could not be summarised as they should
        self.summaries = 0
        self.poisoned = 0

    def __call__(self, items: Sequence[Item]) -> None:
        single = {item.id: _named(item, "trace_id") for item in items if item.payload is not None}
        batches = [item for item in items if item.payload is None]
        sizes = self._store.traces_of_batches([item.batch_id for item in batches]) if batches else {}
        alone = {bytes.fromhex(trace_id) for trace_id in single.values()} - sizes.keys()
        slices = [*_slices(sizes), *([trace_id] for trace_id in sorted(alone))]
        faults: dict[bytes, str] = {}
        updates: list[SummaryUpdate] = []
        for trace_ids in slices:
            if updates:
                self._store.complete_summaries((), updates)
                self._pause()
            updates = self._summarise(trace_ids, sizes, faults)
        kept = [item for item in items if not self._report(item, single.get(item.id), faults)]
        self._set_aside(batches, faults)
        if kept or updates:
            self._store.complete_summaries(kept, updates)

    def _summarise(
        self, trace_ids: Sequence[bytes], sizes: Mapping[bytes, int], faults: dict[bytes, str]
    ) -> list[SummaryUpdate]:
        wanted = []
        for trace_id in trace_ids:
            if sizes.get(trace_id, 0) > MAX_SPANS:
                faults[trace_id] = f"the trace has {sizes[trace_id]} spans, more than {MAX_SPANS} are not summarised"
            else:
                wanted.append(trace_id)
        spans = self._store.spans_of_traces(wanted)
        contents = _Contents(self._store, spans.values())
        updates = []
        for trace_id, found in spans.items():
            update, fault = _summary(found, contents)
            if update is not None:
                update.sources = frozenset(span.chunk for span in found if span.scope == RUN_SCOPE)
                updates.append(update)
            if fault is not None:
                faults[trace_id] = fault
        self.summaries += len(updates)
        return updates

    def _report(self, item: Item, trace_id: str | None, faults: Mapping[bytes, str]) -> bool:
        """Bury an item that stands for one trace alone when that failed again."""
        if trace_id is None or (fault := faults.get(bytes.fromhex(trace_id))) is None:
            return False
        self._queue.bury(item, reason=fault)
        return True

    def _set_aside(self, batches: Sequence[Item], faults: Mapping[bytes, str]) -> None:
        for item in batches if faults else ():
            touched = self._store.traces_of_batches([item.batch_id])
            for trace_id in touched.keys() & faults.keys():
                payload = {"trace_id": trace_id.hex()}
                if self._queue.set_aside(item, payload, reason=faults[trace_id], now_ns=self._clock()):
                    self.poisoned += 1
                    log.error("a trace could not be summarised", **payload, reason=faults[trace_id])


def _slices(sizes: Mapping[bytes, int]) -> Iterator[list[bytes]]:
    """Trace ids, so many at a time that their spans are few."""
    part: list[bytes] = []
    spans = 0
    for trace_id, size in sizes.items():
        if part and spans + size > SLICE_SPANS:
            yield part
            part, spans = [], 0
        part.append(trace_id)
        spans += size
    if part:
        yield part


def _summary(spans: Sequence[Span], content_of: Callable[[Span], Content]) -> tuple[SummaryUpdate | None, str | None]:
    """The summary and what went wrong with it: without input and output if it was the content."""
    try:
        return summarise(spans, content_of), None
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - one trace must not stop the others
        fault = describe(error)
    try:
        return summarise(spans, lambda _: Content()), fault
    except Exception as error:  # noqa: BLE001 - as above
        return None, describe(error)


class _Contents:
    """``content_of`` for the spans of some traces, decoded one by one from originals that are read together."""

    def __init__(self, store: SummaryStore, traces: Iterable[Sequence[Span]]) -> None:
        self._store = store
        # Question and answer are nearly always in the root, and the rest of its trace mostly in the same original.
        heads = {span.chunk for spans in traces for span in spans if span.parent_span_id is None}
        self._data = store.originals_of(sorted(heads)) if heads else {}
        self._parsed: OrderedDict[int, Original] = OrderedDict()

    def __call__(self, span: Span) -> Content:
        original = self._parsed.get(span.chunk)
        if original is None:
            data = self._data_of(span.chunk)
            if data is None:  # replaced since: what replaced it has an item of its own
                return Content()
            original = self._parsed[span.chunk] = Original(data)
            if len(self._parsed) > PARSED_ORIGINALS:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(span.chunk)
        return content(original.span(span.position))

    def _data_of(self, original_id: int) -> bytes | None:
        data = self._data.get(original_id)
        return self._store.originals_of([original_id]).get(original_id) if data is None else data


class Index:
    """Makes every chunk that the items' batches brought findable by its text."""

    def __init__(
        self,
        store: SummaryStore,
        queue: Queue,
        *,
        pause: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._queue = queue
        self._pause = pause
        self._clock = clock
        #: chunks indexed, and chunks that could not be read
        self.chunks = 0
        self.poisoned = 0

    def __call__(self, items: Sequence[Item]) -> None:
        ready: list[tuple[Item, list[tuple[int, str]]]] = []
        size = 0
        for item in items:
            texts = self._texts(item)
            ready.append((item, texts))
            size += sum(len(text) for _, text in texts)
            if size > INDEX_CHARS:
                self._store.complete_index(ready)
                self._pause()
                ready, size = [], 0
        if ready:
            self._store.complete_index(ready)

    def _texts(self, item: Item) -> list[tuple[int, str]]:
        if item.payload is not None:
            original_id = _named(item, "original_id")
            try:
                return [(original_id, search_text(data)) for data in self._store.originals_of([original_id]).values()]
            except StorageError:
                raise
            except Exception as error:
                raise Poison(describe(error)) from error
        found = []
        for original_id, data in self._store.originals_of_batch(item.batch_id):
            try:
                found.append((original_id, search_text(data)))
            except Exception as error:  # noqa: BLE001 - one chunk must not stop the others
                payload = {"original_id": original_id}
                if self._queue.set_aside(item, payload, reason=describe(error), now_ns=self._clock()):
                    self.poisoned += 1
                    log.error("a chunk could not be indexed", **payload, reason=describe(error))
        self.chunks += len(found)
        return found


def _named(item: Item, name: str) -> Any:
    """What an item of its own stands for. Raises ``Poison`` where it does not say."""
    value = (item.payload or {}).get(name)
    if name == "trace_id":
        fits = isinstance(value, str) and len(value) == 32 and all(c in "0123456789abcdef" for c in value)
    else:
        fits = isinstance(value, int)
    if not fits:
        raise Poison(f"the item names no {name}")
    return value
