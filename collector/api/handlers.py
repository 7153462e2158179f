"""The endpoints beneath ``/api/v1``: query -> reader -> rendering, the latter two in threads of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from collector.api import params, render
from collector.api.openapi import DOCUMENT
from collector.api.problems import Problem
from collector.api.values import encode, plain
from collector.model import Content, Span, TraceSummary
from collector.processors.inout import trace_input_output
from collector.processors.normalize import content, error
from collector.processors.tools import complete_tools
from collector.storage.api import BadCursor, Reader, TooBroad, TraceQuery, TraceReader, UsageQuery

T = TypeVar("T")

log = structlog.get_logger("collector.api")

#: Spans rendered in one go: some hundred kilobytes of JSON, so that a long trace never lies in memory as a whole.
SPANS_PER_PIECE: Final = 100
FACTS_PER_PIECE: Final = 1000


class Handlers:
    """``now_ns`` is the clock that relative times count from; ``limiter`` says how many requests are read at once."""

    def __init__(self, reader: Reader, now_ns: Callable[[], int], limiter: anyio.CapacityLimiter) -> None:
        self._reader = reader
        self._now_ns = now_ns
        self._limiter = limiter

    async def list_traces(self, request: Request) -> Response:
        query = params.trace_query(request.query_params.multi_items(), self._now_ns())
        return _json(await self._run(list_of_traces, self._reader, query))

    async def get_trace(self, request: Request) -> Response:
        trace_id = params.identifier("trace_id", request.path_params["trace_id"], 16)
        payload = params.wants_payload(request.query_params.multi_items())
        pieces = trace_pieces(self._reader, trace_id, payload)
        # The first piece before the answer begins, so that what goes wrong in reading has its proper status.
        first = await self._run(next, pieces, b"")
        return StreamingResponse(self._stream(first, pieces), media_type="application/json")

    async def get_span(self, request: Request) -> Response:
        trace_id = params.identifier("trace_id", request.path_params["trace_id"], 16)
        span_id = params.identifier("span_id", request.path_params["span_id"], 8)
        params.no_parameters(request.query_params.multi_items())
        return _json(await self._run(one_span, self._reader, trace_id, span_id))

    async def usage(self, request: Request) -> Response:
        query = params.usage_query(request.query_params.multi_items(), self._now_ns())
        return _json(await self._run(usage_of, self._reader, query))

    async def projects(self, request: Request) -> Response:
        params.no_parameters(request.query_params.multi_items())
        return _json(await self._run(project_list, self._reader))

    async def openapi(self, _request: Request) -> Response:
        return _json(encode(DOCUMENT))

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limiter)

    async def _stream(self, piece: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        while piece:
            yield piece
            piece = await self._run(next, pieces, b"")


def list_of_traces(reader: TraceReader, query: TraceQuery) -> bytes:
    try:
        page = reader.list_traces(query)
    except BadCursor as fault:
        raise params.Faulty({"cursor": str(fault)}) from None
    except TooBroad as fault:
        raise params.Faulty({"filter": str(fault)}) from None
    return encode(render.trace_page(page))


def usage_of(reader: TraceReader, query: UsageQuery) -> bytes:
    return encode(render.usage_rows(reader.usage(query)))


def project_list(reader: TraceReader) -> bytes:
    return encode(render.project_list(reader.projects()))


def trace_pieces(reader: Reader, trace_id: bytes, payload: bool) -> Iterator[bytes]:
    """The JSON of a trace and its spans, piece by piece. Raises the 404 ``Problem`` at the first one."""
    # The summary first: what it says of the spans (which of them count) is stored with it, so they are as new.
    summary = reader.get_trace(trace_id)
    spans = reader.get_spans(trace_id, originals=payload) if summary else []
    if summary is None or not spans:
        raise _no_such_trace()
    contents = _Contents(spans if payload else ())
    head = _head(summary, spans, contents if payload else None)
    head["annotations"] = [render.annotation(found) for found in reader.annotations_of_trace(trace_id)]
    piece = encode(head)[:-1] + b',"spans":['
    belongings = render.belongings(spans, summary)
    rest = iter(spans)
    while group := list(islice(rest, SPANS_PER_PIECE if payload else FACTS_PER_PIECE)):
        documents = [_span(span, belongings[span.span_id], contents if payload else None) for span in group]
        last = group[-1] is spans[-1]
        yield piece + encode(documents)[1:-1] + (b"]}" if last else b",")
        piece = b""


def one_span(reader: TraceReader, trace_id: bytes, span_id: bytes) -> bytes:
    span = reader.get_span(trace_id, span_id)
    summary = reader.get_trace(trace_id) if span else None
    if span is None or summary is None:
        raise Problem(404, "no such span is stored")
    belongings = render.belongings(reader.get_spans(trace_id, originals=False), summary)
    # What a tool was asked for stands, with some instrumentations, in the model's answer alone.
    told = reader.get_spans(trace_id) if span.kind == "tool" else [span]
    return encode(_span(span, belongings[span_id], _Contents(told)))


class _Contents:
    """What spans carried, until it is taken."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._known = {span.span_id: self._derived(span) for span in spans}
        complete_tools(list(self._known.values()))

    def of(self, span: Span) -> Content:
        return self._known[span.span_id]

    def take(self, span: Span) -> Content:
        return self._known.pop(span.span_id)

    def _derived(self, span: Span) -> Content:
        try:
            return content(span)
        except Exception as fault:
            # One hostile span must not hide the rest of its trace.
            log.error("the content of a span could not be read", span_id=span.span_id.hex(), exc_info=fault)
            return Content()


def _head(summary: TraceSummary, spans: Sequence[Span], contents: _Contents | None) -> dict[str, Any]:
    head = render.trace(summary)
    # Spans that came in between the two readings are not in the summary.
    head["stale"] = summary.stale or summary.span_count != len(spans)
    if contents is None:
        del head["input"], head["output"]
    else:
        head["input"], head["output"] = map(plain, trace_input_output(spans, contents.of))
    return head


def _span(span: Span, belonging: render.Belonging, contents: _Contents | None) -> dict[str, Any]:
    if contents is None:
        return render.span_facts(span, belonging)
    # The stack trace stands in the original only.
    span.error = error(span) or span.error
    return {**render.span_facts(span, belonging), **render.span_payload(span, contents.take(span))}


def _no_such_trace() -> Problem:
    return Problem(404, "no span of this trace is stored")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
