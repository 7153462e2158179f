"""The JSON API: what is stored, for programs. Described by ``/api/v1/openapi.json`` and, for people, ``/api/docs``."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
from starlette.routing import BaseRoute, Mount, Route

from collector.api.annotations import Annotations
from collector.api.bodies import MAX_BYTES, Bodies
from collector.api.dataset_calls import Calls
from collector.api.datasets import Datasets
from collector.api.destinations import Destinations
from collector.api.experiments import Experiments
from collector.api.handlers import Handlers
from collector.api.page import docs_page
from collector.api.problems import problems
from collector.api.queue import QueueApi
from collector.api.reviews import Reviews
from collector.api.rules import Rules
from collector.receivers.body import ByteBudget
from collector.storage.annotations_api import AnnotationStore
from collector.storage.api import Store


def build_api(
    store: Store,
    *,
    annotations: AnnotationStore | None = None,
    bodies: Bodies | None = None,
    now_ns: Callable[[], int] = time.time_ns,
    threads: int = 4,
) -> list[BaseRoute]:
    """The routes beneath ``/api``. At most ``threads`` requests read and render at once; ``now_ns`` is what relative
    times like ``24h`` count from; ``annotations`` takes what is said, where it is None the ``store`` does; ``bodies``
    bounds what is sent."""
    limiter = anyio.CapacityLimiter(threads)
    handlers = Handlers(store, now_ns, limiter)
    bodies = bodies or Bodies(ByteBudget(4 * MAX_BYTES))
    said = Annotations(annotations or store, bodies, limiter)
    calls = Calls(bodies, limiter, now_ns)
    version_1: list[BaseRoute] = [
        Route("/traces", handlers.list_traces),
        Route("/traces/{trace_id}", handlers.get_trace),
        Route("/traces/{trace_id}/spans/{span_id}", handlers.get_span),
        Route("/usage", handlers.usage),
        Route("/projects", handlers.projects),
        *said.routes(),
        *Destinations(store, store.queue, bodies, limiter, now_ns).routes(),
        *QueueApi(store.queue, bodies, limiter).routes(),
        *Datasets(store, calls).routes(),
        *Experiments(store, calls).routes(),
        *Rules(store, calls).routes(),
        *Reviews(store, calls).routes(),
        Route("/openapi.json", handlers.openapi),
    ]
    return [Mount("/api/v1", routes=version_1, middleware=[problems()]), Route("/api/docs", docs_page)]


__all__ = ["build_api"]
