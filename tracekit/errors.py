"""Exceptions as attributes of OpenTelemetry's exception event: bounded, and only their type where content is off."""

from __future__ import annotations

import traceback
from typing import Any, Final

from tracekit import semconv
from tracekit.capture import Capture

_MAX_MESSAGE: Final = 4_000
_MAX_STACKTRACE: Final = 16_000
#: innermost frames that are kept of each exception of a chain
_MAX_FRAMES: Final = -64


def is_failure(error: BaseException) -> bool:
    """Whether the exception means that the work failed: not a consumer that stopped, nor a clean exit."""
    if isinstance(error, (GeneratorExit, StopIteration, StopAsyncIteration)):
        return False
    return not (isinstance(error, SystemExit) and error.code in (None, 0))


def type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_attributes(error: BaseException, capture: Capture) -> dict[str, Any]:
    attributes: dict[str, Any] = {semconv.EXCEPTION_TYPE: type_name(error)}
    if capture.content:
        attributes[semconv.EXCEPTION_MESSAGE] = capture.text(_message(error), _MAX_MESSAGE)
        attributes[semconv.EXCEPTION_STACKTRACE] = _tail(capture.text(_stacktrace(error)))
    return attributes


def _message(error: BaseException) -> str:
    if type(error).__name__ == "CancelledError" and not error.args:
        return "cancelled"
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a foreign __str__
        return ""


def _stacktrace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=_MAX_FRAMES))
    except Exception:  # noqa: BLE001 - a foreign __str__ or __repr__
        return type_name(error)


def _tail(text: str) -> str:
    """The end says what went wrong."""
    return text if len(text) <= _MAX_STACKTRACE else "…" + text[-_MAX_STACKTRACE:]
