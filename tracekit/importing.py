"""Imports on threads of tracekit's own, and forks.

A process that forks while another thread imports a module leaves its child with a lock that nobody will ever release:
the child's first use of that module waits for ever. So a fork waits until such an import is done.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: a fork waits no longer: it must happen, whatever an import does
_MOST_SECONDS: Final = 5.0

_lock: Final = threading.RLock()
_held: Final[list[bool]] = []


@contextmanager
def imports() -> Iterator[None]:
    """Import here what an application's fork must not find half imported."""
    with _lock:
        yield


def _before_fork() -> None:
    _held.append(_lock.acquire(timeout=_MOST_SECONDS))


def _after_fork() -> None:
    if _held.pop():
        _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
