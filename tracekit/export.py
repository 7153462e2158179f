"""From ended spans to encoded batches: a bounded queue, and one thread that encodes and prices what is in it.

``put`` never waits and never raises. A second thread delivers (``tracekit.sender``), so that a collector that does not
answer never keeps the queue from being emptied, to disk if need be. What fits nowhere is dropped and counted.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from tracekit.batch import Batch, Part, batch_of
from tracekit.bell import Bell
from tracekit.config import Config
from tracekit.counts import FlushResult, Ledger, Stats
from tracekit.encode import Encoder, size_of
from tracekit.guard import logger, swallow, warn_once
from tracekit.process import at_end_of_worker
from tracekit.redaction_spans import Outgoing
from tracekit.sampling import Sampling
from tracekit.sender import Post, Sender
from tracekit.spool import Spool, name_of
from tracekit.spool_owner import default_folders

#: a batch is sent at the latest when it has so many spans
_BATCH_SPANS: Final = 512
#: the encoding thread is woken by a span in front of which so many wait: by the first, and when a batch is whole
_WAKE_AT: Final = frozenset((0, _BATCH_SPANS - 1))
#: seconds from the first span of a process to the first export
_FIRST_INTERVAL: Final = 0.05
#: seconds that the end of the process allows for writing to disk what could not be sent
_WRITING_SECONDS: Final = 1.0
#: what makes Python's threads change places
_SLICE_SECONDS: Final = 0.000_05
#: the encoding thread steps aside each time it has encoded so many spans
_STRIDE: Final = 32
#: how often to see whether a request takes long
_WATCH_SECONDS: Final = 0.5


class _Room:
    """How many spans and bytes may wait; from where on the encoding thread no longer steps aside for the application
    (three quarters), and the application gives way to it (seven eighths)."""

    __slots__ = ("bytes", "crowd", "crowd_bytes", "spans", "work", "work_bytes")

    def __init__(self, spans: int, size: int) -> None:
        self.spans, self.bytes = spans, size
        self.work, self.work_bytes = spans * 3 // 4, size * 3 // 4
        self.crowd, self.crowd_bytes = spans * 7 // 8, size * 7 // 8


class Exporter:
    """The queue and its threads, which start with the first span (and again after a fork)."""

    def __init__(self, config: Config, post: Post | None = None) -> None:
        self._config = config
        self._post = post
        self._first_project = config.project
        self._room = _Room(config.max_queue_spans, config.max_queue_bytes)
        self.flushes_at_root = config.flush_at_root
        self._encoder = _encoder(config)
        self._begin()
        if hasattr(os, "register_at_fork"):
            after = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (found := after()) and found())

    def _begin(self) -> None:
        self.ledger = Ledger()
        self._sampling = Sampling(self._config.sample_rate)
        self._lock = self.ledger.lock
        #: spans, and how many bytes each may become: pairs of both would be two things to the garbage collector
        self._queue: deque[ReadableSpan] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        #: of the spans that ended, so many are awaited by a flush
        self._wanted = 0
        self._bell = Bell()
        self._spool = Spool(*_place(self._config), self.ledger)
        self._sender = Sender(self._config, self.ledger, self._spool, self._post)
        self._thread: threading.Thread | None = None
        self._closed = False

    # --- on the application's threads --------------------------------------------------------------------------------
    def ended(self, span: ReadableSpan, own: bool) -> None:
        """Queue what is to be sent now that this span has ended. ``own``: it is of tracekit's own provider."""
        for chosen in self._sampling.chosen(span, own):
            self.put(chosen, size_of(chosen))
        if self.flushes_at_root and (span.parent is None or span.parent.is_remote):
            self.settle(self._config.exit_timeout)

    def put(self, span: ReadableSpan, size: int | None = None) -> None:
        """Queue an ended span of about so many bytes."""
        if size is None:
            size = size_of(span)
        queue, room = self._queue, self._room
        with self._lock:
            self.ledger.ended += 1
            waiting = len(queue)
            held = self._bytes + size
            crowded = held > room.crowd_bytes or waiting >= room.crowd or self._closed
            fits = not crowded or (held <= room.bytes and waiting < room.spans and not self._closed)
            if fits:
                queue.append(span)
                self._sizes.append(size)
                self._bytes = held
            else:
                self.ledger.dropped += 1
        if fits and waiting in _WAKE_AT:
            self._wake()
        if crowded:
            self._crowded(fits)

    def flush(self, timeout: float) -> FlushResult:
        """Wait until all that has ended by now is acknowledged or lost, at most ``timeout`` seconds."""
        ledger = self.ledger
        target = ledger.ended
        if ledger.settled < target:
            self._sender.hurry()
            self._await(lambda: ledger.settled >= target, target, timeout)
        return ledger.result()

    def settle(self, timeout: float) -> None:
        """Wait until all that has ended by now is acknowledged, lost or on disk, at most ``timeout`` seconds."""
        ledger = self.ledger
        target = ledger.ended
        if threading.current_thread() is not self._thread:
            self._await(lambda: ledger.safe >= target, target, timeout)

    def close(self, timeout: float | None = None) -> FlushResult:
        """Send what is left, at most ``timeout`` seconds (default: the setting), keep the rest on disk, and stop. A
        second call does nothing."""
        if self._closed:
            return self.ledger.result()
        deadline = time.monotonic() + (self._config.exit_timeout if timeout is None else timeout)
        ledger, sender = self.ledger, self._sender
        if self._thread is None and self._queue:
            self._start()
        if self._thread is None:
            self._write_down(deadline)
            return ledger.result()
        target = ledger.ended
        sender.hurry()
        self._await(lambda: ledger.settled >= target and sender.idle, target, deadline - time.monotonic())
        self._closed = True
        sender.stop()
        self._bell.ring()
        if self._thread is not threading.current_thread():
            self._thread.join(_WRITING_SECONDS)
        sender.join(deadline - time.monotonic())
        self._say_what_is_left()
        return ledger.result()

    def result(self) -> FlushResult:
        return self.ledger.result()

    def stats(self, faults: int) -> Stats:
        return self.ledger.stats(faults, self._sampling.sampled_out)

    def reconfigure(self, config: Config) -> None:
        """Send to where ``config`` says from the next batch on; what is undelivered goes there too."""
        if config.sample_rate != self._config.sample_rate:
            self._sampling = Sampling(config.sample_rate, self._sampling)
        self._config, self.flushes_at_root = config, config.flush_at_root
        self._room = _Room(config.max_queue_spans, config.max_queue_bytes)
        self._encoder = _encoder(config, self._first_project)
        self._spool.move(*_place(config))
        if self._closed:
            self._sender = Sender(config, self.ledger, self._spool, self._post)
            self._closed, self._thread = False, None
        else:
            self._sender.use(config)

    def _crowded(self, fitted: bool) -> None:
        """Spans end faster than one thread can encode them: let it have the interpreter for its slice of time, rather
        than drop them; say so where one was dropped."""
        if not fitted and not self._closed:
            warn_once("full", "the queue of spans is full; spans are dropped and counted, see tracekit.stats()")
        if fitted and not self._sender.blocked:
            time.sleep(_SLICE_SECONDS)

    def _await(self, reached: Callable[[], bool], target: int, timeout: float) -> None:
        deadline = time.monotonic() + max(0.0, timeout)
        self._wanted = max(self._wanted, target)
        if self._queue or self._thread is not None:
            self._wake()
        while not reached() and not self._closed:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            self.ledger.wait(min(remaining, 0.1))

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        self._bell.ring()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, args=(self._sender,), name="tracekit-export", daemon=True)
            try:
                self._sender.start()
                thread.start()
            except RuntimeError as error:  # there are too many, or the interpreter is about to end
                warn_once("threads", "spans wait for a thread that sends them, and none can be started (%s)", error)
                return
            self._thread = thread
            at_end_of_worker(self.close, lambda: self.flush(self._config.exit_timeout))

    def _write_down(self, deadline: float) -> None:
        """End without a thread: none was needed, or none can be had, and what waits is written to disk from here."""
        self._closed = True
        self._sender.stop()
        while self._queue and time.monotonic() < deadline:
            batch = self._take(self._sender.batch_bytes)
            if batch.spans:
                self._sender.offer(batch)
        self._spool.close()
        self._say_what_is_left()

    def _after_fork(self) -> None:
        """The parent sends its own spans; the child begins with none."""
        closed = self._closed
        self._spool.after_fork()
        self._begin()
        self._closed = closed

    def _say_what_is_left(self) -> None:
        stats = self.ledger.stats(0)
        if stats.spooled:
            logger.warning("%d spans were not delivered; they are kept on disk and sent later", stats.spooled)
        if stats.pending - stats.spooled or stats.dropped:
            logger.warning(
                "%d spans were not delivered and %d were dropped", stats.pending - stats.spooled, stats.dropped
            )

    # --- on the encoding thread --------------------------------------------------------------------------------------
    def _run(self, sender: Sender) -> None:
        interval = _FIRST_INTERVAL
        while sender is self._sender:
            try:
                if self._queue:
                    self._gather(interval)
                    interval = self._config.interval
                    batch = self._take(sender.batch_bytes)
                    if batch.spans:
                        sender.offer(batch)
                elif self._closed:
                    break
                else:
                    self._bell.wait(_WATCH_SECONDS if sender.exposed else None)
                sender.rescue()
            except Exception as error:  # noqa: BLE001 - the thread must live
                swallow("export", error)
        sender.rescue()
        self._spool.close()

    def _gather(self, interval: float) -> None:
        """Let a batch come together."""
        until = time.monotonic() + interval
        while len(self._queue) < _BATCH_SPANS and self._bytes < self._sender.batch_bytes and not self._urgent():
            remaining = until - time.monotonic()
            if remaining <= 0:
                break
            self._bell.wait(remaining)

    def _urgent(self) -> bool:
        return self._closed or self.ledger.ended - len(self._queue) < self._wanted

    def _can_wait(self) -> bool:
        """Whether the application may go first: a thread that never waits keeps the interpreter for 5 ms at a time, and
        an event loop, which gives it up at every turn, would stand still for as long."""
        room = self._room
        return len(self._queue) <= room.work and self._bytes <= room.work_bytes and not self._urgent()

    def _take(self, most_bytes: int) -> Batch:
        """Encode the next spans."""
        parts: list[Part] = []
        for number, span in enumerate(self._next(most_bytes), 1):
            if number % _STRIDE == 0 and self._can_wait():
                time.sleep(_SLICE_SECONDS)
            try:
                parts.append(self._encoder.encode(span))
            except Exception as error:  # noqa: BLE001 - one bad span loses itself, not its batch
                swallow("encode", error)
                self.ledger.answered(True, 0, 1)
        return batch_of(parts)

    def _next(self, most_bytes: int) -> list[ReadableSpan]:
        """Spans for one request. In one go, so that the application's threads wait once for the lock."""
        found: list[ReadableSpan] = []
        total = 0
        queue, sizes = self._queue, self._sizes
        with self._lock:
            while queue and len(found) < _BATCH_SPANS:
                if found and total + sizes[0] > most_bytes:
                    break
                total += sizes.popleft()
                found.append(queue.popleft())
            self._bytes -= total
        return found


def _encoder(config: Config, earlier: str | None = None) -> Encoder:
    return Encoder(config.project, earlier, Outgoing(config.redactor, config.capture))


def _place(config: Config) -> tuple[list[Path], str, int]:
    folders = [Path(config.spool_dir)] if config.spool_dir else default_folders()
    return folders, name_of(config.traces_url, config.project), config.spool_bytes
