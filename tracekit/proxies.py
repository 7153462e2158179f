"""Stream objects that a traced function returns: a proxy stands for each, and ends the span when the stream ends.

It behaves as the original (a generator, or the stream of a model library), ``isinstance`` included.
"""

from __future__ import annotations

import types
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracekit.current import attach, get_current
from tracekit.span import Span
from tracekit.stepping import leave
from tracekit.streams import StreamObserver

_STREAM_LIBRARIES: Final = frozenset(("openai", "anthropic", "litellm", "groq", "mistralai", "together", "cerebras"))
_PLAIN: Final = frozenset((str, dict, list, tuple, int, float, bool, type(None), bytes, set))
#: of the libraries' helper streams: what iterates over the answer's text, or waits for all of it
_TEXT_STREAM: Final = "text_stream"
_FINALS: Final = frozenset(("get_final_message", "get_final_completion", "get_final_response"))


def streamed(span: Span, result: Any, output: bool) -> Any:
    """A proxy where ``result`` is a stream or something to await; None where it is a plain value."""
    kind = type(result)
    if kind in _PLAIN:
        return None
    if kind is types.CoroutineType:
        return _awaited(span, result, output)
    if kind is types.GeneratorType:
        return StreamProxy(result, StreamObserver(span, output), span)
    if kind is types.AsyncGeneratorType:
        return AsyncStreamProxy(result, StreamObserver(span, output), span)
    library = kind.__module__.partition(".")[0]
    known = library in _STREAM_LIBRARIES and "Stream" in kind.__name__
    iterator = known or (span.kind == "llm" and library != "unittest")
    if _is_stream(kind, iterator, "__anext__") or _is_stream(kind, known, "__aenter__"):
        return AsyncStreamProxy(result, StreamObserver(span, output), span)
    if _is_stream(kind, iterator, "__next__") or _is_stream(kind, known, "__enter__"):
        return StreamProxy(result, StreamObserver(span, output), span)
    return None


def _is_stream(kind: type, candidate: bool, method: str) -> bool:
    return candidate and hasattr(kind, method)


async def _awaited(span: Span, coroutine: Any, output: bool) -> Any:
    """What a plain function returned to be awaited; the span covers the waiting too."""
    token = attach(span.context)
    try:
        result = await coroutine
    except BaseException as error:
        leave(token)
        span.end(error)
        raise
    leave(token)
    stream = streamed(span, result, output)
    if stream is not None:
        return stream
    if output:
        span.returned(result)
    span.end()
    return result


class _Within:
    """A stream's own code runs in the context of its span, and in what it has itself entered since."""

    __slots__ = ("_proxy", "_token")

    def __init__(self, proxy: _Proxy) -> None:
        self._proxy = proxy

    def __enter__(self) -> None:
        self._token = attach(self._proxy._tracekit_context)

    def __exit__(self, *error: Any) -> None:
        self._proxy._tracekit_context = get_current()
        leave(self._token)


class _Proxy(ABC):
    """What both proxies share. Names are prefixed so that they hide nothing of the original's."""

    def __init__(self, stream: Any, observer: StreamObserver, span: Span) -> None:
        self._tracekit_stream = stream
        self._tracekit_observer = observer
        self._tracekit_context = span.context

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._tracekit_stream)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tracekit_stream, name)
        if name in _FINALS:
            return lambda: self._tracekit_final(found)
        return self._tracekit_texts(found) if name == _TEXT_STREAM else found

    def __repr__(self) -> str:
        return repr(self._tracekit_stream)

    def __del__(self) -> None:
        observer = self.__dict__.get("_tracekit_observer")
        if observer is not None:
            observer.end(None, False, self._tracekit_stream)

    @abstractmethod
    def _tracekit_texts(self, texts: Any) -> Any:
        """The stream's iterator over texts, watched. Of the two proxies, each has its own: one waits, one awaits."""

    @abstractmethod
    def _tracekit_final(self, wait: Callable[[], Any]) -> Any:
        """The whole answer once ``wait`` has it, watched; as above, each proxy has its own."""

    def _tracekit_entered(self, entered: Any) -> Any:
        """What ``with`` gives: the proxy, or the stream that a manager opened, watched in its stead."""
        if entered is self._tracekit_stream:
            return self
        self._tracekit_manager, self._tracekit_stream = self._tracekit_stream, entered
        return self

    def _tracekit_original(self) -> Any:
        return self.__dict__.get("_tracekit_manager", self._tracekit_stream)

    def _tracekit_end(self, error: BaseException | None, complete: bool) -> None:
        self._tracekit_observer.end(error, complete, self._tracekit_stream)


class StreamProxy(_Proxy):
    """Stands for an iterator of chunks, or for a context manager that opens one."""

    def __iter__(self) -> StreamProxy:
        return self

    def __next__(self) -> Any:
        return self._tracekit_step(self._tracekit_stream.__next__)

    def send(self, value: Any) -> Any:
        return self._tracekit_step(lambda: self._tracekit_stream.send(value))

    def throw(self, *error: Any) -> Any:
        return self._tracekit_step(lambda: self._tracekit_stream.throw(*error))

    def __enter__(self) -> Any:
        with _Within(self):
            entered = self._tracekit_stream.__enter__()
        return self._tracekit_entered(entered)

    def __exit__(self, *error: Any) -> Any:
        try:
            with _Within(self):
                return self._tracekit_original().__exit__(*error)
        finally:
            self._tracekit_end(error[1], False)

    def close(self) -> None:
        try:
            with _Within(self):
                self._tracekit_stream.close()
        finally:
            self._tracekit_end(None, False)

    def _tracekit_step(self, step: Callable[[], Any]) -> Any:
        try:
            with _Within(self):
                value = step()
        except StopIteration:
            self._tracekit_end(None, True)
            raise
        except BaseException as error:
            self._tracekit_end(error, False)
            raise
        self._tracekit_observer.value(value)
        return value

    def _tracekit_texts(self, texts: Any) -> Any:
        try:
            for text in texts:
                self._tracekit_observer.first()
                yield text
        except Exception as error:
            self._tracekit_end(error, False)
            raise
        self._tracekit_end(None, True)

    def _tracekit_final(self, wait: Callable[[], Any]) -> Any:
        answer = wait()
        self._tracekit_observer.final(answer)
        return answer


class AsyncStreamProxy(_Proxy):
    """As ``StreamProxy``, for asynchronous iterators and context managers."""

    def __aiter__(self) -> AsyncStreamProxy:
        return self

    async def __anext__(self) -> Any:
        return await self._tracekit_step(self._tracekit_stream.__anext__)

    async def asend(self, value: Any) -> Any:
        return await self._tracekit_step(lambda: self._tracekit_stream.asend(value))

    async def athrow(self, *error: Any) -> Any:
        return await self._tracekit_step(lambda: self._tracekit_stream.athrow(*error))

    async def __aenter__(self) -> Any:
        with _Within(self):
            entered = await self._tracekit_stream.__aenter__()
        return self._tracekit_entered(entered)

    async def __aexit__(self, *error: Any) -> Any:
        try:
            with _Within(self):
                return await self._tracekit_original().__aexit__(*error)
        finally:
            self._tracekit_end(error[1], False)

    async def aclose(self) -> None:
        try:
            with _Within(self):
                await self._tracekit_stream.aclose()
        finally:
            self._tracekit_end(None, False)

    async def close(self) -> None:
        try:
            with _Within(self):
                await self._tracekit_stream.close()
        finally:
            self._tracekit_end(None, False)

    async def _tracekit_step(self, step: Callable[[], Awaitable[Any]]) -> Any:
        try:
            with _Within(self):
                value = await step()
        except StopAsyncIteration:
            self._tracekit_end(None, True)
            raise
        except BaseException as error:
            self._tracekit_end(error, False)
            raise
        self._tracekit_observer.value(value)
        return value

    async def _tracekit_texts(self, texts: Any) -> Any:
        try:
            async for text in texts:
                self._tracekit_observer.first()
                yield text
        except Exception as error:
            self._tracekit_end(error, False)
            raise
        self._tracekit_end(None, True)

    async def _tracekit_final(self, wait: Callable[[], Any]) -> Any:
        answer = await wait()
        self._tracekit_observer.final(answer)
        return answer
