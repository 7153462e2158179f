"""What ``tracekit.init`` was asked for: arguments over ``TRACEKIT_*`` over ``OTEL_*`` over defaults.

A bad value never stops the application: it is logged, and the default (for capture: the strictest mode) is used.
A new setting is a field of ``Config`` and, for its type as an argument of ``init``, a line of ``Settings``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict
from urllib.parse import unquote, urlsplit, urlunsplit

from tracekit import masking
from tracekit.capture import MODES, Limits
from tracekit.conventions import CONVENTIONS
from tracekit.guard import logger
from tracekit.redaction import Redactor
from tracekit.settings import env, flag, names, number, one_of, portion, read, setting, text, whole

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
DEFAULT_PROJECT: Final = "default"
TRACES_PATH: Final = "/v1/traces"
#: one of these is set where a process may be frozen between requests: AWS Lambda, Cloud Run and Google's functions,
#: Azure Functions, Vercel
_FREEZING: Final = ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "FUNCTION_TARGET", "FUNCTIONS_WORKER_RUNTIME", "VERCEL")


class Settings(TypedDict, total=False):
    """The settings that ``init`` takes as keyword arguments; ``Config`` says what each means."""

    service_name: str | None
    headers: Mapping[str, str] | None
    capture: str | None
    mask: Callable[[str], str] | None
    sample_rate: float | None
    mask_keys: Sequence[str] | bool | None
    mask_patterns: Sequence[str] | bool | None
    max_value_chars: int | None
    compression: str | None
    timeout: float | None
    interval: float | None
    max_queue_spans: int | None
    max_queue_bytes: int | None
    spool_bytes: int | None
    spool_dir: str | os.PathLike[str] | None
    exit_timeout: float | None
    flush_at_root: bool | None
    enabled: bool | None
    export: bool
    conventions: str | None
    propagate_threads: bool | None
    baggage: bool | None
    instrument: str | Sequence[str] | None


def _capture_mode(value: Any) -> str:
    mode = str(value).strip().lower()
    if mode in MODES:
        return mode
    logger.warning("capture must be one of %s; capturing nothing", ", ".join(MODES))
    return "none"


@dataclass(frozen=True, slots=True)
class Config:
    """``traces_url`` is the full address that spans are posted to. ``headers`` hold the API key: not for repr."""

    traces_url: str = DEFAULT_ENDPOINT + TRACES_PATH
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_file: str | None = setting(
        None, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", parse=text
    )
    enabled: bool = True
    project: str = setting(DEFAULT_PROJECT, "TRACEKIT_PROJECT", "OTEL_SERVICE_NAME", parse=text)
    service_name: str | None = setting(None, "OTEL_SERVICE_NAME", parse=text)
    #: "full", "metadata" (models, counts, ids, scores; no texts) or "none" (names, times, errors only)
    capture: str = setting("full", "TRACEKIT_CAPTURE", parse=_capture_mode)
    #: is given every captured text and returns what may be kept; where it fails, "[masked]" is kept
    mask: Callable[[str], Any] | None = setting(None, parse=masking.function)  # noqa: RUF009 - a dataclass field
    #: names of secrets besides the usual ones; False masks nothing by name. Where it is given, names are looked for in
    #: texts too
    mask_keys: tuple[str, ...] | None = setting(None, "TRACEKIT_MASK_KEYS", parse=masking.keys)
    #: the share of traces that are sent, from 0 to 1; those with an error are sent in any case
    sample_rate: float | None = setting(None, "TRACEKIT_SAMPLE_RATE", parse=portion)
    #: "email", "phone", "card", "secret"; True for all of them
    mask_patterns: tuple[str, ...] = setting((), "TRACEKIT_MASK_PATTERNS", parse=masking.patterns)
    #: in whose words spans are written: "compact" (everything once, in GenAI's words where it has them),
    #: "openinference", "all" (both), or "auto": compact, and all where the application's own provider is joined
    conventions: str = setting("auto", "TRACEKIT_CONVENTIONS", parse=one_of("auto", *CONVENTIONS))
    #: what one captured value may hold
    max_value_chars: int = setting(Limits().max_chars, "TRACEKIT_MAX_VALUE_CHARS", parse=whole(256))
    #: False sends nothing; spans then go to ``span_processors`` only
    export: bool = setting(True, parse=flag)
    #: "auto", "none", "gzip" or "zstd"; auto: zstd to a tracekit collector, else none to this machine, gzip elsewhere
    compression: str = setting(
        "auto",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        parse=one_of("auto", "none", "gzip", "zstd"),
    )
    #: seconds for one request
    timeout: float = setting(10.0, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", parse=number(0.1))
    #: seconds between exports
    interval: float = setting(1.0, "TRACEKIT_INTERVAL", parse=number(0.01))
    #: what waits in memory at most
    max_queue_spans: int = setting(65_536, "TRACEKIT_MAX_QUEUE_SPANS", parse=whole(1))
    max_queue_bytes: int = setting(128 * 1024 * 1024, "TRACEKIT_MAX_QUEUE_BYTES", parse=whole(1024))
    #: what waits on disk at most, for one address and project; 0 keeps nothing there
    spool_bytes: int = setting(256 * 1024 * 1024, "TRACEKIT_SPOOL_BYTES", parse=whole(0))
    #: where; default: the user's folder for state
    spool_dir: str | None = setting(None, "TRACEKIT_SPOOL_DIR", parse=text)
    #: seconds that the end of the process waits at most for what is still to be sent
    exit_timeout: float = setting(3.0, "TRACEKIT_EXIT_TIMEOUT", parse=number(0.0))
    #: whether the end of a local root waits, at most exit_timeout, until its trace's spans are sent or on disk;
    #: default: where the process is a cloud's function, which may be frozen as soon as it has answered
    flush_at_root: bool = setting(False, "TRACEKIT_FLUSH_AT_ROOT", parse=flag)

    #: whether the current span and ``tracekit.context`` go along into threads and thread pools
    propagate_threads: bool = setting(True, "TRACEKIT_PROPAGATE_THREADS", parse=flag)
    #: whether user and session ids are sent and accepted as W3C baggage
    baggage: bool = setting(False, "TRACEKIT_BAGGAGE", parse=flag)
    #: libraries whose installed instrumentation is switched on, or "auto": see ``tracekit.instrument``
    instrument: tuple[str, ...] = setting((), "TRACEKIT_INSTRUMENT", parse=names)

    @property
    def redactor(self) -> Redactor:
        return masking.redactor(self.mask, self.mask_keys, self.mask_patterns, self.headers)

    @property
    def limits(self) -> Limits:
        return Limits(max_chars=self.max_value_chars)


def resolve(*, endpoint: str | None = None, api_key: str | None = None, **settings: Any) -> Config:
    """The configuration that arguments (those of ``Settings``, and ``project``) and environment add up to. Never raises
    on a bad value."""
    headers = settings.pop("headers", None)
    enabled = settings.pop("enabled", None)
    for name in settings.keys() - set(Config.__dataclass_fields__):
        logger.warning("init has no argument %s", name)
    found = {"flush_at_root": env(*_FREEZING) is not None} | read(Config, settings)
    return Config(
        traces_url=_traces_url(endpoint), headers=_headers(api_key, headers), enabled=_enabled(enabled), **found
    )


def capture_from_environment() -> str:
    """The capture mode where ``init`` was never called."""
    value = env("TRACEKIT_CAPTURE")
    return "full" if value is None else _capture_mode(value)


def disabled_by_environment() -> bool:
    return not _enabled(None)


def _enabled(given: bool | None) -> bool:
    if given is not None:
        return bool(given)
    if (env("OTEL_SDK_DISABLED") or "").lower() == "true":
        return False
    return (env("TRACEKIT_ENABLED") or "true").lower() not in ("0", "false", "no", "off")


def _traces_url(given: str | None) -> str:
    base = text(given) or env("TRACEKIT_ENDPOINT")
    if base is None:
        exact = env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        if exact is not None:
            return _absolute(exact)
        base = env("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT
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
    for pair in (env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") or "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[unquote(name).strip().lower()] = unquote(value).strip()
    for name, value in (given or {}).items():
        found[str(name).lower()] = str(value)
    key = text(api_key) or env("TRACEKIT_API_KEY")
    if key is not None:
        found["authorization"] = f"Bearer {key}"
    usable = {name: value for name, value in found.items() if _sendable(name) and _sendable(value)}
    if len(usable) < len(found):
        logger.warning("a header or the API key has characters that HTTP cannot carry; it is left out")
    return usable


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()
