"""The OpenAPI 3.1 document of the JSON API."""

from __future__ import annotations

from typing import Any, Final

from collector.api import dataset_schemas, destination_schemas, experiment_schemas, params, review_schemas, rule_schemas
from collector.api.operations import operation, path, query
from collector.api.schemas import SCHEMAS, SPAN_ID, TEXT, TRACE_ID
from collector.filters.parse import MAX_CHARS

VERSION: Final = "1.0.0"

TIME_TEXT: Final = (
    "RFC 3339 (`2026-11-22T10:00:00Z`; UTC where no zone is given), a date, `now`, "
    "or how long ago: `30s 15m 24h 7d 2w`."
)
GROUP_PATTERN: Final = "|".join([*params.GROUPS, "tag:[^,]+"])


_PROJECT: Final = query("project", TEXT, "Only this project.")
_FROM: Final = query("from", TEXT, f"Traces that started then or later. {TIME_TEXT}")
_TO: Final = query("to", TEXT, "Traces that started before then.")

_GETS: Final = {
    "/api/v1/traces": operation(
        "listTraces",
        "TracePage",
        "List traces",
        "Newest first unless `sort` says otherwise. A trace is listed once it has been summarised, normally within a "
        "second. Pages are keyset pages: traces that arrive meanwhile shift nothing.",
        [
            _PROJECT,
            query("session_id", TEXT, "Only this session."),
            query("user_id", TEXT, "Only this user."),
            _FROM,
            _TO,
            query("status", {"type": "string", "enum": list(params.STATUSES)}, "Only traces with this status."),
            query(
                "q",
                TEXT,
                "Free text in names, inputs and outputs: every word must occur, the last one may be the beginning "
                "of a word.",
            ),
            query(
                "filter",
                {"type": "string", "maxLength": MAX_CHARS},
                "An expression in the filter language, over traces: `status == 'error' and cost > 0.01`, "
                "`any(span.kind == 'tool' and span.status == 'error')`. A fault names the column where it is.",
            ),
            query(
                "sort",
                {"type": "string", "enum": list(params.SORTS), "default": "-start_time"},
                "A minus in front means largest first. `-start_time` where it is not said.",
            ),
            query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": params.MAX_LIMIT, "default": params.DEFAULT_LIMIT},
                f"Traces on a page, {params.DEFAULT_LIMIT} where it is not said, {params.MAX_LIMIT} at most.",
            ),
            query("cursor", TEXT, "`next_cursor` of the page before, with the other parameters unchanged."),
        ],
        (400, 503),
    ),
    "/api/v1/traces/{trace_id}": operation(
        "getTrace",
        "Trace",
        "Read a trace",
        "With all its spans. There as soon as a span of it is stored.",
        [
            path("trace_id", TRACE_ID),
            query(
                "payload",
                {"type": "boolean", "default": True},
                "`false` leaves out what the spans carried: messages, input, output, documents, attributes and the "
                "rest of the original.",
            ),
        ],
        (400, 404, 503),
    ),
    "/api/v1/traces/{trace_id}/spans/{span_id}": operation(
        "getSpan",
        "Span",
        "Read a span",
        "One span of a trace, whole.",
        [path("trace_id", TRACE_ID), path("span_id", SPAN_ID)],
        (400, 404, 503),
    ),
    "/api/v1/usage": operation(
        "getUsage",
        "UsageRows",
        "Add up usage",
        "Calls, tokens, cost and latency by group; one row over everything without `group_by`.",
        [
            _PROJECT,
            _FROM,
            _TO,
            query(
                "group_by",
                {"type": "string", "pattern": f"^({GROUP_PATTERN})(,({GROUP_PATTERN}))*$"},
                f"Up to {params.MAX_GROUPS} of {', '.join(params.GROUPS)} and `tag:NAME`, separated by commas.",
            ),
        ],
        (400, 503),
    ),
    "/api/v1/projects": operation("listProjects", "Projects", "List projects", "All of them.", [], (400, 503)),
}

_ANNOTATION_ID: Final = path("annotation_id", {"type": "string", "format": "uuid"}, "A UUID.")
_PATHS: Final[dict[str, Any]] = {name: {"get": one} for name, one in _GETS.items()} | {
    "/api/v1/annotations": {
        "get": operation(
            "listAnnotations",
            "AnnotationPage",
            "List annotations",
            "Newest first. With `trace_id`, everything about the trace, its spans and their documents.",
            [
                query("trace_id", TRACE_ID, "Only about this trace or anything in it."),
                query("span_id", SPAN_ID, "Only about this span or a document of it."),
                query("session_id", TEXT, "Only about this session as a whole."),
                query("name", TEXT, "Only with this name."),
                query(
                    "limit",
                    {"type": "integer", "minimum": 1, "maximum": params.MAX_LIMIT, "default": params.DEFAULT_LIMIT},
                    f"Annotations on a page, {params.DEFAULT_LIMIT} where it is not said, {params.MAX_LIMIT} at most.",
                ),
                query("cursor", TEXT, "`next_cursor` of the page before, with the other parameters unchanged."),
            ],
            (400, 503),
        ),
        "post": operation(
            "putAnnotations",
            "Annotations",
            "Store annotations",
            "One, or an array of them. One with the same target, name and identifier as a stored one replaces what "
            "that says. What they are about may be stored later. The answer comes when they are durable.",
            [],
            (400, 413, 415, 429, 503),
            ("NewAnnotation", "NewAnnotations"),
        ),
    },
    "/api/v1/annotations/{annotation_id}": {
        "get": operation(
            "getAnnotation", "Annotation", "Read an annotation", "One annotation.", [_ANNOTATION_ID], (400, 404, 503)
        ),
        "delete": operation(
            "deleteAnnotation", None, "Delete an annotation", "For good.", [_ANNOTATION_ID], (400, 404, 503)
        ),
    },
    **destination_schemas.PATHS,
    **dataset_schemas.PATHS,
    **experiment_schemas.PATHS,
    **rule_schemas.PATHS,
    **review_schemas.PATHS,
}

DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "tracekit",
        "version": VERSION,
        "description": "Reads what the collector has stored, takes annotations, and administers the destinations that "
        "spans are sent on to. Field names stay; fields may be added. Where the collector has keys, send one as "
        "`Authorization: Bearer KEY`.",
    },
    "servers": [{"url": "/"}],
    "security": [{}, {"key": []}],
    "paths": _PATHS,
    "components": {
        "schemas": SCHEMAS
        | destination_schemas.SCHEMAS
        | dataset_schemas.SCHEMAS
        | experiment_schemas.SCHEMAS
        | rule_schemas.SCHEMAS
        | review_schemas.SCHEMAS,
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    },
}
