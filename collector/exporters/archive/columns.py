"""The columns of an archive's files: their names, types and where their values come from. Pure.

They are documented for users in ``docs/archive.md`` and only ever added to: a new one raises ``VERSION``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from collector.exporters.api import Record
from collector.exporters.jsontext import json_of
from collector.model import Cost, ErrorInfo, Usage

#: In the files' own metadata, under ``VERSION_KEY``.
VERSION: Final = "1"
VERSION_KEY: Final = "tracekit.archive"

TEXT: Final = pa.string()
#: text that is JSON
JSON: Final = pa.string()
COUNT: Final = pa.int64()
FLAG: Final = pa.bool_()
TEXTS: Final = pa.list_(pa.string())
TIME: Final = pa.timestamp("ns", tz="UTC")
#: US dollars, exact
USD: Final = pa.decimal128(20, 12)

_NO_USAGE: Final = Usage()
_NO_COST: Final = Cost()
_NO_ERROR: Final = ErrorInfo()


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: pa.DataType
    value: Callable[[Record], Any]


def _fact(name: str, type_: pa.DataType = TEXT) -> Column:
    return Column(name, type_, lambda record: getattr(record.facts, name))


def _tokens(name: str) -> Column:
    return Column(name, COUNT, lambda record: getattr(record.facts.usage or _NO_USAGE, name))


def _usd(name: str) -> Column:
    def value(record: Record) -> Decimal | None:
        pico = getattr(record.facts.cost or _NO_COST, name)
        return None if pico is None else Decimal(pico).scaleb(-12)

    return Column(f"cost_{name}", USD, value)


def _error(name: str) -> Column:
    return Column(f"error_{name}", TEXT, lambda record: getattr(record.facts.error or _NO_ERROR, name))


def _content(name: str) -> Column:
    def value(record: Record) -> str | None:
        found = getattr(record.content, name)
        return None if found is None or found == [] or found == {} else json_of(found)

    return Column(name, JSON, value)


def _metadata(record: Record) -> str | None:
    found = record.facts.metadata
    return None if found is None else json_of(found)


def _parent(record: Record) -> str | None:
    found = record.facts.parent_span_id
    return found.hex() if found else None


COLUMNS: Final = (
    Column("trace_id", TEXT, lambda record: record.facts.trace_id.hex()),
    Column("span_id", TEXT, lambda record: record.facts.span_id.hex()),
    Column("parent_span_id", TEXT, _parent),
    # What the files' folders are named after, as it is: what readers make of a folder's name depends on the reader.
    Column("project_name", TEXT, lambda record: record.facts.project),
    _fact("name"),
    _fact("kind"),
    Column("start_time", TIME, lambda record: record.facts.start_ns),
    Column("end_time", TIME, lambda record: record.facts.end_ns),
    _fact("duration_ns", COUNT),
    _fact("status"),
    Column("status_message", TEXT, lambda record: record.span.status_message or None),
    *(_error(name) for name in ("type", "message", "stacktrace")),
    _fact("service"),
    _fact("scope"),
    _fact("provider"),
    _fact("request_model"),
    _fact("response_model"),
    _fact("response_id"),
    _fact("finish_reasons", TEXTS),
    _fact("time_to_first_token_ns", COUNT),
    *(_tokens(name) for name in ("input_tokens", "output_tokens", "total_tokens")),
    *(_tokens(name) for name in ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")),
    *(_tokens(name) for name in ("audio_input_tokens", "audio_output_tokens")),
    Column("usage_estimated", FLAG, lambda record: record.facts.usage and record.facts.usage.estimated),
    Column("cost_status", TEXT, lambda record: record.facts.cost and record.facts.cost.status),
    *(_usd(name) for name in ("total", "input", "output", "reported_total")),
    Column("price_id", TEXT, lambda record: record.facts.cost and record.facts.cost.price_id),
    _fact("counted", FLAG),
    _fact("duplicate_of"),
    _fact("session_id"),
    _fact("user_id"),
    _fact("tags", TEXTS),
    Column("metadata", JSON, _metadata),
    *(_content(name) for name in ("input", "output", "input_messages", "output_messages", "documents")),
    *(_content(name) for name in ("embeddings", "tool", "prompt", "parameters")),
)
ORIGINAL: Final = "original"
#: ``original``: an OTLP ``TracesData`` of this span alone; of several that are written one behind the other it is one.
SCHEMA: Final = pa.schema(
    [*(pa.field(column.name, column.type) for column in COLUMNS), pa.field(ORIGINAL, pa.binary())],
    metadata={VERSION_KEY: VERSION},
)
