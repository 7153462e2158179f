"""Summaries and calls to rows. Pure: rows are tuples in the order of ``TRACE_COLUMNS`` and ``CALL_COLUMNS``."""

from __future__ import annotations

from typing import Any, Final

from collector.model import Call, Cost, TraceSummary, Usage
from collector.processors.values import json_text
from collector.storage.sql.rows import COST_CODES, STATUS_CODES, usage_json

TRACE_COLUMNS: Final = (
    "trace_id",
    "project_id",
    "name",
    "start_ns",
    "end_ns",
    "duration_ns",
    "status",
    "span_count",
    "error_count",
    "root_span_id",
    "session_id",
    "user_id",
    "tags",
    "metadata",
    "error_type",
    "error_message",
    "usage",
    "total_tokens",
    "cost_status",
    "cost_total",
    "cost_input",
    "cost_output",
    "cost_reported",
    "llm_calls",
    "unpriced_calls",
    "ttft_ns",
    "input",
    "output",
)
CALL_COLUMNS: Final = (
    "trace_id",
    "span_id",
    "project_id",
    "kind",
    "start_ns",
    "duration_ns",
    "status",
    "model",
    "provider",
    "session_id",
    "user_id",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "estimated",
    "cost_status",
    "cost_total",
    "cost_input",
    "cost_output",
    "cost_reported",
    "ttft_ns",
)
_NO_USAGE: Final = (None,) * 8 + (False,)


def trace_row(summary: TraceSummary, project_id: int) -> tuple[Any, ...]:
    error, usage, cost = summary.error, summary.usage, summary.cost
    return (
        summary.trace_id,
        project_id,
        summary.name,
        summary.start_ns,
        summary.end_ns,
        summary.duration_ns,
        STATUS_CODES[summary.status],
        summary.span_count,
        summary.error_count,
        summary.root_span_id,
        summary.session_id,
        summary.user_id,
        json_text(summary.tags) if summary.tags else None,
        json_text(summary.metadata) if summary.metadata else None,
        None if error is None else error.type,
        None if error is None else error.message,
        None if usage is None else usage_json(usage),
        None if usage is None else usage.total_tokens,
        *((None,) * 5 if cost is None else _cost_cells(cost)),
        summary.llm_calls,
        summary.unpriced_calls,
        summary.time_to_first_token_ns,
        None if summary.input is None else json_text(summary.input),
        None if summary.output is None else json_text(summary.output),
    )


def call_row(call: Call, project_id: int) -> tuple[Any, ...]:
    usage, cost = call.usage, call.cost
    return (
        call.trace_id,
        call.span_id,
        project_id,
        call.kind,
        call.start_ns,
        call.duration_ns,
        STATUS_CODES[call.status],
        call.model,
        call.provider,
        call.session_id,
        call.user_id,
        *(_NO_USAGE if usage is None else _usage_cells(usage)),
        *((COST_CODES["unpriced"], None, None, None, None) if cost is None else _cost_cells(cost)),
        call.time_to_first_token_ns,
    )


def _usage_cells(usage: Usage) -> tuple[Any, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.audio_input_tokens,
        usage.reasoning_tokens,
        usage.audio_output_tokens,
        usage.estimated,
    )


def _cost_cells(cost: Cost) -> tuple[Any, ...]:
    return COST_CODES[cost.status], cost.total, cost.input, cost.output, cost.reported_total
