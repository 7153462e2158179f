"""From ended spans to acknowledged ones: a bounded queue, and one thread that encodes, prices and sends.

``put`` never blocks and never raises. What does not fit is dropped and counted; what cannot be delivered now is kept
and tried again, until the collector says that it never wants it. See ``tracekit.transport`` for who says what.
"""

from __future__ import annotations

import _thread
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry.sdk.trace import ReadableSpan

from tracekit import wire
from tracekit.config import Config
from tracekit.encode import Encoder, size_of
from tracekit.guard import logger, swallow, warn_once
from tracekit.transport import Answer, Outcome, Transport

#: seconds that the end of the process waits for what is still to be sent
EXIT_TIMEOUT: Final = 3.0
#: a batch is sent at the latest when it has so many spans, or so many bytes
_BATCH_SPANS: Final = 512
_BATCH_BYTES: Final = 4 * 1024 * 1024
#: seconds from the first span of a process to the first export
_FIRST_INTERVAL: Final = 0.05
_BACKOFF: Final = (0.5, 30.0)


@dataclass(frozen=True, slots=True)
class FlushResult:
    """Of all spans that ended in this process: acknowledged by the collector, still to be sent, and lost for good
    (refused, or dropped because the queue was full)."""

    acknowledged: int
    pending: int
    failed: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since ``init``. ``failed`` were refused by the collector, ``dropped`` did not fit into the queue,
    ``faults`` are errors inside tracekit that the application did not see."""

    ended: int
    acknowledged: int
    pending: int
    failed: int
    dropped: int
    faults: int
    last_error: str | None


@dataclass(slots=True)
class _Batch:
    """Encoded spans with their resource and scope."""

    spans: list[tuple[bytes, bytes, bytes]]

    def body(self) -> bytes:
        groups: dict[bytes, dict[bytes, list[bytes]]] = {}
        for resource, scope, span in self.spans:
            groups.setdefault(resource, {}).setdefault(scope, []).append(span)
        return wire.request(groups)


class Exporter:
    """The queue and its thread, which starts with the first span (and again after a fork)."""

    def __init__(self, config: Config, post: Callable[[bytes], Answer] | None = None) -> None:
        self._config = config
        self._transport = _transport(config)
        self._encoder = Encoder(config.project)
        self._first_project = config.project
        self._post = post
        self._acknowledged = self._failed = self._dropped = self._ended = 0
        self._last_error: str | None = None
        self._closed = False
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._reset()
        if hasattr(os, "register_at_fork"):
            after = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (found := after()) and found())

    # --- on the application's threads --------------------------------------------------------------------------------
    def put(self, span: ReadableSpan) -> None:
        """Queue an ended span."""
        size = size_of(span)
        with self._lock:
            self._ended += 1
            if (
                self._closed
                or len(self._queue) >= self._config.max_queue_spans
                or (self._bytes + size > self._config.max_queue_bytes)
            ):
                self._dropped += 1
                waiting = -1
            else:
                self._queue.append((span, size))
                self._bytes += size
                waiting = len(self._queue)
        if waiting == 1 or waiting == _BATCH_SPANS:
            self._wake()
        elif waiting < 0 and not self._closed:
            warn_once("full", "the queue of spans is full; spans are dropped and counted, see tracekit.stats()")

    def flush(self, timeout: float) -> FlushResult:
        """Wait until all that has ended by now is acknowledged or lost, at most ``timeout`` seconds."""
        with self._lock:
            target = self._ended
        deadline = time.monotonic() + max(0.0, timeout)
        while self._settled() < target and not self._closed:
            self._urgent = True
            self._wake()
            with self._progress:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._settled() >= target:
                    break
                self._progress.wait(min(remaining, 0.1))
        return self.result()

    def close(self, timeout: float = EXIT_TIMEOUT) -> FlushResult:
        """Send what is left, at most ``timeout`` seconds, and stop. A second call does nothing."""
        if self._closed:
            return self.result()
        self._deadline = time.monotonic() + timeout
        result = self.flush(timeout)
        self._closed = True
        self._wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, self._deadline - time.monotonic()))
        result = self.result()
        if result.pending or self._dropped:
            logger.warning(
                "%d spans were not delivered and %d did not fit into the queue", result.pending, self._dropped
            )
        return result

    def result(self) -> FlushResult:
        with self._lock:
            settled = self._settled()
            return FlushResult(self._acknowledged, self._ended - settled, self._failed + self._dropped)

    def stats(self, faults: int) -> Stats:
        with self._lock:
            pending = self._ended - self._settled()
            counts = (self._ended, self._acknowledged, pending, self._failed, self._dropped)
            return Stats(*counts, faults, self._last_error)

    def reconfigure(self, config: Config) -> None:
        """Send to where ``config`` says from the next batch on."""
        self._config, self._transport = config, _transport(config)
        self._encoder = Encoder(config.project, self._first_project)
        if self._closed:
            self._closed, self._deadline, self._thread = False, None, None

    def _settled(self) -> int:
        return self._acknowledged + self._failed + self._dropped

    def _wake(self) -> None:
        """Ring the thread's bell. A bare lock: unlike an Event it may be rung from within a garbage collection."""
        if self._thread is None:
            self._start()
        try:
            self._bell.release()
        except RuntimeError:
            pass

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="tracekit-export", daemon=True)
                thread.start()
                self._thread = thread
                _at_exit_of_worker_process(self.close)

    def _reset(self) -> None:
        self._queue: deque[tuple[ReadableSpan, int]] = deque()
        self._bytes = 0
        self._lock = threading.RLock()
        self._progress = threading.Condition(threading.RLock())
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._thread = None
        self._urgent = False
        self._closed = False
        self._deadline = None
        self._troubled = False

    def _after_fork(self) -> None:
        """The parent sends its own spans; the child begins with none."""
        closed = self._closed
        self._transport = _transport(self._config)
        self._acknowledged = self._failed = self._dropped = self._ended = 0
        self._reset()
        self._closed = closed

    # --- on the export thread ----------------------------------------------------------------------------------------
    def _run(self) -> None:
        context_api.attach(_suppressed())
        interval = _FIRST_INTERVAL
        while True:
            while not self._queue:
                if self._closed:
                    self._transport.close()
                    return
                self._bell.acquire()
            self._gather(interval)
            interval = self._config.interval
            try:
                self._deliver(self._take())
            except Exception as error:  # noqa: BLE001 - the thread must live
                swallow("export", error)
            if self._closed and self._out_of_time():
                return

    def _gather(self, interval: float) -> None:
        """Let a batch come together."""
        until = time.monotonic() + interval
        while len(self._queue) < _BATCH_SPANS and self._bytes < _BATCH_BYTES and not (self._urgent or self._closed):
            remaining = until - time.monotonic()
            if remaining <= 0:
                break
            self._bell.acquire(timeout=remaining)
        self._urgent = False

    def _take(self) -> _Batch:
        """Encode the next spans."""
        batch = _Batch([])
        total = 0
        while self._queue and len(batch.spans) < _BATCH_SPANS and total < _BATCH_BYTES:
            with self._lock:
                span, size = self._queue.popleft()
                self._bytes -= size
            try:
                batch.spans.append(self._encoder.encode(span))
                total += len(batch.spans[-1][2])
            except Exception as error:  # noqa: BLE001 - one bad span loses itself, not its batch
                swallow("encode", error)
                self._count(0, 1)
        return batch

    def _deliver(self, batch: _Batch) -> None:
        count = len(batch.spans)
        if count == 0:
            return
        body = batch.body()
        attempt = 0
        while True:
            answer = self._send(body)
            if answer.outcome is Outcome.ACCEPTED:
                self._accepted(count, answer)
                return
            if answer.outcome is Outcome.TOO_LARGE and count > 1:
                self._deliver(_Batch(batch.spans[: count // 2]))
                self._deliver(_Batch(batch.spans[count // 2 :]))
                return
            if answer.outcome is not Outcome.RETRY:
                self._refused(count, answer)
                return
            self._trouble(answer)
            if self._out_of_time() or not self._pause(answer, attempt):
                return
            attempt += 1

    def _send(self, body: bytes) -> Answer:
        try:
            return (self._post or self._transport.post)(body)
        except Exception as error:  # noqa: BLE001 - spans must be counted whatever happens
            swallow("send", error)
            return Answer(Outcome.REFUSED, reason=type(error).__name__)

    def _accepted(self, count: int, answer: Answer) -> None:
        rejected, why = wire.rejected_spans(answer.body)
        rejected = min(max(rejected, 0), count)
        if rejected:
            self._last_error = why[:500] or "partial success"
            warn_once("rejected", "the collector refused %d spans: %s", rejected, self._last_error)
        if self._troubled:
            self._troubled = False
            logger.info("spans are delivered again")
        self._count(count - rejected, rejected)

    def _refused(self, count: int, answer: Answer) -> None:
        self._last_error = answer.reason
        hint = "; is the API key right?" if answer.reason in ("HTTP 401", "HTTP 403") else ""
        warn_once(f"refused {answer.reason}", "the collector refuses spans: %s%s", answer.reason, hint)
        self._count(0, count)

    def _trouble(self, answer: Answer) -> None:
        self._last_error = answer.reason
        if not self._troubled:
            self._troubled = True
            logger.warning(
                "spans cannot be delivered to %s for now (%s); they are kept and tried again",
                _address(self._config.traces_url),
                answer.reason,
            )

    def _pause(self, answer: Answer, attempt: int) -> bool:
        """Wait before another attempt: what the server asked for, else longer and longer. False if time is up."""
        first, most = _BACKOFF
        wait = answer.retry_after
        if wait is None:
            wait = min(most, first * 2 ** min(attempt, 10)) * random.uniform(0.8, 1.2)
        until = time.monotonic() + wait
        while True:
            end = until if self._deadline is None else min(until, self._deadline)
            remaining = end - time.monotonic()
            if remaining <= 0 or (self._urgent and answer.retry_after is None):
                break
            self._bell.acquire(timeout=min(remaining, 1.0))
        if self._urgent:
            self._urgent = False
            self._bell.acquire(timeout=0.05)
        return not self._out_of_time()

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _count(self, acknowledged: int, failed: int) -> None:
        with self._lock:
            self._acknowledged += acknowledged
            self._failed += failed
        with self._progress:
            self._progress.notify_all()


def _transport(config: Config) -> Transport:
    return Transport(config.traces_url, config.headers, config.timeout, config.gzip, config.certificate_file)


def _address(url: str) -> str:
    """The address without what may be secret in it."""
    return url.partition("?")[0].rpartition("@")[2]


def _suppressed() -> context_api.Context:
    """A context in which instrumented HTTP clients do not trace what is sent here."""
    found = context_api.get_current()
    key = getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
    for name in (key, "suppress_instrumentation"):
        found = context_api.set_value(name, True, found)
    return found


def _at_exit_of_worker_process(close: Callable[[], Any]) -> None:
    """A process of ``multiprocessing`` ends without running atexit, but runs its own finalizers."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, close, exitpriority=0)
