"""Tracing without a line of code, where ``TRACEKIT_TRACING=true`` is set when tracekit is imported.

The first span starts tracing, not the import: an application that sets a tracer provider of its own, or calls
``tracekit.init`` itself, has done so by then, and in a server that forks, its workers trace and not their parent.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from tracekit import runtime
from tracekit.guard import guarded
from tracekit.importhook import when_imported

VARIABLE: Final = "TRACEKIT_TRACING"
_TRUE: Final = frozenset(("1", "true", "yes", "on"))

_lock = threading.RLock()
_started = False


def wanted() -> bool:
    return os.environ.get(VARIABLE, "").strip().lower() in _TRUE


@guarded
def begin() -> None:
    """Start with the first span, and trace every run of LangChain. What that takes long to load is loaded now."""
    import opentelemetry.sdk.trace  # noqa: F401

    import tracekit.config
    import tracekit.export  # noqa: F401

    runtime.start_with(_start)
    when_imported("langchain_core.tracers.context", _trace_langchain)
    if os.environ.get("TRACEKIT_INSTRUMENT", "").strip():
        # What is to be instrumented makes spans by itself: there may never be a first one of ours.
        _start()


def _start() -> None:
    global _started
    from tracekit.provider import init

    with _lock:
        if not _started:
            _started = True
            init()


@guarded
def _trace_langchain() -> None:
    from tracekit.integrations.langchain import trace_all

    trace_all()
