"""Annotations as the trace page shows them: what, how, by whom and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from collector.annotations import Annotation
from dashboards import format as fmt
from dashboards.values import Text, text

#: More than this are counted, not listed.
MAX_LISTED = 100


@dataclass(slots=True, frozen=True)
class Said:
    """``value`` is the score, the label or both; ``by`` who says it; ``about`` what of the trace or span is meant,
    empty where it is the whole; ``span_id`` the span, None where it is the trace."""

    name: str
    value: str
    by: str
    about: str
    span_id: str | None
    explanation: Text | None
    correction: Text | None
    created_ns: int


@dataclass(slots=True, frozen=True)
class Listed:
    """``chips`` are the first of them in short."""

    items: list[Said]
    more: int
    chips: list[str]


#: Annotations that are told in short beside a closed list.
_CHIPS = 6


def of_trace(annotations: Sequence[Annotation]) -> Listed:
    return _listed(annotations)


def of_span(annotations: Sequence[Annotation], span_id: bytes, is_root: bool) -> Listed:
    """Those about the span and its documents; for the root, those about the trace as a whole as well."""
    return _listed([
        annotation
        for annotation in annotations
        if annotation.target.span_id == span_id or (is_root and annotation.target.span_id is None)
    ])  # fmt: skip


def _listed(annotations: Sequence[Annotation]) -> Listed:
    items = [_said(annotation) for annotation in annotations[:MAX_LISTED]]
    chips = [" ".join(part for part in (item.name, item.value) if part) for item in items[:_CHIPS]]
    return Listed(items, max(0, len(annotations) - MAX_LISTED), chips)


def _said(annotation: Annotation) -> Said:
    target = annotation.target
    position = target.document_position
    return Said(
        annotation.name,
        _value(annotation),
        _by(annotation),
        "" if position is None else f"document {position + 1}",
        target.span_id.hex() if target.span_id else None,
        text(annotation.explanation) if annotation.explanation else None,
        None if annotation.correction is None else text(fmt.pretty(annotation.correction)),
        annotation.created_ns or 0,
    )


def _value(annotation: Annotation) -> str:
    score = annotation.score
    told = ("yes" if score else "no") if isinstance(score, bool) else _number(score)
    other = annotation.label if annotation.value is None else fmt.line(annotation.value, 80)
    return " · ".join(part for part in (told, other) if part)


def _number(score: float | None) -> str:
    if score is None:
        return ""
    return f"{score:,.0f}" if 10_000 <= abs(score) < 10**15 else f"{score:.4g}"


def _by(annotation: Annotation) -> str:
    """The kind of annotator, and which one, where the identifier says more than the id does."""
    ours = annotation.id is not None and annotation.identifier == str(UUID(bytes=annotation.id))
    return " ".join(part for part in (annotation.annotator_kind, "" if ours else annotation.identifier) if part)
