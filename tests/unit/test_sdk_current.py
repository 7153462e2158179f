"""OpenTelemetry's current context is the one that tracekit reads and sets, however it is kept."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace

from opentelemetry import context as context_api
from opentelemetry.context import Context

from tracekit import current
from tracekit.stepping import leave


def test_it_is_opentelemetrys_own() -> None:
    before = context_api.get_current()
    token = current.attach(Context({"a": 1}))
    assert context_api.get_current() is current.get_current()
    assert context_api.get_value("a") == 1
    leave(token)
    assert context_api.get_current() is before
    theirs = context_api.attach(Context({"a": 2}))
    assert current.get_current()["a"] == 2
    context_api.detach(theirs)
    assert current.get_current() is before


def test_another_kind_of_context_is_asked_through_the_api() -> None:
    other = SimpleNamespace(_current_context=ContextVar("another's"))
    api = SimpleNamespace(_RUNTIME_CONTEXT=other, get_current=object(), attach=object())
    assert current.functions(api) == (api.get_current, api.attach)
    del api._RUNTIME_CONTEXT
    assert current.functions(api) == (api.get_current, api.attach)
