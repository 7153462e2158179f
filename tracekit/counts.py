"""What became of every span that ended: each is in exactly one of these counts."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlushResult:
    """Of all spans that ended in this process: acknowledged by the collector, still to be sent (from memory or from
    the spool on disk), and lost for good (refused, or dropped because neither had room)."""

    acknowledged: int
    pending: int
    failed: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since ``init``. ``spooled`` of the pending are on disk; ``failed`` were refused by the collector,
    ``dropped`` fitted neither into the queue nor into the spool. ``recovered`` spans were left on disk by processes
    that have ended and were delivered by this one, ``discarded`` ones of theirs were refused or no longer fitted.
    ``sampled_out`` spans are none of the ended: their traces were left out. ``faults`` are errors inside tracekit that
    the application did not see. ``annotated``: what ``annotate`` delivered; of the rest some is still to be sent, and
    some was lost."""

    ended: int = 0
    acknowledged: int = 0
    pending: int = 0
    spooled: int = 0
    failed: int = 0
    dropped: int = 0
    recovered: int = 0
    discarded: int = 0
    sampled_out: int = 0
    faults: int = 0
    last_error: str | None = None
    annotated: int = 0
    annotations_pending: int = 0
    annotations_lost: int = 0


class Ledger:
    """The counts of one exporter. ``lock`` is never held during input or output; taking it twice is fine, for a span
    may end within a garbage collection."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(threading.RLock())
        self.ended = self.acknowledged = self.failed = self.dropped = 0
        self.spooled = self.recovered = self.discarded = 0
        self.last_error: str | None = None

    @property
    def settled(self) -> int:
        return self.acknowledged + self.failed + self.dropped

    @property
    def safe(self) -> int:
        """Spans that the end of the process cannot harm."""
        return self.settled + self.spooled

    def answered(self, own: bool, acknowledged: int, failed: int) -> None:
        """The collector's word on spans of this process, or of an earlier one."""
        with self.lock:
            if own:
                self.acknowledged += acknowledged
                self.failed += failed
            else:
                self.recovered += acknowledged
                self.discarded += failed
        self.tell()

    def lost(self, own: bool, spans: int) -> None:
        with self.lock:
            if own:
                self.dropped += spans
            else:
                self.discarded += spans
        self.tell()

    def on_disk(self, own: bool, change: int) -> None:
        if own:
            with self.lock:
                self.spooled += change
            self.tell()

    def tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something changes, or the time is up."""
        with self._changed:
            self._changed.wait(seconds)

    def result(self) -> FlushResult:
        with self.lock:
            return FlushResult(self.acknowledged, self.ended - self.settled, self.failed + self.dropped)

    def stats(self, faults: int, sampled_out: int = 0) -> Stats:
        with self.lock:
            return Stats(
                ended=self.ended,
                acknowledged=self.acknowledged,
                pending=self.ended - self.settled,
                spooled=self.spooled,
                failed=self.failed,
                dropped=self.dropped,
                recovered=self.recovered,
                discarded=self.discarded,
                sampled_out=sampled_out,
                faults=faults,
                last_error=self.last_error,
            )
