"""What the collector says about itself: structured logs on stderr, which never hold a secret."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

_SECRET_NAMES: Final = re.compile(r"authorization|cookie|api_?keys?|password|passwd|secret|token|dsn|headers?", re.I)
_URL_PASSWORD: Final = re.compile(r"(://[^:/@\s]*):[^@\s]+@")
_BEARER: Final = re.compile(r"(bearer\s+)\S+", re.I)
HIDDEN: Final = "***"
#: Libraries that would say too much: uvicorn warns of every malformed request that anybody sends.
_QUIET: Final = {"uvicorn.error": logging.ERROR, "asyncio": logging.WARNING, "alembic": logging.WARNING}


def without_secrets(text: str) -> str:
    """Passwords in URLs and bearer keys replaced."""
    return _BEARER.sub(rf"\1{HIDDEN}", _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text))


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides values by their names, and what looks like a secret inside texts."""
    for name, value in event.items():
        if _SECRET_NAMES.fullmatch(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def configure_logging(level: str, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Logs of structlog and of the standard library to ``stream`` (stderr): for people on a terminal, else JSON."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = _for_people(environ) if stream.isatty() else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Tracebacks become text before secrets are looked for.
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(root.level, least))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _for_people(environ: Mapping[str, str]) -> Any:
    return structlog.dev.ConsoleRenderer(
        colors=not environ.get("NO_COLOR"), exception_formatter=structlog.dev.plain_traceback
    )
