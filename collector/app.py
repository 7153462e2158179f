"""The composition root: settings to components to one ASGI application. Only this file names concrete storage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from collector.access import Access, is_loopback
from collector.asgi import TEXT, App, Receive, Scope, Send, respond, respond_problem
from collector.codec.otlp import decode_traces
from collector.codec.runs import uuid_bytes
from collector.config import Config
from collector.evaluation.decide import Quiet
from collector.evaluation.evaluating import Evaluating
from collector.evaluation.makers import allow_functions
from collector.forwarding.forwarding import Forwarding
from collector.keys import Keys
from collector.metrics import Metrics
from collector.pipeline import WANTED, Pipeline
from collector.processors.price import Pricer
from collector.processors.redact import Redaction, Rules
from collector.queue.api import INDEX, SUMMARISE, Queue
from collector.queue.consumers import Workers, build_workers
from collector.receivers.answers import PATHS, SIGNALS
from collector.receivers.body import ByteBudget, Limits
from collector.receivers.langsmith.endpoint import PREFIX as LANGSMITH
from collector.receivers.langsmith.endpoint import LangSmith
from collector.receivers.langsmith.feedback_sink import FeedbackSink
from collector.receivers.langsmith.ingest import Ingest
from collector.receivers.otlp_http import OtlpHttp
from collector.storage.annotations_api import AnnotationStore
from collector.storage.api import StorageError, Store
from collector.storage.evaluation_api import DECIDE, JUDGE, SCORE
from collector.storage.projects_api import name_of
from collector.storage.redacted_annotations import RedactedAnnotations
from collector.storage.sql.store import open_store

_READY_SECONDS: Final = 5.0
_EXPOSITION: Final = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]

#: Whether ingest needs the machine for itself just now.
Busy = Callable[[], bool]

log = structlog.get_logger("collector.app")


class Lazy:
    """An ASGI application that is built when it is first asked for, so that the collector starts without it."""

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._app: App | None = None
        self._lock = asyncio.Lock()

    async def built(self) -> App:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._build)
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self.built()
        await app(scope, receive, send)


class Collector:
    """Everything of one process, wired: ``asgi`` serves HTTP, ``pipeline`` takes spans from other receivers."""

    def __init__(self, config: Config, store: Store, queue: Queue, workers_of: Callable[[Busy], Workers]) -> None:
        self.config = config
        self.metrics = Metrics()
        self.keys = Keys(config.api_keys)
        self.budget = ByteBudget(config.max_buffered_bytes)
        self._pricer = Pricer()
        self.pipeline = Pipeline(store, self.metrics, self._pricer, _redaction(config), store.collector_id)
        self.draining = False
        self._store = store
        self._annotations = _annotations(store, self.pipeline.redaction)
        self._queue = queue
        self._workers = workers_of(self.pipeline.busy)
        self._forwarding = Forwarding(store, self.pipeline.busy)
        allow_functions(config.evaluators_dir)
        quiet = Quiet(round(config.evaluation_quiet_s * 1e9), round(config.evaluation_session_quiet_s * 1e9))
        self._evaluating = Evaluating(store, self._record, self.pipeline.busy, quiet=quiet)
        self._api = Lazy(self._build_api)
        self._pages = Lazy(self._build_pages)
        self._endpoints = self._otlp() | {
            "/healthz": _only_get(self._healthz),
            "/readyz": _only_get(self._readyz),
            "/metrics": _only_get(self._exposition),
        }
        self._langsmith = self._build_langsmith()
        self.asgi: App = Access(
            self._dispatch,
            self.keys,
            guard_names=is_loopback(config.host) and not self.keys,
            allowed_hosts=config.allowed_hosts,
            cors_origins=config.cors_origins,
        )

    def start(self) -> None:
        """Start the queue's workers, sending to the destinations, and evaluating."""
        self._workers.start()
        self._forwarding.start()
        self._evaluating.start()

    async def warm_up(self) -> None:
        """Load the prices; import and build what only readers need."""
        await asyncio.to_thread(self._pricer.warm)
        await self._api.built()
        await self._pages.built()

    def refresh_load(self) -> None:
        self.metrics.load(self._store.pending_spans(), self.budget.used)

    def stop_workers(self, timeout_s: float) -> None:
        """Give queue items back: what is being worked on may take ``timeout_s`` to be finished."""
        until = time.monotonic() + timeout_s
        self._forwarding.stop(timeout_s / 3)
        self._evaluating.stop(timeout_s / 3)
        self._workers.stop(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Commit what was submitted, close the database."""
        self.pipeline.close()
        self._store.close()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        app = self._endpoints.get(path) or self._app_of(path)
        await app(scope, receive, send)

    def _app_of(self, path: str) -> App:
        if path == LANGSMITH or path.startswith(f"{LANGSMITH}/"):
            return self._langsmith
        return self._api if path.startswith("/api/") or path == "/api" else self._pages

    def _record(self, traces: bytes) -> int | None:
        """Keep what a judge was asked as any sender's spans; what its answers cost, None where one has no price."""
        spans = self.pipeline.store_now(decode_traces(traces, WANTED)).spans
        answered = [span for span in spans if span.kind == "llm" and span.status != "error"]
        costs = [span.cost.total if span.cost else None for span in answered]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.max_body_bytes, self.config.max_decompressed_bytes, self.config.body_timeout_s)

    def _build_langsmith(self) -> App:
        def project_of(session_id: str) -> str | None:
            return name_of(uuid_bytes(session_id), self._store.described_projects())

        def build_reading() -> App:
            from collector.api.bodies import Bodies
            from collector.receivers.langsmith.reading import build_reading

            return build_reading(self._store, self._annotations, self.keys, Bodies(self.budget))

        feedback = FeedbackSink(self._annotations)
        ingest = Ingest(self._store, feedback, self.pipeline, self.metrics, project_of)
        return LangSmith(ingest, Lazy(build_reading), self._limits, self.budget, self.metrics)

    def _otlp(self) -> dict[str, App]:
        limits = self._limits
        signals = {signal: OtlpHttp(signal, self.pipeline, limits, self.budget, self.metrics) for signal in SIGNALS}
        return {path: signals[signal] for path, signal in PATHS.items()}

    def _build_api(self) -> App:
        from starlette.applications import Starlette

        from collector.api import build_api
        from collector.api.bodies import Bodies

        async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
            await respond_problem(send, 404, "there is nothing at this address")

        app = Starlette(routes=build_api(self._store, annotations=self._annotations, bodies=Bodies(self.budget)))
        app.router.default = nothing_here
        return app

    def _build_pages(self) -> App:
        from dashboards.app import build_dashboards

        return build_dashboards(self._store, operations=self._store, evaluation=self._store, datasets=self._store)

    async def _healthz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, TEXT, b"ok\n")

    async def _readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        fault = "shutting down" if self.draining else await self._write_fault()
        if fault is None:
            await respond(send, 200, TEXT, b"ready\n")
        else:
            await respond(send, 503, [*TEXT, (b"retry-after", b"5")], f"{fault}\n".encode())

    async def _write_fault(self) -> str | None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await asyncio.to_thread(self._store.check_writable)
        except StorageError as error:
            return str(error)
        except TimeoutError:
            return f"the database did not commit within {_READY_SECONDS:g} s"
        return None

    async def _exposition(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.refresh_load()
        try:
            for consumer in (SUMMARISE, INDEX, DECIDE, SCORE, JUDGE):
                stats = await asyncio.to_thread(self._queue.stats, consumer, now_ns=time.time_ns())
                self.metrics.queue(consumer, stats)
            self.metrics.destinations(await asyncio.to_thread(self._store.destination_statuses, now_ns=time.time_ns()))
        except StorageError as error:
            # What this process counted is told all the same.
            log.warning("the queue could not be read", error=str(error))
        await respond(send, 200, _EXPOSITION, self.metrics.exposition())


def _only_get(app: App) -> App:
    async def getting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await app(scope, receive, send)
        else:
            await respond(send, 405, [*TEXT, (b"allow", b"GET, HEAD")], b"only GET is answered here\n")

    return getting


def _annotations(store: Store, redaction: Redaction | None) -> AnnotationStore:
    """What an annotation is about may not be there yet: so the rules of every project hold for it."""
    return store if redaction is None else RedactedAnnotations(store, lambda value: redaction.redact_value(None, value))


def _redaction(config: Config) -> Redaction | None:
    """None where no project has rules: then it costs nothing."""
    rules = {name: Rules(rule.patterns, rule.keys) for name, rule in config.redact.items()}
    return Redaction(rules, config.api_keys) if rules else None


def build(config: Config) -> Collector:
    """Raises ``StorageError`` where the database cannot be used."""
    store = open_store(config.database_url)
    if config.destinations:
        from collector.forwarding.configured import apply
        from collector.forwarding.settings import configured

        apply(store, configured(config.destinations), now_ns=time.time_ns())
    if config.rules:
        from collector.evaluation.configured import apply as apply_rules
        from collector.evaluation.settings import configured as configured_rules

        apply_rules(store, configured_rules(config.rules), now_ns=time.time_ns())
    return Collector(config, store, store.queue, lambda busy: build_workers(store, busy))


def open_database(config: Config) -> Store:
    """The store by itself, for commands. Raises ``StorageError``."""
    return open_store(config.database_url)


def check_database(config: Config) -> None:
    """Opens the database, bringing its schema up to date, and closes it. Raises ``StorageError``."""
    open_store(config.database_url).close()
