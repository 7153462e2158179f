"""The JSON API: what is stored, for programs. Described by ``/api/v1/openapi.json`` and, for people, ``/api/docs``."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.routing import BaseRoute, Mount, Route

from collector.api.handlers import Handlers
from collector.api.page import docs_page
from collector.api.problems import problems
from collector.storage.api import TraceReader


def build_api(reader: TraceReader, *, now_ns: Callable[[], int] = time.time_ns, threads: int = 4) -> list[BaseRoute]:
    """The routes beneath ``/api``. At most ``threads`` requests read and render at once; ``now_ns`` is what relative
    times like ``24h`` count from."""
    handlers = Handlers(reader, now_ns, threads)
    version_1: list[BaseRoute] = [
        Route("/traces", handlers.list_traces),
        Route("/traces/{trace_id}", handlers.get_trace),
        Route("/traces/{trace_id}/spans/{span_id}", handlers.get_span),
        Route("/usage", handlers.usage),
        Route("/projects", handlers.projects),
        Route("/openapi.json", handlers.openapi),
    ]
    return [Mount("/api/v1", routes=version_1, middleware=[problems()]), Route("/api/docs", docs_page)]


__all__ = ["build_api"]
