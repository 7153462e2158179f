"""How LangSmith's protocol says that something is wrong: a status and ``{"detail": ...}``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from collector.api.problems import Problem
from collector.receivers.refusal import of_storage
from collector.storage.api import StorageError

log = structlog.get_logger("collector.receivers.langsmith")


@dataclass(eq=False)
class Fault(Exception):
    status: int
    detail: str


def json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), status, headers, "application/json")


def answered(_request: Request, error: Exception) -> Response:
    """Whatever a handler raised, as an answer. Never a traceback."""
    if isinstance(error, (Fault, Problem)):
        headers = error.headers if isinstance(error, Problem) else None
        return json({"detail": error.detail}, error.status, headers)
    if isinstance(error, HTTPException):
        details = {404: "Not Found", 405: "this address does not answer that method"}
        detail = details.get(error.status_code, str(error.detail))
        return json({"detail": detail}, error.status_code, error.headers)
    if isinstance(error, StorageError):
        refusal = of_storage(error)
        retry = refusal.retry_after_header
        return json({"detail": refusal.message}, refusal.status, {"Retry-After": retry} if retry else None)
    log.error("a request failed", exc_info=error)
    return json({"detail": "the collector failed; its log says why"}, 500)
