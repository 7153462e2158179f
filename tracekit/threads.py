"""The current span and ``tracekit.context`` go along into threads and thread pools, as they do into asyncio tasks.

Four methods of the standard library are replaced while tracing is on. What starts a thread (``Thread.start``) or hands
work to a pool (``_WorkItem``, which every ``submit`` and ``map`` makes) notes OpenTelemetry's current context; what
runs it attaches that. Functions, arguments, ``run`` and tracebacks stay untouched: nothing of the application's is
wrapped. Other context variables do not go along.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import thread as pools
from typing import Any, Final

from tracekit.current import attach
from tracekit.integrations.langchain_current import current
from tracekit.stepping import leave

_NOTED: Final = "_tracekit_context"
#: whose threads work for many: what they do belongs to the task at hand, not to whoever started them
_WORKERS: Final = ("concurrent.futures.", "multiprocessing.", "anyio.", "opentelemetry.", "tracekit.")

_on = False
#: what was replaced -> (the original, what stands there now)
_replaced: dict[tuple[type, str], tuple[Any, Any]] = {}


def installed() -> bool:
    return _on


def install() -> None:
    """Let threads and pools carry the context from now on. Calling it again changes nothing."""
    global _on
    _on = True
    for owner, name, make in (
        (pools._WorkItem, "__init__", _noting_item),
        (pools._WorkItem, "run", _run_within),
        (threading.Thread, "start", _noting_start),
        (threading.Thread, "_bootstrap", _begin_within),
    ):
        original = getattr(owner, name, None)
        if original is not None and (owner, name) not in _replaced:
            replacement = functools.wraps(original)(make(original))
            _replaced[owner, name] = (original, replacement)
            setattr(owner, name, replacement)


def remove() -> None:
    """Undo ``install``. A method that somebody else has wrapped meanwhile stays, and does nothing."""
    global _on
    _on = False
    for (owner, name), (original, replacement) in list(_replaced.items()):
        if getattr(owner, name) is replacement:
            setattr(owner, name, original)
            del _replaced[owner, name]


def _noting_item(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, *args: Any) -> None:
        original(self, *args)
        context = current()
        if context and _on:
            setattr(self, _NOTED, context)

    return init


def _run_within(original: Callable[..., None]) -> Callable[..., None]:
    def run(self: Any, *args: Any) -> None:
        noted = self.__dict__.pop(_NOTED, None)
        token = None if noted is None else attach(noted)
        try:
            original(self, *args)
        finally:
            # An exception that the future holds leads back to this frame: without a cycle, it is freed at once.
            self = None
            if token is not None:
                leave(token)

    return run


def _noting_start(original: Callable[..., None]) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        context = current()
        if not (context and _on) or _is_worker(self):
            return original(self)
        setattr(self, _NOTED, context)
        try:
            return original(self)
        finally:
            self.__dict__.pop(_NOTED, None)

    return start


def _begin_within(original: Callable[..., None]) -> Callable[..., None]:
    def bootstrap(self: threading.Thread) -> None:
        context = self.__dict__.pop(_NOTED, None)
        if context is not None:
            attach(context)
        return original(self)

    return bootstrap


def _is_worker(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    return str(getattr(target or type(thread), "__module__", "")).startswith(_WORKERS)
