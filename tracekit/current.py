"""OpenTelemetry's current context, without the calls that its API puts before the context variable which holds it.

Two calls less each time a span starts, is made current and ends. Where the context is not in a context variable
(``OTEL_PYTHON_CONTEXT`` names another kind), it is the API's own functions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

Get = Callable[[], Context]
Attach = Callable[[Context], Token[Context]]


def functions(api: Any) -> tuple[Get, Attach]:
    """``get_current`` and ``attach`` of OpenTelemetry's context module; the context variable's own if there is one."""
    held = getattr(api, "_RUNTIME_CONTEXT", None)
    variable = getattr(held, "_current_context", None)
    if type(held) is ContextVarsRuntimeContext and type(variable) is ContextVar:
        return variable.get, variable.set
    return api.get_current, api.attach


_functions: Final = functions(context_api)
#: as ``opentelemetry.context.get_current``
get_current: Final[Get] = _functions[0]
#: as ``opentelemetry.context.attach``; undone by ``tracekit.stepping.leave``
attach: Final[Attach] = _functions[1]
