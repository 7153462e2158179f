"""Annotations to rows and back. Pure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import orjson

from collector.annotations import Annotation, Target, data_type

COLUMNS: Final = (
    "id",
    "trace_id",
    "span_id",
    "session_id",
    "document_position",
    "name",
    "annotator_kind",
    "identifier",
    "data_type",
    "score",
    "label",
    "value",
    "correction",
    "explanation",
    "metadata",
    "source",
    "created_ns",
    "updated_ns",
)


def row_of(annotation: Annotation) -> dict[str, Any]:
    """The cells of ``COLUMNS`` of an annotation that has its id and times."""
    target = annotation.target
    return {
        "id": annotation.id,
        "trace_id": target.trace_id,
        "span_id": target.span_id,
        "session_id": target.session_id,
        "document_position": target.document_position,
        "name": annotation.name,
        "annotator_kind": annotation.annotator_kind,
        "identifier": annotation.identifier,
        "metadata": _json(annotation.metadata or None),
        "source": _json(annotation.source or None),
        "created_ns": annotation.created_ns,
        **said_of(annotation),
    }


def said_of(annotation: Annotation) -> dict[str, Any]:
    """The cells that a change may touch."""
    return {
        "data_type": data_type(annotation),
        "score": None if annotation.score is None else float(annotation.score),
        "label": annotation.label,
        "value": _json(annotation.value),
        "correction": _json(annotation.correction),
        "explanation": annotation.explanation,
        "updated_ns": annotation.updated_ns,
    }


def history_json(annotation: Annotation) -> str:
    """A stored annotation as its history keeps it."""
    cells = row_of(annotation)
    return orjson.dumps(
        {name: value.hex() if isinstance(value, bytes) else value for name, value in cells.items()}
    ).decode()


def history_said(said: str) -> Annotation:
    """Of ``history_json``."""
    cells = orjson.loads(said)
    for name in ("id", "trace_id", "span_id"):
        cells[name] = None if cells[name] is None else bytes.fromhex(cells[name])
    return annotation_of(SimpleNamespace(**cells))


def annotation_of(row: Any) -> Annotation:
    """The annotation of a row that has ``COLUMNS``."""
    return Annotation(
        name=row.name,
        target=Target(_bytes(row.trace_id), _bytes(row.span_id), row.session_id, row.document_position),
        annotator_kind=row.annotator_kind,
        identifier=row.identifier,
        score=bool(row.score) if row.data_type == "boolean" else row.score,
        label=row.label,
        value=_parsed(row.value),
        correction=_parsed(row.correction),
        explanation=row.explanation,
        metadata=_parsed(row.metadata) or {},
        source=_parsed(row.source) or {},
        id=bytes(row.id),
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _parsed(json: str | None) -> Any:
    return None if json is None else orjson.loads(json)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
