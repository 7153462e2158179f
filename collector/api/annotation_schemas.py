"""JSON Schemas and paths of annotations for the OpenAPI document, field for field as they are read and rendered."""

from __future__ import annotations

from typing import Any, Final

from collector.annotations import ANNOTATOR_KINDS, DATA_TYPES
from collector.api.annotation_body import MAX_ANNOTATIONS

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": ["string", "null"]}
_ANY: Final[Schema] = {"description": "Any JSON value; null where there is none."}
_SCORE: Final[Schema] = {"type": ["number", "boolean", "null"], "description": "A number, or true or false."}
_KIND: Final[Schema] = {"type": "string", "enum": list(ANNOTATOR_KINDS), "description": "Who says it."}
_TIME: Final[Schema] = {"type": "string", "format": "date-time", "description": "RFC 3339 in UTC, with nanoseconds."}
_IDENTIFIER: Final = "Tells annotations of one name about one target apart; empty where it is not said."


def _object(properties: dict[str, Schema], text: str, required: tuple[str, ...]) -> Schema:
    return {"type": "object", "description": text, "properties": properties, "required": list(required)}


def _target(nullable: bool) -> dict[str, Schema]:
    def kind(name: str) -> Any:
        return [name, "null"] if nullable else name

    return {
        "trace_id": {"type": kind("string"), "pattern": "^[0-9a-fA-F]{32}$"},
        "span_id": {"type": kind("string"), "pattern": "^[0-9a-fA-F]{16}$"},
        "session_id": {"type": kind("string")},
        "document_position": {
            "type": kind("integer"),
            "minimum": 0,
            "description": "Which document of the span, counted from 0.",
        },
    }


_ANNOTATION: Final = {
    "id": {"type": "string", "format": "uuid"},
    "name": {"type": "string", "description": "What is judged: correctness, helpful, tone ..."},
    "target": {"$ref": "#/components/schemas/AnnotationTarget"},
    "annotator_kind": _KIND,
    "identifier": {"type": "string", "description": _IDENTIFIER},
    "label": _TEXT,
    "score": _SCORE,
    "data_type": {
        "type": ["string", "null"],
        "enum": list(DATA_TYPES),
        "description": "How it can be added up: by its score, else its label.",
    },
    "value": _ANY,
    "correction": {"description": "What would have been right: any JSON value; null where there is none."},
    "explanation": _TEXT,
    "metadata": {"type": "object", "additionalProperties": True},
    "created_at": _TIME,
    "updated_at": _TIME,
}
_OURS: Final = ("id", "data_type", "created_at", "updated_at")
_NEW: Final = {
    **{name: schema for name, schema in _ANNOTATION.items() if name not in _OURS},
    "target": {"$ref": "#/components/schemas/NewAnnotationTarget"},
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Annotation": _object(
        _ANNOTATION,
        "What somebody said about a trace, a span, a document of a span or a session. There is one for each target, "
        "name and identifier.",
        tuple(_ANNOTATION),
    ),
    "AnnotationTarget": _object(_target(nullable=True), "What an annotation is about.", tuple(_target(True))),
    "NewAnnotation": _object(
        _NEW,
        "An annotation to be stored. It says something: a score, a label, a value, a correction or an explanation.",
        ("name", "target"),
    ),
    "NewAnnotationTarget": _object(
        _target(nullable=False),
        "A trace, a span of it, a document of that span, or a session; none of them needs to be stored yet.",
        (),
    ),
    "NewAnnotations": {
        "type": "array",
        "description": f"1 to {MAX_ANNOTATIONS} annotations, stored together or not at all.",
        "items": {"$ref": "#/components/schemas/NewAnnotation"},
    },
    "Annotations": _object(
        {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Annotation"}}},
        "The annotations as they are stored now, in the order they were given.",
        ("items",),
    ),
    "AnnotationPage": _object(
        {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/Annotation"}},
            "next_cursor": {**_TEXT, "description": "Give it as `cursor` for the next page; null on the last one."},
        },
        "A page of annotations, newest first.",
        ("items", "next_cursor"),
    ),
}
