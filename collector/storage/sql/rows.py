"""Spans to rows and back. Pure.

A span that is no model call has nothing in a third of the columns, so its row is given without them: binding a NULL
costs as much as binding a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from collector.model import Cost, CostStatus, ErrorInfo, Span, Status, Usage

Row = tuple[Any, ...]

PLAIN_COLUMNS: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "project_id",
    "original_id",
    "position",
    "name",
    "kind",
    "start_ns",
    "end_ns",
    "status",
    "service",
    "scope",
    "session_id",
    "user_id",
    "extra",
    "error_type",
    "error_message",
    "counted",
)
CALL_COLUMNS: Final = (
    "request_model",
    "response_model",
    "provider",
    "ttft_ns",
    "response_id",
    "duplicate_of",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "usage_details",
    "cost_status",
    "cost_total",
    "cost_input",
    "cost_output",
    "price_id",
    "cost_reported",
)
#: What an insert fills: everything but the row's own id.
SPAN_COLUMNS: Final = PLAIN_COLUMNS + CALL_COLUMNS

STATUSES: Final[tuple[Status, ...]] = ("unset", "ok", "error")
STATUS_CODES: Final[dict[str, int]] = {status: code for code, status in enumerate(STATUSES)}
COST_STATUSES: Final[tuple[CostStatus, ...]] = ("unpriced", "computed", "reported")
COST_CODES: Final = {status: code for code, status in enumerate(COST_STATUSES)}

_RARE_USAGE: Final = (
    "cache_read_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
)
USAGE_PARTS: Final = ("input_tokens", "output_tokens", "total_tokens", *_RARE_USAGE)
_EXTRA: Final = ("tags", "metadata", "finish_reasons")
_NO_HEADS: Final = (None,) * 6
_NO_USAGE: Final = (None,) * 4
_NO_COST: Final = (None,) * 6


class SpanRows(NamedTuple):
    """``plain`` rows have ``PLAIN_COLUMNS``, ``calls`` all of ``SPAN_COLUMNS``."""

    plain: list[Row]
    calls: list[Row]


def add_span(rows: SpanRows, span: Span, project_id: int, original_id: int) -> None:
    """Append the row of a span whose facts are complete."""
    error = span.error
    plain = (
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        project_id,
        original_id,
        span.position,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        STATUS_CODES[span.status],
        span.service,
        span.scope,
        span.session_id,
        span.user_id,
        _extra(span) if span.tags or span.metadata or span.finish_reasons else None,
        None if error is None else error.type,
        None if error is None else error.message,
        span.counted,
    )
    heads = (
        span.request_model,
        span.response_model,
        span.provider,
        span.time_to_first_token_ns,
        span.response_id,
        span.duplicate_of,
    )
    usage, cost = span.usage, span.cost
    if usage is None and cost is None and heads == _NO_HEADS:
        rows.plain.append(plain)
        return
    usage_cells = _NO_USAGE if usage is None else _usage_cells(usage)
    cost_cells = _NO_COST if cost is None else _cost_cells(cost)
    rows.calls.append((*plain, *heads, *usage_cells, *cost_cells))


def span_of(row: Sequence[Any], project: str) -> Span:
    """The span of a row, with facts only. ``row`` has ``SPAN_COLUMNS`` and may go on."""
    # Unpacking and arguments by position: half the time of naming them, and summaries read every span.
    trace_id, span_id, parent, _, _, position, name, kind, start_ns, end_ns, status, service, scope = row[:13]
    session_id, user_id, extra, error_type, error_message, counted = row[13:19]
    request_model, response_model, provider, ttft_ns, response_id, duplicate_of = row[19:25]
    rest = orjson.loads(extra).get if extra is not None else _nothing
    usage = None if row[25] is row[26] is row[27] is row[28] is None else _usage_of(row[25:29])
    cost = None if row[29] is None else Cost(COST_STATUSES[row[29]], *row[30:35])
    error = None if error_type is error_message is None else ErrorInfo(error_type, error_message)
    return Span(
        trace_id, span_id, parent, name, start_ns, end_ns, STATUSES[status], "", scope, {}, {}, (), (), 0, position,
        project, service, kind, request_model, response_model, provider, usage, cost, ttft_ns, rest("finish_reasons"),
        response_id, session_id, user_id, rest("tags"), rest("metadata"), error, bool(counted), duplicate_of,
    )  # fmt: skip


def _nothing(_name: str) -> None:
    return None


def usage_json(usage: Usage) -> str | None:
    """The known parts of a usage, as ``traces.usage`` keeps them."""
    return _json_of_known(usage, USAGE_PARTS)


def usage_of_json(text: str | None) -> Usage | None:
    return None if text is None else Usage(**orjson.loads(text))


def _usage_cells(usage: Usage) -> Row:
    return usage.input_tokens, usage.output_tokens, usage.total_tokens, _json_of_known(usage, _RARE_USAGE)


def _usage_of(cells: Sequence[Any]) -> Usage:
    if cells[3] is None:
        return Usage(cells[0], cells[1], cells[2])
    return Usage(cells[0], cells[1], cells[2], **orjson.loads(cells[3]))


def _json_of_known(usage: Usage, names: Sequence[str]) -> str | None:
    known = {name: value for name in names if (value := getattr(usage, name)) is not None}
    if usage.estimated:
        known["estimated"] = True
    return orjson.dumps(known).decode() if known else None


def _cost_cells(cost: Cost) -> Row:
    return COST_CODES[cost.status], cost.total, cost.input, cost.output, cost.price_id, cost.reported_total


def _extra(span: Span) -> str:
    return orjson.dumps({name: value for name in _EXTRA if (value := getattr(span, name))}).decode()
