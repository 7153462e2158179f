"""Running a generator's own code, and only that, within an OpenTelemetry context.

The context is attached for each step and detached before the value is handed out, so the consumer's spans never
become children of the generator's, and a generator may be finished in another thread or task than it began in. What
the generator itself has entered by then (``with trace.span(...): yield``) is put back for its next step.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Token
from typing import Any, NamedTuple, Protocol

from opentelemetry.context import Context, detach

from tracekit.current import attach, get_current


class Observer(Protocol):
    """Sees what a stream brings. Its methods do not raise; ``end`` is called once."""

    def value(self, value: Any) -> None: ...

    def end(self, error: BaseException | None, complete: bool) -> None: ...


class Opened(NamedTuple):
    """A generator, the context its code runs in, and who watches it."""

    generator: Any
    context: Context
    observer: Observer | None


Open = Callable[[tuple[Any, ...], dict[str, Any]], Opened | None]


def leave(token: Token[Context], context: Context | None = None) -> None:
    """Undo ``attach``. Where this code goes on elsewhere than it began (another thread's step of a generator), and
    ``context``, which was attached, is current there, its predecessor becomes current. Otherwise (a collected
    coroutine) there is nothing to undo."""
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        if context is not None and get_current() is context:
            attach(token.old_value if isinstance(token.old_value, Context) else Context())
    except AttributeError:  # a runtime context that is not made of contextvars
        detach(token)


def stepped(function: Callable[..., Any], open_: Open) -> Callable[..., Generator[Any, Any, Any]]:
    """A generator function that steps through what ``open_`` gives; where that is None, through ``function``'s own.

    ``open_`` is called with the first step, in the context in which the generator was made.
    """

    @functools.wraps(function)
    def run(caller: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Any, Any, Any]:
        opened = _opened(open_, caller, args, kwargs)
        if opened is None:
            return (yield from function(*args, **kwargs))
        return (yield from _steps(*opened))

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return run(get_current(), args, kwargs)

    return _marked(wrapper, inspect.CO_GENERATOR)


def stepped_async(function: Callable[..., Any], open_: Open) -> Callable[..., AsyncGenerator[Any, Any]]:
    """As ``stepped``, for asynchronous generators."""

    @functools.wraps(function)
    async def run(caller: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, Any]:
        opened = _opened(open_, caller, args, kwargs)
        generator, context, observer = opened or (function(*args, **kwargs), None, None)
        action: Callable[[Any], Any] = _begin
        argument: Any = generator
        while True:
            token = None if context is None else attach(context)
            try:
                value = await action(argument)
                if token is not None:
                    context = get_current()
            except StopAsyncIteration:
                _end(observer, None, True)
                return
            except BaseException as error:
                _end(observer, error, False)
                raise
            finally:
                if token is not None:
                    leave(token)
            if observer is not None:
                observer.value(value)
            try:
                argument = yield value
                action = generator.asend
            except GeneratorExit:
                action, argument = _aclose, generator
            except BaseException as error:  # noqa: BLE001 - thrown in by the consumer, for the generator
                action, argument = generator.athrow, error

    def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        return run(get_current(), args, kwargs)

    return _marked(wrapper, inspect.CO_ASYNC_GENERATOR)


def _marked(wrapper: Callable[..., Any], flag: int) -> Callable[..., Any]:
    """The plain function as one that is a generator function to ``inspect`` (so to pytest, FastAPI, ...): it returns a
    generator as one does, and knows in addition where it was called. ``types.coroutine`` marks in a similar way."""
    code = wrapper.__code__.replace(co_flags=wrapper.__code__.co_flags | flag)
    return types.FunctionType(code, wrapper.__globals__, wrapper.__name__, None, wrapper.__closure__)


def _opened(open_: Open, caller: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Opened | None:
    token = attach(caller)
    try:
        return open_(args, kwargs)
    finally:
        leave(token)


def _steps(
    generator: Generator[Any, Any, Any], context: Context, observer: Observer | None
) -> Generator[Any, Any, Any]:
    action: Callable[[Any], Any] = generator.send
    argument: Any = None
    while True:
        token = attach(context)
        try:
            value = action(argument)
            context = get_current()
        except StopIteration as stop:
            _end(observer, None, True)
            return stop.value
        except BaseException as error:
            _end(observer, error, False)
            raise
        finally:
            leave(token)
        if observer is not None:
            observer.value(value)
        try:
            argument = yield value
            action = generator.send
        except GeneratorExit:
            action, argument = _close, generator
        except BaseException as error:  # noqa: BLE001 - thrown in by the consumer, for the generator
            action, argument = generator.throw, error


def _close(generator: Generator[Any, Any, Any]) -> None:
    generator.close()
    raise GeneratorExit


def _begin(generator: AsyncGenerator[Any, Any]) -> Any:
    """The first step, of which the event loop is not told: it would close this generator itself when it shuts down,
    out of its context and while the wrapper, which it knows too, does the same."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None if hooks.finalizer is None else _not_closed)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _not_closed(generator: AsyncGenerator[Any, Any]) -> None:
    """Whoever closes the wrapper closes this one with it."""


async def _aclose(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
    raise GeneratorExit


def _end(observer: Observer | None, error: BaseException | None, complete: bool) -> None:
    if observer is not None:
        observer.end(error, complete)
