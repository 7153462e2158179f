"""Whether a filter holds for a span or a trace in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from collector.annotations import Annotation
from collector.filters.fields import text_of, value_of
from collector.filters.nodes import (
    Affix,
    Annotated,
    Both,
    Compare,
    Constant,
    Field,
    Holds,
    Node,
    Not,
    Spans,
    Truth,
    Within,
)
from collector.model import Content, Span, TraceSummary


@dataclass
class SpanRecord:
    """A span with its originals; ``content_of`` and ``annotations_of`` are asked once, and only if need be."""

    span: Span
    content_of: Callable[[Span], Content]
    annotations_of: Callable[[], Sequence[Annotation]] = tuple

    @cached_property
    def content(self) -> Content:
        return self.content_of(self.span)

    @cached_property
    def annotations(self) -> Sequence[Annotation]:
        return self.annotations_of()

    def value(self, field: Field) -> Any:
        if field.name == "input":
            return text_of(self.content.input)
        if field.name == "output":
            return text_of(self.content.output)
        return value_of(self.span, field)


@dataclass
class TraceRecord:
    """A trace; ``spans_of`` and ``annotations_of`` are asked once, and only if need be."""

    summary: TraceSummary
    spans_of: Callable[[], Sequence[SpanRecord]] = tuple
    annotations_of: Callable[[], Sequence[Annotation]] = tuple

    @cached_property
    def spans(self) -> Sequence[SpanRecord]:
        return self.spans_of()

    @cached_property
    def annotations(self) -> Sequence[Annotation]:
        return self.annotations_of()

    def value(self, field: Field) -> Any:
        return value_of(self.summary, field)


@dataclass
class _AnnotationRecord:
    annotation: Annotation
    annotations: Sequence[Annotation] = ()
    spans: Sequence[SpanRecord] = ()

    def value(self, field: Field) -> Any:
        return value_of(self.annotation, field)


Record = SpanRecord | TraceRecord | _AnnotationRecord


def matches(node: Node, record: Record) -> bool:
    match node:
        case Both(parts, every):
            return (all if every else any)(matches(part, record) for part in parts)
        case Not(of):
            return not matches(of, record)
        case Compare(field, operator, constant):
            return _compares(record.value(field), operator, constant)
        case Within(field, constants):
            value = record.value(field)
            return any(_compares(value, "==", constant) for constant in constants)
        case Holds(field, text):
            value = record.value(field)
            return isinstance(value, str | list | tuple) and text in value
        case Affix(field, text, at_end):
            value = record.value(field)
            return isinstance(value, str) and (value.endswith(text) if at_end else value.startswith(text))
        case Truth(field, constant):
            return constant if field is None else record.value(field) is True
        case Spans(of, every):
            return (all if every else any)(matches(of, span) for span in record.spans)  # type: ignore[union-attr]
        case Annotated(_, name, of):
            return any(matches(of, _AnnotationRecord(said)) for said in record.annotations if said.name == name)


def _compares(value: Any, operator: str, constant: Constant) -> bool:
    same = _same(value, constant)
    if operator in ("==", "!="):
        return same is (operator == "==")
    if not _ordered(value, constant):
        return False
    if operator in ("<=", ">=") and same:
        return True
    return bool(value < constant if operator in ("<", "<=") else value > constant)


def _same(value: Any, constant: Constant) -> bool:
    """Equal, and of one kind: 1 is not true."""
    return isinstance(value, bool) is isinstance(constant, bool) and bool(value == constant)


def _ordered(value: Any, constant: Constant) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(constant, str):
        return isinstance(value, str)
    return isinstance(value, int | float)
