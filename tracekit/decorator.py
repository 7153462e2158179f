"""``trace``: the decorator, its kinds, and ``trace.span``.

The wrapper is chosen once, when the function is decorated, and stays what the function was: a coroutine function, a
generator function or an asynchronous generator function to whoever inspects it.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, overload

from opentelemetry.context import attach

from tracekit import record, semconv
from tracekit.capture import MODES, Capture
from tracekit.guard import logger, swallow
from tracekit.runtime import Runtime, active
from tracekit.span import Span, SpanScope, kind_attributes, start
from tracekit.stepping import Opened, leave, stepped, stepped_async
from tracekit.streams import StreamObserver, streamed

F = TypeVar("F", bound=Callable[..., Any])

#: Stands for the value of a parameter whose name says that it is a secret.
REDACTED: Final = "[redacted]"
_SECRET: Final = re.compile(
    r"(^|_)(api_?keys?|secrets?|passwords?|passwd|(access|auth|bearer|refresh|id)_?tokens?|credentials?|authorization)($|_)",
    re.IGNORECASE,
)


class Parameters:
    """A function's parameter names, so that a call's arguments are named without ``inspect`` on every call.

    ``self`` and ``cls`` of methods are left out, defaults filled in (except None), secrets redacted by name.
    """

    __slots__ = ("_defaults", "_names", "_rest", "_secrets", "_skip")

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        self._skip = int(bool(parameters) and parameters[0].name in ("self", "cls") and "." in _qualname(function))
        kept = parameters[self._skip :]
        self._names = [one.name for one in kept if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        self._rest = next((one.name for one in kept if one.kind is one.VAR_POSITIONAL), "args")
        self._defaults = {
            one.name: one.default for one in kept if one.default is not one.empty and one.default is not None
        }
        self._secrets = frozenset(one.name for one in kept if _SECRET.search(one.name))

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._skip:
            args = args[1:]
        names = self._names
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            given[self._rest] = list(args[len(names) :])
        if kwargs:
            given.update(kwargs)
        for name, value in self._defaults.items():
            if name not in given:
                given[name] = value
        for name in given:
            if name in self._secrets or (name not in names and _SECRET.search(name)):
                given[name] = REDACTED
        return given


class Traced:
    """How one decorated function is traced: everything that does not change from call to call."""

    __slots__ = ("capture", "input", "kind", "model", "name", "output", "parameters", "provider", "settled", "static")

    def __init__(self, function: Callable[..., Any], kind: str | None, options: Mapping[str, Any]) -> None:
        self.name: str = options["name"] or _qualname(function)
        self.settled = kind is not None
        self.kind = kind or "chain"
        self.parameters = Parameters(function)
        self.capture: str | None = options["capture"]
        self.input: bool = options["capture_input"]
        self.output: bool = options["capture_output"]
        self.model: str | None = options["model"]
        self.provider: str | None = options["provider"]
        self.static = {
            **kind_attributes(self.kind),
            **_named(self.kind, options["name"] or self.name.rpartition(".")[2], function),
            **{str(key): Capture().attribute(value) for key, value in (options["attributes"] or {}).items()},
        }

    def begin(self, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
        """A started span with its input on it; None where that failed."""
        try:
            capture = runtime.capture if self.capture is None else runtime.capture.narrowed(self.capture)
            span = start(runtime, self.name, self.kind, self.static, capture, self.settled)
        except Exception as error:  # noqa: BLE001
            swallow("start", error)
            return None
        if span.is_recording():
            try:
                given = self.parameters.named(args, kwargs) if self.input else {}
                if self.provider is not None or (self.model is not None and not isinstance(given.get("model"), str)):
                    record.set_model(span, self.model, self.provider)
                if self.input:
                    record.arguments(span, given)
            except Exception as error:  # noqa: BLE001
                swallow("input", error)
        return span

    def conclude(self, span: Span, result: Any) -> Any:
        """End the span with its result; a stream is handed back in a wrapper that ends it later."""
        try:
            stream = streamed(span, result, self.output)
            if stream is not None:
                return stream
            if self.output:
                span.returned(result)
        except Exception as error:  # noqa: BLE001
            swallow("output", error)
        span.end()
        return result


def _wrapper(function: Callable[..., Any], traced: Traced) -> Callable[..., Any]:
    def open_(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Opened | None:
        runtime = active()
        span = None if runtime is None else traced.begin(runtime, args, kwargs)
        if span is None:
            return None
        try:
            return Opened(function(*args, **kwargs), span.context, StreamObserver(span, traced.output))
        except BaseException as error:
            span.end(error)
            raise

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        runtime = active()
        span = None if runtime is None else traced.begin(runtime, args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        token = attach(span.context)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            leave(token)
            span.end(error)
            raise
        leave(token)
        return traced.conclude(span, result)

    def call(*args: Any, **kwargs: Any) -> Any:
        runtime = active()
        span = None if runtime is None else traced.begin(runtime, args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        token = attach(span.context)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            leave(token)
            span.end(error)
            raise
        leave(token)
        return traced.conclude(span, result)

    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.isasyncgenfunction(called):
        return stepped_async(function, open_)
    if inspect.isgeneratorfunction(called):
        return stepped(function, open_)
    return call_async if inspect.iscoroutinefunction(called) else call


class Kind:
    """``@trace.llm`` and its kin: a decorator, bare or with arguments."""

    __slots__ = ("_kind",)

    def __init__(self, kind: str | None) -> None:
        self._kind = kind

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(
        self,
        function: str | None = None,
        /,
        *,
        name: str | None = ...,
        kind: str | None = ...,
        capture: str | None = ...,
        capture_input: bool = ...,
        capture_output: bool = ...,
        attributes: Mapping[str, Any] | None = ...,
        model: str | None = ...,
        provider: str | None = ...,
    ) -> Callable[[F], F]: ...

    def __call__(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        kind: str | None = None,
        capture: str | None = None,
        capture_input: bool = True,
        capture_output: bool = True,
        attributes: Mapping[str, Any] | None = None,
        model: str | None = None,
        provider: str | None = None,
    ) -> Any:
        """Trace a function.

        ``name``: the span's (default: the function's). ``kind``: see ``tracekit.semconv.OPENINFERENCE_KINDS``.
        ``capture``: "none", "metadata" or "full"; the stricter of this and ``init``'s holds. ``capture_input`` and
        ``capture_output`` switch one side off. ``model`` and ``provider``: where the call does not name them itself.
        Arguments whose names say that they are secrets (``api_key``, ``password``, ...) are redacted.
        """
        if isinstance(function, str):
            function, name = None, function
        options = {
            "name": name,
            "capture": _known(capture, MODES, "capture", "none"),
            "capture_input": capture_input,
            "capture_output": capture_output,
            "attributes": attributes,
            "model": model,
            "provider": provider,
        }
        chosen = _known(kind, semconv.OPENINFERENCE_KINDS, "kind", "task") or self._kind
        if function is None:
            return lambda found: _decorate(found, chosen, options)
        return _decorate(function, chosen, options)


class Trace(Kind):
    """``@trace``, ``@trace(...)``, ``@trace.llm``, ``with trace.span(...)``."""

    __slots__ = ("agent", "chain", "embedding", "evaluator", "guardrail", "llm", "reranker", "retriever", "tool")

    def __init__(self) -> None:
        super().__init__(None)
        self.llm = Kind("llm")
        self.embedding = Kind("embedding")
        self.retriever = Kind("retriever")
        self.reranker = Kind("reranker")
        self.tool = Kind("tool")
        self.agent = Kind("agent")
        self.chain = Kind("chain")
        self.guardrail = Kind("guardrail")
        self.evaluator = Kind("evaluator")

    def span(
        self,
        name: str,
        *,
        kind: str = "chain",
        attributes: Mapping[str, Any] | None = None,
        capture: str | None = None,
    ) -> SpanScope:
        """A span around a block: ``with trace.span("rerank", kind="reranker") as span:`` (``async with`` too)."""
        known = _known(kind, semconv.OPENINFERENCE_KINDS, "kind", "task") or "task"
        return SpanScope(str(name), known, attributes, _known(capture, MODES, "capture", "none"))


def _known(value: str | None, known: Any, what: str, otherwise: str) -> str | None:
    if value is None or value in known:
        return value
    logger.warning("%s must be one of %s; using %s", what, ", ".join(known), otherwise)
    return otherwise


def _decorate(function: Any, kind: str | None, options: Mapping[str, Any]) -> Any:
    for wrapped in (staticmethod, classmethod):
        if isinstance(function, wrapped):
            return wrapped(_decorate(function.__func__, kind, options))
    if not callable(function) or isinstance(function, type):
        logger.warning("trace decorates functions, not %s: left as it is", type(function).__name__)
        return function
    try:
        wrapper = _wrapper(function, Traced(function, kind, options))
        return functools.wraps(function)(wrapper)
    except Exception as error:  # noqa: BLE001
        swallow("decorate", error)
        return function


def _qualname(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _named(kind: str, name: str, function: Any) -> dict[str, Any]:
    """What a tool or an agent is called, in both conventions."""
    if kind == "agent":
        return {semconv.AGENT_NAME: name, semconv.GEN_AI_AGENT_NAME: name}
    if kind != "tool":
        return {}
    found = {semconv.TOOL_NAME: name, semconv.GEN_AI_TOOL_NAME: name, semconv.GEN_AI_TOOL_TYPE: "function"}
    about = inspect.getdoc(function) if inspect.isroutine(function) else None
    if about:
        summary = about.partition("\n\n")[0][:1000]
        found[semconv.TOOL_DESCRIPTION] = found[semconv.GEN_AI_TOOL_DESCRIPTION] = summary
    return found


trace: Final = Trace()
