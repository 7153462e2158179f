"""Everything of LangSmith's protocol that reads, and that writes anything but runs: one ASGI application.

Paths come without the prefix and without ``/api/v1`` or ``/api`` before them, and without a slash at their end.
"""

from __future__ import annotations

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware

from collector.api.bodies import Bodies
from collector.api.problems import Problem
from collector.asgi import App
from collector.keys import Keys
from collector.receivers.langsmith.faults import Fault, answered
from collector.receivers.langsmith.feedback_http import FeedbackPages
from collector.receivers.langsmith.run_reads import RunReads
from collector.receivers.langsmith.run_reads_attachments import AttachmentLinks
from collector.receivers.langsmith.sessions_http import Sessions
from collector.storage.annotations_api import AnnotationStore
from collector.storage.api import StorageError, Store

#: How many requests are read and rendered at once.
THREADS = 4


def build_reading(store: Store, annotations: AnnotationStore, keys: Keys, bodies: Bodies) -> App:
    """``annotations`` takes feedback."""
    limiter = anyio.CapacityLimiter(THREADS)
    links = AttachmentLinks(store, keys, limiter)
    pages = (
        FeedbackPages(annotations, bodies, limiter),
        Sessions(store, bodies, limiter),
        RunReads(store, links, bodies, limiter),
        links,
    )
    # What nobody expects has a layer of its own: Starlette would raise it again after it has been answered.
    app = Starlette(
        routes=[route for page in pages for route in page.routes()],
        middleware=[Middleware(ExceptionMiddleware, handlers={Exception: answered})],
        exception_handlers=dict.fromkeys((Fault, Problem, HTTPException, StorageError), answered),
    )
    app.router.redirect_slashes = False
    return app
