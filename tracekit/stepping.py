"""Running a generator's own code, and only that, within an OpenTelemetry context.

The context is attached for each step and detached before the value is handed out, so the consumer's spans never
become children of the generator's, and a generator may be finished in another thread or task than it began in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Token
from typing import Any, NamedTuple, Protocol

from opentelemetry.context import Context, attach, detach, get_current


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


def leave(token: Token[Context]) -> None:
    """Undo ``attach``. Where this code was closed from elsewhere (a collected coroutine) there is nothing to undo."""
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        pass
    except AttributeError:  # a runtime context that is not made of contextvars
        detach(token)


def stepped(function: Callable[..., Any], open_: Open) -> Callable[..., Generator[Any, Any, Any]]:
    """A generator function that steps through what ``open_`` gives; where that is None, through ``function``'s own."""

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = open_(args, kwargs)
        if opened is None:
            return (yield from function(*args, **kwargs))
        return (yield from _steps(*opened))

    return wrapper


def _steps(
    generator: Generator[Any, Any, Any], context: Context, observer: Observer | None
) -> Generator[Any, Any, Any]:
    action: Callable[[Any], Any] = generator.send
    argument: Any = None
    while True:
        token = attach(context)
        try:
            value = action(argument)
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


def stepped_async(function: Callable[..., Any], open_: Open) -> Callable[..., AsyncGenerator[Any, Any]]:
    """As ``stepped``, for asynchronous generators."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator, context, observer = open_(args, kwargs) or Opened(function(*args, **kwargs), get_current(), None)
        action: Callable[[Any], Any] = generator.asend
        argument: Any = None
        while True:
            token = attach(context)
            try:
                value = await action(argument)
            except StopAsyncIteration:
                _end(observer, None, True)
                return
            except BaseException as error:
                _end(observer, error, False)
                raise
            finally:
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

    return wrapper


async def _aclose(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
    raise GeneratorExit


def _end(observer: Observer | None, error: BaseException | None, complete: bool) -> None:
    if observer is not None:
        observer.end(error, complete)
