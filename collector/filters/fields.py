"""The names that a filter may use, of what type they are, and where their values lie in the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from collector.annotations import Annotation
from collector.filters.nodes import Field, Scope, Type
from collector.model import PICO_USD, Cost, ErrorInfo, Span, TraceSummary, Usage

MILLISECOND: Final = 10**6

_SHARED: Final[dict[str, tuple[Type, int]]] = {
    "name": ("text", 1),
    "project": ("text", 1),
    "status": ("text", 1),
    "session_id": ("text", 1),
    "user_id": ("text", 1),
    "trace_id": ("text", 1),
    "tags": ("texts", 1),
    "metadata": ("json", 1),
    "input": ("text", 1),
    "output": ("text", 1),
    "error.type": ("text", 1),
    "error.message": ("text", 1),
    "duration_ms": ("number", MILLISECOND),
    "time_to_first_token_ms": ("number", MILLISECOND),
    "cost": ("number", PICO_USD),
    "total_tokens": ("number", 1),
}
NAMES: Final[dict[Scope, dict[str, tuple[Type, int]]]] = {
    "trace": _SHARED | {"span_count": ("number", 1), "error_count": ("number", 1), "llm_calls": ("number", 1)},
    "span": _SHARED
    | {
        "span_id": ("text", 1),
        "kind": ("text", 1),
        "service": ("text", 1),
        "scope": ("text", 1),
        "request_model": ("text", 1),
        "response_model": ("text", 1),
        "provider": ("text", 1),
        "finish_reasons": ("texts", 1),
        "input_tokens": ("number", 1),
        "output_tokens": ("number", 1),
        "counted": ("boolean", 1),
        "attributes": ("json", 1),
    },
    "annotation": {
        "label": ("text", 1),
        "score": ("number", 1),
        "explanation": ("text", 1),
        "annotator_kind": ("text", 1),
        "identifier": ("text", 1),
    },
}
#: What must be followed by a key.
KEYED: Final = frozenset({"metadata", "attributes"})


def field_of(scope: Scope, name: str, key: str | None = None) -> Field:
    kind, unit = NAMES[scope][name]
    return Field(scope, name, kind, unit, key)


Reader = Callable[[Any], Any]


def _of_cost(cost: Cost | None) -> int | None:
    return None if cost is None else cost.total


def _of_usage(name: str) -> Reader:
    def read(record: Any) -> int | None:
        usage: Usage | None = record.usage
        return None if usage is None else getattr(usage, name)

    return read


def _of_error(name: str) -> Reader:
    def read(record: Any) -> str | None:
        error: ErrorInfo | None = record.error
        return None if error is None else getattr(error, name)

    return read


def text_of(value: Any) -> str | None:
    """Text as it is, any other JSON value as JSON."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


#: Names whose value is not simply the attribute of that name. Spans' ``input``, ``output`` and ``attributes`` come from
#: the record (see ``matches``).
READERS: Final[dict[str, Reader]] = {
    "trace_id": lambda record: record.trace_id.hex(),
    "span_id": lambda record: record.span_id.hex(),
    "duration_ms": lambda record: record.duration_ns,
    "time_to_first_token_ms": lambda record: record.time_to_first_token_ns,
    "cost": lambda record: _of_cost(record.cost),
    "total_tokens": _of_usage("total_tokens"),
    "input_tokens": _of_usage("input_tokens"),
    "output_tokens": _of_usage("output_tokens"),
    "error.type": _of_error("type"),
    "error.message": _of_error("message"),
    "input": lambda record: text_of(record.input),
    "output": lambda record: text_of(record.output),
}


def value_of(record: Span | TraceSummary | Annotation, field: Field) -> Any:
    """The record's value in the column's unit; None where it is unknown."""
    if field.key is not None:
        return (getattr(record, field.name) or {}).get(field.key)
    read = READERS.get(field.name)
    if read is not None:
        return read(record)
    value = getattr(record, field.name)
    return float(value) if field.name == "score" and value is not None else value
