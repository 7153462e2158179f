"""``init``, ``flush``, ``stats`` and ``shutdown``: tracekit's place in OpenTelemetry.

The SDK is imported when ``init`` is called, so that importing tracekit stays cheap for an application that never does.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.trace import ProxyTracerProvider

from tracekit import guard, runtime, semconv
from tracekit.capture import Capture
from tracekit.conventions import ALL, COMPACT, CONVENTIONS, Conventions
from tracekit.guard import logger, swallow

if TYPE_CHECKING:
    from typing import Unpack

    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from tracekit.config import Config, Settings
    from tracekit.counts import FlushResult, Stats
    from tracekit.export import Exporter

#: attributes that a span of tracekit's own provider keeps, unless OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT says otherwise
_MAX_ATTRIBUTES: Final = 2_048

_lock = threading.RLock()
_exporter: Exporter | None = None
_own: _OwnProvider | None = None
_providers: list[Any] = []
_in_use: Any = None
_config: Config | None = None


class _OwnProvider:
    """The provider made here, with what its fast tracer needs."""

    def __init__(self, config: Config, processors: Sequence[SpanProcessor]) -> None:
        import os

        from opentelemetry.sdk.trace import SpanLimits, TracerProvider

        from tracekit.ids import Ids
        from tracekit.processor import Processors

        limited = any(os.environ.get(f"OTEL_{name}ATTRIBUTE_COUNT_LIMIT") for name in ("SPAN_", ""))
        self.limits = SpanLimits(max_span_attributes=None if limited else _MAX_ATTRIBUTES)
        self.processor = Processors()
        self.provider: TracerProvider = TracerProvider(
            resource=_resource(config),
            active_span_processor=self.processor,
            id_generator=Ids(),
            span_limits=self.limits,
        )
        #: what OpenTelemetry's variables say
        self._sampler = self.provider.sampler
        self.sample(config)
        for processor in processors:
            self.provider.add_span_processor(processor)

    def sample(self, config: Config) -> None:
        from tracekit.sampling import sampler_of

        self.provider.sampler = sampler_of(config.sample_rate) or self._sampler

    def runtime(self, capture: Capture, conventions: Conventions) -> runtime.Runtime:
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        from tracekit.recording import FastTracer

        scope = InstrumentationScope(semconv.SCOPE, _version())
        tracer = FastTracer(self.provider, self.processor, self.limits, scope, capture)
        return runtime.Runtime(tracer, capture, tracer.max_attributes, conventions, fast=tracer)


def init(
    project: str | None = None,
    endpoint: str | None = None,
    api_key: str | None = None,
    *,
    set_global: bool = True,
    tracer_provider: Any = None,
    span_processors: Sequence[SpanProcessor] = (),
    **settings: Unpack[Settings],
) -> Any:
    """Start tracing; returns the OpenTelemetry ``TracerProvider`` in use (None where tracing is switched off).

    endpoint: the collector's address (default http://127.0.0.1:4318); ``/v1/traces`` is added.
    tracer_provider: an SDK provider to join. Default: the global one if the application has set one, else a new one,
        which becomes the global one unless ``set_global`` is False.
    settings: see ``tracekit.config.Config``. What is not given comes from ``TRACEKIT_*``, then from OpenTelemetry's own
        variables (``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_EXPORTER_OTLP_*``, ``OTEL_SDK_DISABLED``,
        ``OTEL_TRACES_SAMPLER``).

    Calling it again is safe: settings are replaced, nothing is added twice. Never raises because of its arguments'
    values or the environment: what is wrong is logged.
    """
    try:
        from tracekit.config import resolve

        config = resolve(project=project, endpoint=endpoint, api_key=api_key, **settings)
        return _begin(config, tracer_provider, span_processors, set_global) if config.enabled else None
    except Exception as error:  # noqa: BLE001
        swallow("init", error)
        return None


def flush(timeout: float = 10.0) -> FlushResult:
    """Send what has ended so far and wait for its acknowledgement, at most ``timeout`` seconds."""
    from tracekit.counts import FlushResult

    _annotations("flush", timeout)
    return _exporter.flush(timeout) if _exporter is not None else FlushResult(0, 0, 0)


def stats() -> Stats:
    """How many spans ended, were acknowledged, wait (in memory and on disk), failed and were dropped."""
    from tracekit.counts import Stats

    found = _exporter.stats(guard.faults()) if _exporter is not None else Stats(faults=guard.faults())
    delivered, waiting, lost = _annotations("counts") or (0, 0, 0)
    return replace(found, annotated=delivered, annotations_pending=waiting, annotations_lost=lost)


def shutdown(timeout: float = 10.0) -> FlushResult:
    """Send what is left, at most ``timeout`` seconds, and stop tracing. ``init`` may be called again."""
    from tracekit.counts import FlushResult

    with _lock:
        runtime.use(runtime.OFF)
        _carry(False, False)
        return _exporter.close(timeout) if _exporter is not None else FlushResult(0, 0, 0)


def config_in_use() -> Config | None:
    """What the last ``init`` was asked for; None before."""
    return _config


def _annotations(what: str, *arguments: Any) -> Any:
    """Ask ``tracekit.annotating``, if anything was ever annotated."""
    module = sys.modules.get("tracekit.annotating")
    return None if module is None else getattr(module, what)(*arguments)


def in_use() -> Any:
    """The ``TracerProvider`` that the last ``init`` returned; None before."""
    return _in_use


def _begin(config: Config, given: Any, processors: Sequence[SpanProcessor], set_global: bool) -> Any:
    global _config
    _config = config
    held = runtime.held()
    if held is not None:
        held[0].capture = Capture(config.capture, config.limits, config.redactor)
        return held[1]
    with _lock:
        provider = _start(config, given, processors, set_global)
    if config.instrument:
        from tracekit.instrument import instrument

        instrument(*config.instrument)
    return provider


def _start(config: Config, given: Any, processors: Sequence[SpanProcessor], set_global: bool) -> Any:
    global _own, _in_use
    capture = Capture(config.capture, config.limits, config.redactor)
    joined = given if given is not None else _global_provider()
    if _own is not None and (joined is None or joined is _own.provider):
        joined = None
        _own.sample(config)
    elif joined is None:
        _own = _OwnProvider(config, processors)
        if set_global:
            trace_api.set_tracer_provider(_own.provider)
    provider = joined if joined is not None else _own.provider  # type: ignore[union-attr]
    _export_from(provider, config)
    if joined is None and _own is not None:
        runtime.use(_own.runtime(capture, CONVENTIONS.get(config.conventions, COMPACT)))
    else:
        limit, conventions = _attribute_limit(provider), CONVENTIONS.get(config.conventions, ALL)
        runtime.use(runtime.Runtime(provider.get_tracer(semconv.SCOPE, _version()), capture, limit, conventions))
    _carry(config.propagate_threads, config.baggage)
    _in_use = provider
    return provider


def _carry(into_threads: bool, in_baggage: bool) -> None:
    """Where the context goes beside asyncio's tasks."""
    from tracekit import threads
    from tracekit.context import share_ids

    threads.install() if into_threads else threads.remove()
    share_ids(in_baggage)


def _export_from(provider: Any, config: Config) -> None:
    """Make the provider's spans go to the collector, once."""
    global _exporter
    from tracekit.export import Exporter
    from tracekit.processor import ExportProcessor

    if not config.export:
        return
    if _exporter is None:
        _exporter = Exporter(config)
        atexit.register(_at_exit)
    else:
        _exporter.reconfigure(config)
    if not any(known is provider for known in _providers):
        _providers.append(provider)
        provider.add_span_processor(ExportProcessor(_exporter, _own is not None and provider is _own.provider))


def _global_provider() -> Any:
    """The SDK provider that the application has set, if there is one and it can be joined."""
    provider = trace_api.get_tracer_provider()
    if isinstance(provider, ProxyTracerProvider):
        return None
    if hasattr(provider, "add_span_processor"):
        return provider
    logger.warning(
        "the global tracer provider (%s) takes no span processors; tracekit uses one of its own",
        type(provider).__name__,
    )
    return None


def _attribute_limit(provider: Any) -> int:
    limits = getattr(provider, "_span_limits", None)
    found = getattr(limits, "max_span_attributes", runtime.SDK_ATTRIBUTE_LIMIT)
    return found if isinstance(found, int) else 1 << 30


def _resource(config: Config) -> Any:
    from opentelemetry.sdk.resources import Resource

    found = Resource.create({semconv.PROJECT_NAME: config.project})
    named = config.service_name or found.attributes.get(semconv.SERVICE_NAME)
    if config.service_name is None and str(named).startswith("unknown_service"):
        named = config.project
    return found.merge(Resource({semconv.SERVICE_NAME: str(named)}))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tracekit-llm")
    except PackageNotFoundError:
        return ""


def _at_exit() -> None:
    from tracekit.streams import end_open

    end_open()
    if _exporter is not None:
        _exporter.close()
