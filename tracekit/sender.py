"""One thread that delivers batches: from memory, and from the spool when memory has none.

A batch that cannot be delivered goes to the spool at once, and so does what comes after it, until the collector
answers again. See ``tracekit.transport`` for what its answers mean.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as context_api

from tracekit import wire
from tracekit.batch import Batch, halves
from tracekit.bell import Bell
from tracekit.config import Config
from tracekit.counts import Ledger
from tracekit.guard import logger, swallow, warn_once
from tracekit.spool import Kept, Spool
from tracekit.transport import Answer, Outcome, Transport

#: encoded spans that wait in memory at most, in bytes
_READY_BYTES: Final = 16 * 1024 * 1024
_BATCH_BYTES: Final = 4 * 1024 * 1024
_LEAST_BATCH_BYTES: Final = 64 * 1024
#: a request that takes longer is copied to the spool, as are those behind it
_STUCK_SECONDS: Final = 1.0
#: how often to look for what ended processes have left
_ADOPT_SECONDS: Final = 30.0
_BACKOFF: Final = (0.5, 30.0)
#: a generator of its own: the application's seeded numbers stay what they are
_random: Final = random.SystemRandom()

Post = Callable[[bytes], Answer]


@dataclass(slots=True, eq=False)
class _Item:
    """A batch; ``kept`` where it is (also) on disk."""

    batch: Batch
    kept: Kept | None = None


class Sender:
    """``offer`` and ``rescue`` are called by the encoding thread, ``hurry``, ``use`` and ``stop`` by any."""

    def __init__(self, config: Config, ledger: Ledger, spool: Spool, post: Post | None = None) -> None:
        self._ledger = ledger
        self._spool = spool
        self._given = post
        self._transport = Transport(config)
        self._next_transport: Transport | None = None
        self._address = _address(config.traces_url)
        self._lock = threading.Lock()
        #: held while an item moves between memory and disk
        self._moving = threading.Lock()
        self._ready: deque[_Item] = deque()
        self._ready_bytes = 0
        self._bell, self._room = Bell(), Bell()
        self._under_way: _Item | None = None
        self._since = 0.0
        self._attempt = 0
        self._hurried = self._stopped = False
        #: whether the spool may hold something
        self._backlog = True
        self._thread: threading.Thread | None = None
        self.away = False
        #: whether ``offer`` waits: neither memory nor disk has room
        self.blocked = False
        #: an answer of 413 makes the batches to come smaller
        self.batch_bytes = _BATCH_BYTES

    def start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="tracekit-send", daemon=True)
        thread.start()
        self._thread = thread

    def use(self, config: Config) -> None:
        """Send to where ``config`` says from the next batch on."""
        self._next_transport, self._address = Transport(config), _address(config.traces_url)
        self.hurry()

    def hurry(self) -> None:
        """Try again now, unless the collector said when."""
        self._attempt, self._hurried = 0, True
        self._bell.ring()

    def stop(self) -> None:
        """No further request."""
        self._stopped = True
        self._bell.ring()
        self._room.ring()

    def join(self, seconds: float) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, seconds))

    @property
    def idle(self) -> bool:
        """Nothing left that could be delivered now."""
        return self.away or not (self._ready or self._under_way or self._backlog)

    @property
    def exposed(self) -> bool:
        """Whether there is a batch that only memory has."""
        item = self._under_way
        return bool(self._ready) or (item is not None and item.kept is None)

    def offer(self, batch: Batch) -> None:
        """Take a batch: into memory while it can be sent soon, else to disk. Waits for room where there is none."""
        size = len(batch.body)
        full = self._ready_bytes + size > _READY_BYTES and self._ready
        if (full or self.away or self._stuck() or self._stopped) and self._spool.write(batch) is not None:
            self._backlog = True
            self._bell.ring()
            return
        while self._ready and self._ready_bytes + size > _READY_BYTES and not self._stopped:
            self.blocked = True
            self._room.wait(1.0)
        self.blocked = False
        self._push(_Item(batch), last=True)
        self._bell.ring()

    def rescue(self) -> None:
        """Copy what waits behind a request that takes long to disk, and the request itself."""
        if self._stuck() or self._stopped:
            self._stow(self._under_way)

    # --- on the sending thread ---------------------------------------------------------------------------------------
    def _run(self) -> None:
        context_api.attach(_suppressed())
        adopted = -_ADOPT_SECONDS
        while not self._stopped:
            try:
                now = time.monotonic()
                if now - adopted >= _ADOPT_SECONDS:
                    self._spool.adopt()
                    adopted = now
                item = self._next()
                if item is not None:
                    self._deliver(item)
                else:
                    self._ledger.tell()
                    self._bell.wait(_ADOPT_SECONDS)
            except Exception as error:  # noqa: BLE001 - the thread must live
                swallow("send", error)
        self._transport.close()

    def _next(self) -> _Item | None:
        with self._lock:
            if self._ready:
                item = self._ready.popleft()
                self._ready_bytes -= len(item.batch.body)
                self._under_way, self._since = item, time.monotonic()
                self._room.ring()
                return item
        self._backlog = True
        kept = self._spool.oldest()
        self._backlog = kept is not None
        if kept is None:
            return None
        self._under_way, self._since = _Item(kept.batch, kept), time.monotonic()
        return self._under_way

    def _deliver(self, item: _Item) -> None:
        answer = self._post(item.batch.body)
        kept = False
        try:
            if answer.outcome is Outcome.ACCEPTED:
                self._accepted(item, answer)
            elif answer.outcome is Outcome.TOO_LARGE and item.batch.spans > 1:
                self._halve(item, answer)
            elif answer.outcome in (Outcome.RETRY, Outcome.FORBIDDEN):
                kept = True
                self._trouble(answer)
                self._stow(item, give_back=True)
            else:
                self._refused(item, answer)
        finally:
            self._under_way = None
        if kept:
            self._pause(answer)

    def _post(self, body: bytes) -> Answer:
        if self._next_transport is not None:
            self._transport.close()
            self._transport, self._next_transport = self._next_transport, None
        try:
            return (self._given or self._transport.post)(body)
        except Exception as error:  # noqa: BLE001 - spans must be counted whatever happens
            swallow("send", error)
            return Answer(Outcome.REFUSED, reason=type(error).__name__)

    def _accepted(self, item: _Item, answer: Answer) -> None:
        rejected, why = wire.rejected_spans(answer.body)
        rejected = min(max(rejected, 0), item.batch.spans)
        if rejected:
            self._ledger.last_error = why[:500] or "partial success"
            warn_once("rejected", "the collector refused %d spans: %s", rejected, self._ledger.last_error)
        if self.away:
            self.away = False
            logger.info("spans are delivered again")
        self._attempt = 0
        self._settle(item, rejected)

    def _refused(self, item: _Item, answer: Answer) -> None:
        self._ledger.last_error = answer.reason
        large = f": a span of {len(item.batch.body)} bytes" if answer.outcome is Outcome.TOO_LARGE else ""
        warn_once(f"refused {answer.reason}", "the collector refuses spans: %s%s", answer.reason, large)
        self._settle(item, item.batch.spans)

    def _settle(self, item: _Item, failed: int) -> None:
        with self._moving:
            counted = item.kept is None or self._spool.done(item.kept)
            self._under_way = None
        if counted:
            self._ledger.answered(item.batch.own, item.batch.spans - failed, failed)

    def _halve(self, item: _Item, answer: Answer) -> None:
        try:
            first, second = halves(item.batch)
        except ValueError:
            self._refused(item, answer)
            return
        self.batch_bytes = max(_LEAST_BATCH_BYTES, min(self.batch_bytes, len(item.batch.body) // 2))
        with self._moving:
            self._under_way = None
            if item.kept is None or self._spool.done(item.kept):
                self._push(_Item(second), last=False)
                self._push(_Item(first), last=False)

    def _trouble(self, answer: Answer) -> None:
        self._ledger.last_error = answer.reason
        if not self.away:
            self.away = True
            hint = "; is the API key right?" if answer.outcome is Outcome.FORBIDDEN else ""
            logger.warning(
                "spans cannot be delivered to %s for now (%s%s); they are kept and tried again",
                self._address,
                answer.reason,
                hint,
            )

    def _pause(self, answer: Answer) -> None:
        """Wait before another attempt: what the collector asked for, else longer and longer, with jitter."""
        first, most = _BACKOFF
        wait = answer.retry_after
        if wait is None:
            longest = min(most, first * 2 ** min(self._attempt, 10))
            wait = longest * _random.uniform(0.5, 1.0)
            self._attempt += 1
        until = time.monotonic() + wait
        while not self._stopped and self._next_transport is None:
            remaining = until - time.monotonic()
            if remaining <= 0 or (self._hurried and answer.retry_after is None):
                break
            self._bell.wait(remaining)
        self._hurried = False

    # --- between memory and disk -------------------------------------------------------------------------------------
    def _stuck(self) -> bool:
        return self._under_way is not None and time.monotonic() - self._since > _STUCK_SECONDS

    def _stow(self, under_way: _Item | None, give_back: bool = False) -> None:
        """Copy the item that is under way, and move all that wait, to disk; what finds no room there stays in memory.
        ``give_back``: the item is under way no longer."""
        with self._moving:
            if under_way is not None and self._under_way is under_way and under_way.kept is None:
                under_way.kept = self._spool.write(under_way.batch)
                if under_way.kept is None and give_back:
                    self._push(under_way, last=False)
            if give_back:
                self._under_way = None
            while (item := self._pop()) is not None:
                if self._spool.write(item.batch) is None:
                    self._push(item, last=False)
                    return

    def _pop(self) -> _Item | None:
        with self._lock:
            if not self._ready:
                return None
            item = self._ready.popleft()
            self._ready_bytes -= len(item.batch.body)
            return item

    def _push(self, item: _Item, last: bool) -> None:
        with self._lock:
            self._ready.append(item) if last else self._ready.appendleft(item)
            self._ready_bytes += len(item.batch.body)


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
