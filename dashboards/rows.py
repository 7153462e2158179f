"""Traces as the rows of a list, and a trace's summary as the head of its page. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from collector.model import Cost, ErrorInfo, TraceSummary, Usage
from collector.storage.api import TraceStats
from dashboards import format as fmt


@dataclass(slots=True, frozen=True)
class TraceRow:
    """``version`` changes when anything that the row shows does (but for its age). ``named`` says that the title is
    the trace's name because nobody could tell what went in."""

    id: str
    version: str
    title: str
    named: bool
    second: str
    status: str
    failed: bool
    latency: str
    first_token: str
    tokens: str
    calls: str
    cost: str
    cost_note: str
    user: str | None
    session: str | None
    started_ns: int


def trace_row(summary: TraceSummary) -> TraceRow:
    title = fmt.line(summary.input)
    failed = summary.status == "error"
    values = (
        title or summary.name or "(no name)",
        not title,
        error_line(summary.error) if failed else fmt.line(summary.output),
        summary.status,
        failed,
        fmt.duration(summary.duration_ns),
        "" if summary.time_to_first_token_ns is None else f"ttft {fmt.duration(summary.time_to_first_token_ns)}",
        fmt.compact(summary.usage.total_tokens if summary.usage else None),
        fmt.counted(summary.llm_calls, "call") if summary.llm_calls else "",
        fmt.cost(summary.cost, summary.llm_calls, summary.unpriced_calls),
        unpriced_note(summary),
        summary.user_id,
        summary.session_id,
        summary.start_ns,
    )
    version = hashlib.blake2b(repr(values).encode(errors="replace"), digest_size=6).hexdigest()
    return TraceRow(summary.trace_id.hex(), version, *values)


def error_line(error: ErrorInfo | None) -> str:
    """``RateLimitError: Rate limit reached``."""
    if error is None:
        return "error"
    return ": ".join(part for part in (error.type, fmt.line(error.message)) if part) or "error"


def unpriced_note(summary: TraceSummary) -> str:
    """Why there is no cost, or not the whole of it."""
    if not summary.unpriced_calls:
        return ""
    calls = fmt.counted(summary.unpriced_calls, "call")
    return f"{calls} without a cost: the model's price, or the number of tokens, is not known"


def unpriced_reason(cost: Cost | None, usage: Usage | None, model: str | None, provider: str | None) -> str:
    """Why one call has no cost."""
    if cost is None or cost.status != "unpriced":
        return ""
    if not model:
        return "The span names no model"
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return "The span does not say how many tokens were used"
    return f"No price is known for {model}" + (f" of {provider}" if provider else "")


@dataclass(slots=True, frozen=True)
class Figure:
    """A value of a page's head; ``note`` is its explanation on hover."""

    value: str
    label: str = ""
    note: str = ""
    tone: str = ""


def stats_figures(stats: TraceStats) -> list[Figure]:
    figures = [Figure(fmt.count(stats.traces), "trace" if stats.traces == 1 else "traces")]
    if stats.errors:
        share = fmt.percent(stats.errors / stats.traces) if stats.traces else ""
        figures.append(Figure(fmt.count(stats.errors), "error" if stats.errors == 1 else "errors", share, "error"))
    if stats.p50_ns is not None:
        figures.append(Figure(fmt.duration(stats.p50_ns), "p50", "Half of the traces took less"))
        figures.append(Figure(fmt.duration(stats.p99_ns), "p99", "99 of 100 traces took less"))
    if stats.tokens is not None:
        figures.append(Figure(fmt.compact(stats.tokens), "tokens", fmt.count(stats.tokens)))
    if stats.cost is not None:
        figures.append(Figure(fmt.money(stats.cost), "", "Cost of the calls that have a price"))
    if stats.unpriced_calls:
        note = "Calls without a known price: they are in no sum of cost"
        figures.append(Figure(fmt.count(stats.unpriced_calls), "unpriced", note, "amber"))
    return figures


def trace_figures(summary: TraceSummary) -> list[Figure]:
    """What the head of a trace's page says in numbers."""
    figures = [Figure(fmt.duration(summary.duration_ns), "", "From the first start to the last end")]
    if summary.time_to_first_token_ns is not None:
        figures.append(Figure(fmt.duration(summary.time_to_first_token_ns), "to first token"))
    if summary.usage and summary.usage.total_tokens is not None:
        figures.append(Figure(fmt.compact(summary.usage.total_tokens), "tokens", tokens_note(summary.usage)))
    text = fmt.cost(summary.cost, summary.llm_calls, summary.unpriced_calls)
    if text != fmt.UNKNOWN:
        figures.append(Figure(text, "", unpriced_note(summary)))
    figures.append(Figure(fmt.count(summary.span_count), "span" if summary.span_count == 1 else "spans"))
    if summary.error_count:
        noun = "error" if summary.error_count == 1 else "errors"
        figures.append(Figure(fmt.count(summary.error_count), noun, "", "error"))
    return figures


def tokens_note(usage: Usage) -> str:
    return f"{fmt.count(usage.input_tokens)} in, {fmt.count(usage.output_tokens)} out" + (
        " (counted by tracekit)" if usage.estimated else ""
    )


def list_version(rows: Sequence[TraceRow]) -> str:
    """An entity tag of a page of rows."""
    joined = "".join(row.id + row.version for row in rows)
    return hashlib.blake2b(joined.encode(), digest_size=8).hexdigest()
