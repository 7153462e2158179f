"""Memory that captured texts are copied into, used again and again.

What is copied on the application's thread is freed on the exporter's some time later, so an allocator hands out pages
that were never touched, and each first touch of one is a fault: of 10 kB, those took longer than the copy itself.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

#: bytes of one slab
SLAB: Final = 1 << 18
#: longer texts are kept as they are
_MOST: Final = SLAB >> 3
#: slabs that are kept for later when nothing is in them any more
_SPARE: Final = 16

_spare: deque[bytearray] = deque(maxlen=_SPARE)
_lock = Lock()


class _Slab:
    """Some bytes, that are spare again when nobody holds a part of them."""

    __slots__ = ("buffer", "used")

    def __init__(self) -> None:
        try:
            self.buffer = _spare.pop()
        except IndexError:
            self.buffer = bytearray(SLAB)
        self.used = 0

    def __del__(self, spare: Callable[[bytearray], None] = _spare.append) -> None:
        spare(self.buffer)


class Kept:
    """A text as UTF-8 that nobody can change."""

    __slots__ = ("_at", "_buffer", "_slab", "size")

    def __init__(self, buffer: bytes | bytearray, at: int, size: int, slab: _Slab | None) -> None:
        self._buffer = buffer
        self._at = at
        self._slab = slab
        self.size = size

    def view(self) -> memoryview:
        """Its bytes, to be read while this is held."""
        return memoryview(self._buffer)[self._at : self._at + self.size]

    def text(self) -> str:
        return str(self.view(), "utf-8")


_current = _Slab()


def keep(text: bytes) -> Kept:
    """The text: copied, unless it is so long that it fills much of a slab, or another thread copies just now."""
    global _current
    size = len(text)
    if size > _MOST or not _lock.acquire(blocking=False):
        return Kept(text, 0, size, None)
    try:
        slab = _current
        at = slab.used
        if at + size > SLAB:
            slab = _current = _Slab()
            at = 0
        slab.used = at + size
    finally:
        _lock.release()
    slab.buffer[at : at + size] = text
    return Kept(slab.buffer, at, size, slab)


def _after_fork() -> None:
    """In a child process: the lock may have been held by a thread that is not there."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
