"""Errors as RFC 9457 documents, whatever went wrong beneath ``/api/v1``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response

from collector.api.params import Faulty
from collector.api.values import encode
from collector.storage.api import StorageError

log = structlog.get_logger("collector.api")

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(eq=False)
class Problem(Exception):
    """An answer that is an error. ``errors`` say what was wrong: ``{"parameter" | "pointer": ..., "detail": ...}``."""

    status: int
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] | None = None

    def response(self) -> Response:
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return Response(encode(document), self.status, self.headers, MEDIA_TYPE)


def bad_parameters(faults: Mapping[str, str]) -> Problem:
    """400 for query parameters: name to what is wrong with it."""
    errors = [{"parameter": name, "detail": detail} for name, detail in faults.items()]
    detail = "; ".join(f"{name}: {detail}" for name, detail in faults.items())
    return Problem(400, detail, errors)


def _as_problem(_request: Request, fault: Exception) -> Response:
    if isinstance(fault, Problem):
        return fault.response()
    if isinstance(fault, Faulty):
        return bad_parameters(fault.faults).response()
    if isinstance(fault, HTTPException):
        return _of_http(fault).response()
    if isinstance(fault, StorageError):
        log.warning("the database could not be read", error=str(fault))
        return Problem(503, "the database cannot be read now; try again", headers={"Retry-After": "1"}).response()
    log.error("a request failed", exc_info=fault)
    return Problem(500, "an error inside the collector; its log says more").response()


def _of_http(fault: HTTPException) -> Problem:
    details = {404: "there is nothing at this address", 405: "this address does not answer that method"}
    return Problem(fault.status_code, details.get(fault.status_code, str(fault.detail)), headers=fault.headers)


def problems() -> Middleware:
    """The layer that turns exceptions of the handlers beneath it into answers."""
    kinds = (Problem, Faulty, HTTPException, StorageError, Exception)
    return Middleware(ExceptionMiddleware, handlers=dict.fromkeys(kinds, _as_problem))
