"""Tracing never breaks the application: what goes wrong in here is counted, logged once, and swallowed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

logger = logging.getLogger("tracekit")

P = ParamSpec("P")
T = TypeVar("T")

_MAX_SAID: Final = 1_000

_said: set[str] = set()
_faults = 0


def faults() -> int:
    """How many errors inside tracekit were swallowed in this process."""
    return _faults


def warn_once(key: str, message: str, *args: Any) -> None:
    """Log a warning the first time that ``key`` comes up in this process."""
    if key not in _said and len(_said) < _MAX_SAID:
        _said.add(key)
        logger.warning(message, *args)


def swallow(where: str, error: BaseException) -> None:
    """Count an error of ours and say it once for each place and kind.

    Its message stays unsaid: it may hold what was being captured.
    """
    global _faults
    _faults += 1
    name = type(error).__name__
    warn_once(f"{where}:{name}", "tracing fault in %s (%s); the application is not affected", where, name)


def guarded(method: Callable[P, T]) -> Callable[P, T | None]:
    """A function that returns None instead of raising."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the point of this module
            swallow(method.__qualname__, error)
            return None

    return call
