"""What ``tracekit.init`` was asked for: arguments over ``TRACEKIT_*`` over ``OTEL_*`` over defaults.

A bad value never stops the application: it is logged, and the default (for capture: the strictest mode) is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from tracekit.capture import MODES, Limits, Mask
from tracekit.guard import logger

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
DEFAULT_PROJECT: Final = "default"
TRACES_PATH: Final = "/v1/traces"
_LOOPBACK: Final = ("127.", "localhost", "::1", "0.0.0.0")
_FALSE: Final = frozenset(("0", "false", "no", "off"))


@dataclass(frozen=True, slots=True)
class Config:
    """``traces_url`` is the full address that spans are posted to. ``headers`` hold the API key: not for repr."""

    project: str = DEFAULT_PROJECT
    service_name: str | None = None
    traces_url: str = DEFAULT_ENDPOINT + TRACES_PATH
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    capture: str = "full"
    mask: Mask | None = None
    limits: Limits = field(default_factory=Limits)
    enabled: bool = True
    export: bool = True
    gzip: bool = False
    certificate_file: str | None = None
    #: seconds for one request
    timeout: float = 10.0
    #: seconds between exports
    interval: float = 1.0
    max_queue_spans: int = 65_536
    max_queue_bytes: int = 64 * 1024 * 1024


def resolve(
    *,
    project: str | None = None,
    endpoint: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    service_name: str | None = None,
    capture: str | None = None,
    mask: Callable[..., Any] | None = None,
    max_value_chars: int | None = None,
    compression: str | None = None,
    timeout: float | None = None,
    interval: float | None = None,
    max_queue_spans: int | None = None,
    max_queue_bytes: int | None = None,
    enabled: bool | None = None,
    export: bool = True,
) -> Config:
    """The configuration that arguments and environment add up to. Never raises on a bad value."""
    url = _traces_url(endpoint)
    return Config(
        project=_text(project) or _env("TRACEKIT_PROJECT", "OTEL_SERVICE_NAME") or DEFAULT_PROJECT,
        service_name=_text(service_name) or _env("OTEL_SERVICE_NAME"),
        traces_url=url,
        headers=_headers(api_key, headers),
        capture=_capture(capture),
        mask=None if mask is None else Mask(mask),
        limits=Limits(max_chars=int(_number(max_value_chars, "TRACEKIT_MAX_VALUE_CHARS", Limits().max_chars, 256))),
        enabled=_enabled(enabled),
        export=export,
        gzip=_gzip(compression, url),
        certificate_file=_env("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        timeout=_number(timeout, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, 0.1),
        interval=_number(interval, "TRACEKIT_INTERVAL", 1.0, 0.01),
        max_queue_spans=int(_number(max_queue_spans, "TRACEKIT_MAX_QUEUE_SPANS", 65_536, 1)),
        max_queue_bytes=int(_number(max_queue_bytes, "TRACEKIT_MAX_QUEUE_BYTES", 64 * 1024 * 1024, 1024)),
    )


def capture_from_environment() -> str:
    """The capture mode where ``init`` was never called."""
    return _capture(None)


def disabled_by_environment() -> bool:
    return not _enabled(None)


def _env(*names: str) -> str | None:
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return value
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _number(given: float | None, names: str, default: float, least: float) -> float:
    value: Any = given if given is not None else _env(*names.split())
    if value is None:
        return default
    try:
        return max(least, float(value))
    except (TypeError, ValueError):
        logger.warning("%s is not a number; using %s", names if given is None else "an argument of init", default)
        return default


def _enabled(given: bool | None) -> bool:
    if given is not None:
        return bool(given)
    if (_env("OTEL_SDK_DISABLED") or "").lower() == "true":
        return False
    return (_env("TRACEKIT_ENABLED") or "true").lower() not in _FALSE


def _capture(given: str | None) -> str:
    value = given if given is not None else _env("TRACEKIT_CAPTURE")
    if value is None:
        return "full"
    mode = str(value).lower()
    if mode in MODES:
        return mode
    logger.warning("capture must be one of %s; capturing nothing", ", ".join(MODES))
    return "none"


def _gzip(given: str | None, url: str) -> bool:
    """Level 1 pays on a network; to the same machine it only costs."""
    value = given or _env("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
    if value is not None:
        return value.lower() == "gzip"
    host = urlsplit(url).hostname or ""
    return not host.startswith(_LOOPBACK)


def _traces_url(given: str | None) -> str:
    base = _text(given) or _env("TRACEKIT_ENDPOINT")
    if base is None:
        exact = _env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        if exact is not None:
            return _absolute(exact)
        base = _env("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT
    parts = urlsplit(_absolute(base))
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(TRACES_PATH) else path + TRACES_PATH))


def _absolute(url: str) -> str:
    """An http(s) address; ``host:4318`` is taken for http. What cannot be one becomes the default, and is logged."""
    candidate = url if "://" in url else "http://" + url
    try:
        parts = urlsplit(candidate)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return candidate
    except ValueError:
        pass
    logger.warning("the endpoint is not an http(s) address; using %s", DEFAULT_ENDPOINT)
    return DEFAULT_ENDPOINT


def _headers(api_key: str | None, given: Mapping[str, str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in (_env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") or "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[unquote(name).strip().lower()] = unquote(value).strip()
    for name, value in (given or {}).items():
        found[str(name).lower()] = str(value)
    key = _text(api_key) or _env("TRACEKIT_API_KEY")
    if key is not None:
        found["authorization"] = f"Bearer {key}"
    usable = {name: value for name, value in found.items() if _sendable(name) and _sendable(value)}
    if len(usable) < len(found):
        logger.warning("a header or the API key has characters that HTTP cannot carry; it is left out")
    return usable


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()
