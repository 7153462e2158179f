"""One request's way from bytes to committed: decode, processors, one transaction, and only then the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from collector import via
from collector.codec.otlp import Wanted
from collector.codec.run_spans import batch_of
from collector.codec.runs import RunHead
from collector.metrics import Metrics
from collector.model import Span, SpanBatch
from collector.processors.chain import process
from collector.processors.dialects import CONTENT_KEYS
from collector.processors.price import Pricer
from collector.processors.redact import Redaction
from collector.storage.api import SpanWriter, WriteResult

T = TypeVar("T")

#: Work on fewer bytes than this is done at once: handing it to another thread would cost more.
INLINE_BYTES: Final = 32 * 1024

#: Bytes being decoded or waiting for their commit, from which on ingest needs the machine for itself.
BUSY_BYTES: Final = 256 * 1024
#: What the processors need of a span; the rest is decoded when somebody reads it.
WANTED: Final = Wanted(CONTENT_KEYS)

log = structlog.get_logger("collector.pipeline")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. ``rejected`` spans were refused for good, for ``reasons``."""

    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int:
        return self.stored + self.duplicates


class Pipeline:
    """Processes batches and has them stored. Decoding of large bodies happens in one thread beside the event loop."""

    def __init__(
        self,
        writer: SpanWriter,
        metrics: Metrics,
        pricer: Pricer | None = None,
        redaction: Redaction | None = None,
        collector_id: str = "",
    ) -> None:
        #: of this collector, for those that its spans go to and come back from
        self.collector_id = collector_id
        #: for receivers that keep more than spans; None where no project has rules
        self.redaction = redaction
        self._writer = writer
        self._metrics = metrics
        self._pricer = pricer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._in_hand = 0

    def busy(self) -> bool:
        """Whether so much is being taken in that background work should wait."""
        return self._in_hand >= BUSY_BYTES

    async def compute(self, size: int, work: Callable[[], T]) -> T:
        """``work()`` over ``size`` bytes, off the event loop where that is much."""
        if size < INLINE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @contextmanager
    def in_hand(self, size: int) -> Iterator[None]:
        """While ``size`` bytes are being taken in."""
        self._in_hand += size
        try:
            yield
        finally:
            self._in_hand -= size

    def spans_of_runs(self, runs: Sequence[RunHead]) -> SpanBatch:
        """The spans of LangSmith's runs, processed as any other."""
        batch = batch_of(runs)
        self._process(batch)
        return batch

    def closes_circle(self, way: str | None) -> bool:
        """Whether what comes with this ``collector.via`` header has been here, or goes round: it is not taken again,
        and whoever sent it is told that it is stored."""
        if not way or not via.closes(via.parsed(way), self.collector_id):
            return False
        self._metrics.looped()
        return True

    async def consume(
        self, size: int, decode: Callable[[], SpanBatch], project: str | None = None, way: str | None = None
    ) -> Outcome:
        """Decode, process, store. Returns after the commit. ``project``, where given, is that of all the spans;
        ``way`` the ``collector.via`` header that they came with.

        Raises what ``decode`` raises, ``Overloaded`` and ``Unavailable``; then nothing was stored.
        """
        with self.in_hand(size):
            batch, committed = await self.compute(size, lambda: self._submit(decode(), project, way))
            submitted = time.perf_counter()
            result = await asyncio.wrap_future(committed) if committed else WriteResult(0, 0)
        self._metrics.committed(result.stored, result.duplicates, time.perf_counter() - submitted)
        self._metrics.rejected("traces", batch.rejected)
        return Outcome(result.stored, result.duplicates, batch.rejected, batch.rejected_reasons)

    def store_now(self, batch: SpanBatch) -> SpanBatch:
        """Process and store spans that the collector itself makes, from any thread but the event loop's. Returns them
        with their facts, after the commit. Raises ``StorageError``."""
        self._metrics.received(len(batch.spans))
        self._process(batch)
        started = time.perf_counter()
        result = self._writer.submit(batch).result()
        self._metrics.committed(result.stored, result.duplicates, time.perf_counter() - started)
        return batch

    def _submit(
        self, batch: SpanBatch, project: str | None, way: str | None
    ) -> tuple[SpanBatch, Future[WriteResult] | None]:
        self._metrics.received(len(batch.spans) + batch.rejected)
        for span in batch.spans if project else ():
            span.attributes["tracekit.project"] = project
        self._process(batch)
        for chunk in batch.chunks if way else ():
            chunk.via = via.formatted(via.parsed(way)) or None
        return batch, self._writer.submit(batch) if batch.spans else None

    def _process(self, batch: SpanBatch) -> None:
        process(batch, self._pricer, _fault, self.redaction)
        self._metrics.emptied(batch.emptied)

    def close(self) -> None:
        self._thread.shutdown(wait=True)


def _fault(span: Span, error: Exception) -> None:
    log.error("a span could not be normalised; it is stored as it came", span_id=span.span_id.hex(), exc_info=error)
