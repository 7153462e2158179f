"""Captured cases: the requests of a file, and what our processors make of them in the shape of the read API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from google.protobuf.internal.decoder import _DecodeVarint32

from collector.codec.otlp import decode_traces
from collector.model import Content, Span
from collector.processors.chain import process
from collector.processors.normalize import contents
from collector.summarise.summary import summarise

DATA = Path(__file__).parent / "data"


def requests_of(path: Path) -> Iterator[bytes]:
    """The request bodies of a file of length-delimited protobuf messages."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        size, at = _DecodeVarint32(data, at)
        yield data[at : at + size]
        at += size


def spans_in(path: Path) -> list[Span]:
    """All spans of a case with their facts; the last sight of a span that was sent twice does not count."""
    faults: list[Exception] = []
    spans: dict[tuple[bytes, bytes], Span] = {}
    for body in requests_of(path):
        for span in process(decode_traces(body), on_fault=lambda _, fault: faults.append(fault)).spans:
            spans.setdefault((span.trace_id, span.span_id), span)
    assert not faults
    return list(spans.values())


def traces_in(path: Path) -> list[dict[str, Any]]:
    by_trace: dict[bytes, list[Span]] = {}
    for span in sorted(spans_in(path), key=lambda span: span.start_ns):
        by_trace.setdefault(span.trace_id, []).append(span)
    return [_trace(spans) for spans in by_trace.values()]


def _trace(spans: list[Span]) -> dict[str, Any]:
    by_id = {span.span_id: content for span, content in zip(spans, contents(spans), strict=True)}
    update = summarise(spans, lambda span: by_id[span.span_id])
    return {
        "spans": [_span(span, by_id[span.span_id], span.span_id not in update.uncounted) for span in spans],
        "session_id": update.summary.session_id,
        "user_id": update.summary.user_id,
        "input": update.summary.input,
        "output": update.summary.output,
    }


def _span(span: Span, content: Content, counted: bool) -> dict[str, Any]:
    facts = {name: getattr(span, name) for name in ("kind", "request_model", "response_model", "provider", "status")}
    return {
        **asdict(content),
        **facts,
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() if span.parent_span_id else None,
        "usage": asdict(span.usage) if span.usage else None,
        "error": asdict(span.error) if span.error else None,
        "counted": counted,
    }
