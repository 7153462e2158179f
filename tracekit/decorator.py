"""``trace``: the decorator, its kinds, and ``trace.span``.

The wrapper is chosen once, when the function is decorated, and stays what the function was: a coroutine function, a
generator function or an asynchronous generator function to whoever inspects it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, overload

from tracekit import record, semconv
from tracekit.capture import MODES, Capture
from tracekit.conventions import Conventions
from tracekit.current import attach
from tracekit.guard import logger, swallow
from tracekit.proxies import streamed
from tracekit.reading import is_a
from tracekit.redaction import MASKED
from tracekit.redaction_keys import is_harmless
from tracekit.runtime import Runtime, active
from tracekit.shared import Shared
from tracekit.span import Span, SpanScope, kind_attributes, start
from tracekit.stepping import Opened, leave, stepped, stepped_async
from tracekit.streams import StreamObserver

F = TypeVar("F", bound=Callable[..., Any])

#: types whose values are no streams
_PLAIN: Final = frozenset((str, dict, list, tuple, int, float, bool, type(None)))


class Parameters:
    """A function's parameter names, so that a call's arguments are named without ``inspect`` on every call.

    ``self`` and ``cls`` of methods are left out, defaults filled in (except None), secrets masked by name.
    """

    __slots__ = ("_complete", "_defaults", "_hides", "_known", "_names", "_rest", "_secrets", "_skip")

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
        self._known = frozenset(one.name for one in kept)
        #: so many positional arguments are all there are
        self._complete = len(self._names) if self._defaults.keys() <= set(self._names) else -1
        self._hides: Mapping[str, bool] | None = None
        self._secrets: frozenset[str] = frozenset()

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any], hides: Mapping[str, bool]) -> dict[str, Any]:
        """A call's arguments; ``hides`` says of each name whether its value is masked."""
        if self._skip:
            args = args[1:]
        names = self._names
        given = dict(zip(names, args)) if args else {}  # noqa: B905 - strict takes as long as the rest
        if kwargs or len(args) != self._complete:
            if len(args) > len(names):
                given[self._rest] = list(args[len(names) :])
            if kwargs:
                given.update(kwargs)
            if len(given) < len(self._known):
                for name, value in self._defaults.items():
                    if name not in given:
                        given[name] = value
        if self._hides is not hides:
            self._secrets = frozenset(name for name in self._known if hides[name])
            self._hides = hides
        if self._secrets or (kwargs and not kwargs.keys() <= self._known):
            for name, value in given.items():
                if hides[name] and not is_harmless(name, value):
                    given[name] = MASKED
        return given


class Traced:
    """How one decorated function is traced: everything that does not change from call to call."""

    __slots__ = (
        "_about",
        "_static",
        "capture",
        "input",
        "kind",
        "model",
        "name",
        "output",
        "parameters",
        "provider",
        "settled",
    )

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
        named = options["name"] or self.name.rpartition(".")[2]
        about = _summary(function) if self.kind == "tool" else None
        given = {str(key): Capture().attribute(value) for key, value in (options["attributes"] or {}).items()}
        self._about = (named, about, given)
        self._static: tuple[Conventions | None, Capture | None, Shared] = (None, None, Shared())

    def static(self, conventions: Conventions, capture: Capture) -> Shared:
        """The attributes that are known before any call. Remembered for the next."""
        named, about, given = self._about
        given = {key: capture.attribute(value, key) for key, value in given.items()}
        about = about if capture.content else None
        found = Shared({**kind_attributes(self.kind), **_named(self.kind, named, about, conventions), **given})
        self._static = (conventions, capture, found)
        return found

    def begin(self, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
        """A started span with its input on it; None where that failed."""
        try:
            capture = runtime.capture if self.capture is None else runtime.capture.narrowed(self.capture)
            conventions, captured, static = self._static
            if conventions is not runtime.conventions or captured is not capture:
                static = self.static(runtime.conventions, capture)
            span = start(runtime, self.name, self.kind, static, capture, self.settled)
        except Exception as error:  # noqa: BLE001
            swallow("start", error)
            return None
        if span.recording:
            try:
                given = self.parameters.named(args, kwargs, capture.redactor.hides) if self.input else {}
                if self.provider is not None or (self.model is not None and not is_a(given.get("model"), str)):
                    record.set_model(span, self.model, self.provider)
                if given:
                    record.arguments(span, given)
            except Exception as error:  # noqa: BLE001
                swallow("input", error)
        return span

    def conclude(self, span: Span, result: Any) -> Any:
        """End the span with its result; a stream is handed back in a wrapper that ends it later."""
        try:
            if type(result) not in _PLAIN:
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
        Arguments whose names say that they are secrets (``api_key``, ``password``, ...) are masked.
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


def _summary(function: Any) -> str | None:
    """The first paragraph of a function's docstring."""
    about = inspect.getdoc(function) if inspect.isroutine(function) else None
    return about.partition("\n\n")[0][:1000] if about else None


def _named(kind: str, name: str, about: str | None, conventions: Conventions) -> dict[str, Any]:
    """What a tool or an agent is called."""
    found: dict[str, Any] = {}
    if kind == "agent":
        found = {semconv.GEN_AI_AGENT_NAME: name} if conventions.genai else {}
        return found | ({semconv.AGENT_NAME: name} if conventions.openinference else {})
    if kind != "tool":
        return found
    if conventions.genai:
        found = {semconv.GEN_AI_TOOL_NAME: name, semconv.GEN_AI_TOOL_TYPE: "function"}
        found |= {semconv.GEN_AI_TOOL_DESCRIPTION: about} if about else {}
    if conventions.openinference:
        found |= {semconv.TOOL_NAME: name} | ({semconv.TOOL_DESCRIPTION: about} if about else {})
    return found


trace: Final = Trace()
