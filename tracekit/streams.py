"""Streams: values pass through unchanged while they are added up, and the span ends when the stream does.

A generator function's values are seen by ``StreamObserver`` from ``tracekit.stepping``. A stream that a function
returns (a generator, or the stream object of a model library) is handed on inside a proxy that behaves as the
original, ``isinstance`` included. Either way the span ends when the stream is exhausted, closed, fails, or is
collected as garbage.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from opentelemetry.context import attach

from tracekit import record, semconv
from tracekit.guard import swallow
from tracekit.messages import text_in
from tracekit.reading import get
from tracekit.response import Response
from tracekit.shapes_anthropic import AnthropicStream
from tracekit.shapes_openai import OpenAIStream
from tracekit.span import Span
from tracekit.stepping import leave

#: values of other streams that are kept for the output
_MAX_VALUES: Final = 200
_STREAM_LIBRARIES: Final = frozenset(("openai", "anthropic", "litellm", "groq", "mistralai", "together", "cerebras"))
_PLAIN: Final = frozenset((str, dict, list, tuple, int, float, bool, type(None), bytes, set))
#: of the libraries' helper streams: what holds the answer so far, iterates over its text, or waits for all of it
_SNAPSHOTS: Final = ("current_message_snapshot", "current_completion_snapshot")
_TEXT_STREAM: Final = "text_stream"
_FINALS: Final = frozenset(("get_final_message", "get_final_completion", "get_final_response"))


class _Adder(Protocol):
    def add(self, chunk: Any) -> bool: ...

    def result(self) -> Response: ...


class _Values:
    """Adds up texts and any other values."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._texts: list[str] = []
        self._others: list[Any] = []
        self._count = 0
        self._chars = 0

    def add(self, value: Any) -> None:
        capture = self._span.capture
        self._count += 1
        if isinstance(value, str):
            if self._chars <= capture.limits.max_chars:
                self._texts.append(value)
                self._chars += len(value)
        elif len(self._others) < _MAX_VALUES and capture.content:
            # Copied now: the consumer may change it.
            self._others.append(capture.plain(value))

    def output(self) -> Any:
        if not self._others:
            return "".join(self._texts) if self._texts else None
        values = [*self._texts, *self._others] if self._texts else list(self._others)
        if self._count > len(values):
            values.append(f"[{self._count - len(values)} more]")
        return values


class StreamObserver:
    """Watches one stream and ends its span."""

    def __init__(self, span: Span, output: bool) -> None:
        self._span = span
        self._output = output
        self._adder: _Adder | None = None
        self._values = _Values(span)
        self._final: Any = None
        self._began = False
        self._ended = False

    def value(self, value: Any) -> None:
        """One value has come. Never raises."""
        if self._ended or not self._span.is_recording():
            return
        try:
            self._add(value)
        except Exception as error:  # noqa: BLE001
            swallow("stream", error)

    def end(self, error: BaseException | None, complete: bool, source: Any = None) -> None:
        """The stream is over; ``source`` may know the whole answer. Never raises; only the first call counts."""
        if self._ended:
            return
        self._ended = True
        try:
            finished = self._record(source) if self._output and not self._span.has_output else False
            if not complete and not finished:
                self._span.put({semconv.STREAM_INCOMPLETE: True})
        except Exception as fault:  # noqa: BLE001
            swallow("stream", fault)
        self._span.end(error)

    def final(self, answer: Any) -> None:
        """The application was given the whole answer."""
        self._final = answer

    def first(self) -> None:
        """Content has come."""
        if not self._began:
            self._began = True
            self._span.first_token()

    def _add(self, value: Any) -> None:
        if self._adder is None and self._may_answer(value):
            self._adder = AnthropicStream() if AnthropicStream.accepts(value) else OpenAIStream()
        if self._adder is not None:
            if self._adder.add(value):
                self.first()
            return
        if self._span.kind == "llm":
            self.first()
        if self._output and self._span.capture.values:
            self._values.add(value)

    def _may_answer(self, value: Any) -> bool:
        if isinstance(value, str) or not self._span.may_be_a_call:
            return False
        return AnthropicStream.accepts(value) or OpenAIStream.accepts(value)

    def _record(self, source: Any) -> bool:
        """Write the output; True where it is known to be whole."""
        span = self._span
        if not span.capture.values:
            return False
        response = record.read_response(self._final) or _snapshot(source)
        if response is None and self._adder is not None:
            response = self._adder.result()
        if response is None:
            value = self._values.output()
            if value is not None:
                span.returned(value)
            return False
        if span.may_be_a_call:
            span.put({semconv.GEN_AI_REQUEST_STREAM: True})
            record.answer(span, response)
        else:
            span.returned(text_in(response.messages))
        return bool(response.finish_reasons)


def _snapshot(source: Any) -> Response | None:
    for name in _SNAPSHOTS:
        try:
            found = get(source, name)
        except Exception:  # noqa: BLE001 - asserts that something has come
            continue
        if found is not None:
            return record.read_response(found)
    return None


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


class _Proxy:
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

    def _tracekit_texts(self, texts: Any) -> Any:
        raise NotImplementedError

    def _tracekit_final(self, wait: Callable[[], Any]) -> Any:
        raise NotImplementedError

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
        return self._tracekit_entered(self._tracekit_stream.__enter__())

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._tracekit_original().__exit__(*error)
        finally:
            self._tracekit_end(error[1], False)

    def close(self) -> None:
        try:
            self._tracekit_stream.close()
        finally:
            self._tracekit_end(None, False)

    def _tracekit_step(self, step: Callable[[], Any]) -> Any:
        token = attach(self._tracekit_context)
        try:
            value = step()
        except StopIteration:
            self._tracekit_end(None, True)
            raise
        except BaseException as error:
            self._tracekit_end(error, False)
            raise
        finally:
            leave(token)
        self._tracekit_observer.value(value)
        return value

    def _tracekit_texts(self, texts: Any) -> Any:
        for text in texts:
            self._tracekit_observer.first()
            yield text
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
        return self._tracekit_entered(await self._tracekit_stream.__aenter__())

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._tracekit_original().__aexit__(*error)
        finally:
            self._tracekit_end(error[1], False)

    async def aclose(self) -> None:
        try:
            await self._tracekit_stream.aclose()
        finally:
            self._tracekit_end(None, False)

    async def close(self) -> None:
        try:
            await self._tracekit_stream.close()
        finally:
            self._tracekit_end(None, False)

    async def _tracekit_step(self, step: Callable[[], Awaitable[Any]]) -> Any:
        token = attach(self._tracekit_context)
        try:
            value = await step()
        except StopAsyncIteration:
            self._tracekit_end(None, True)
            raise
        except BaseException as error:
            self._tracekit_end(error, False)
            raise
        finally:
            leave(token)
        self._tracekit_observer.value(value)
        return value

    async def _tracekit_texts(self, texts: Any) -> Any:
        async for text in texts:
            self._tracekit_observer.first()
            yield text
        self._tracekit_end(None, True)

    async def _tracekit_final(self, wait: Callable[[], Any]) -> Any:
        answer = await wait()
        self._tracekit_observer.final(answer)
        return answer
