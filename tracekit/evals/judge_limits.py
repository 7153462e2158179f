"""How fast a judge may be asked: requests and tokens in a minute, and how many at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from tracekit.evals.api import Temporary

#: How much of a minute's amount may go at once after a pause: a twelfth, five seconds' worth.
_BURST: Final = 1 / 12
#: Characters in a token, for what a request will take before the judge has counted. A rule of thumb for English.
_CHARS_PER_TOKEN: Final = 4


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds, never backwards."""
        ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Bucket:
    """A token bucket that may be overdrawn: ``take`` says how long to wait until what was taken is there, so that
    those who wait are served in the order in which they asked. At most 1 + 1/12 of ``per_minute`` go in any minute."""

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute * _BURST)
        self._clock = clock
        self._lock = threading.Lock()
        self._level = self._most
        self._at = clock.monotonic()

    def take(self, amount: float) -> float:
        """Seconds to wait before going on."""
        with self._lock:
            self._fill()
            self._level -= amount
            return max(0.0, -self._level / self._rate)

    def give_back(self, amount: float) -> None:
        """What was taken and not used; a negative amount takes what was used beyond it."""
        with self._lock:
            self._fill()
            self._level = min(self._most, self._level + amount)

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._level = min(self._most, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now


class Limits:
    """Around every call of one judge. ``max_wait_s``: whoever would wait longer for a turn is sent away with
    ``Temporary`` and the time after which to come again, instead of holding a thread."""

    def __init__(
        self,
        max_concurrency: int = 4,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_wait_s: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._slots = threading.BoundedSemaphore(max_concurrency)
        self._requests = Bucket(requests_per_minute, self._clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, self._clock) if tokens_per_minute else None
        self._max_wait_s = max_wait_s

    @contextmanager
    def turn(self, characters: int, most_output_tokens: int) -> Iterator[Turn]:
        """Waits for a turn, and holds a slot while the call lasts. Raises ``Temporary``."""
        if not self._slots.acquire(timeout=self._max_wait_s):
            raise Temporary("too many calls of the judge wait for their turn", self._max_wait_s)
        try:
            turn = Turn(characters / _CHARS_PER_TOKEN + most_output_tokens)
            self._wait(turn)
            yield turn
            if self._tokens is not None and turn.used is not None:
                self._tokens.give_back(turn.reserved - turn.used)
        finally:
            self._slots.release()

    def _wait(self, turn: Turn) -> None:
        taken = [
            (bucket, amount, bucket.take(amount))
            for bucket, amount in ((self._requests, 1.0), (self._tokens, turn.reserved))
            if bucket is not None
        ]
        wait = max((seconds for _, _, seconds in taken), default=0.0)
        if wait > self._max_wait_s:
            for bucket, amount, _ in taken:
                bucket.give_back(amount)
            raise Temporary("the judge's rate limit is used up", wait)
        if wait > 0:
            self._clock.sleep(wait)


class Turn:
    """``reserved`` and ``used`` in tokens; the caller sets ``used`` where the judge counted."""

    def __init__(self, reserved: float) -> None:
        self.reserved = reserved
        self.used: int | None = None
