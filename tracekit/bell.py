"""What a thread of the exporter waits for."""

from __future__ import annotations

import _thread
import contextlib


class Bell:
    """Rung by any thread, heard by one. A bare lock: unlike an Event it may be rung within a garbage collection."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it was rung, now or since the last time. None waits forever."""
        return self._lock.acquire(timeout=-1 if seconds is None else max(0.0, seconds))
