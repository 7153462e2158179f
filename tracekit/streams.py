"""Streams: values pass through unchanged while they are added up, and the span ends when the stream does.

A generator function's values are seen by ``StreamObserver`` from ``tracekit.stepping``, those of a stream that a
function returns from ``tracekit.proxies``. Either way the span ends when the stream is exhausted, closed, fails, is
collected as garbage, or is still open when the process ends.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Final, Protocol

from tracekit import record, semconv
from tracekit.guard import swallow
from tracekit.messages import text_in
from tracekit.reading import get, is_a
from tracekit.response import Response
from tracekit.shapes_anthropic import AnthropicStream
from tracekit.shapes_openai import OpenAIStream
from tracekit.span import Span

#: values of other streams that are kept for the output
_MAX_VALUES: Final = 200
#: of the libraries' helper streams: what holds the answer so far
_SNAPSHOTS: Final = ("current_message_snapshot", "current_completion_snapshot")

#: the streams of this process whose spans have not ended
_open: Final[dict[int, weakref.ref[StreamObserver]]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)


def end_open() -> None:
    """End the spans of streams that nobody will read on: the process ends."""
    for found in list(_open.values()):
        observer = found()
        if observer is not None:
            observer.end(None, False)


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
        if is_a(value, str):
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
        _open[id(self)] = weakref.ref(self)

    def __del__(self) -> None:
        # An asynchronous generator that no loop closes is freed without running any of its code.
        self.end(None, False)

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
            _open.pop(id(self), None)
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
        if self._span.kind == "llm" and value != "":
            self.first()
        if self._output and self._span.capture.values:
            self._values.add(value)

    def _may_answer(self, value: Any) -> bool:
        if is_a(value, str) or not self._span.may_be_a_call:
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
