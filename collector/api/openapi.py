"""The OpenAPI 3.1 document of the JSON API."""

from __future__ import annotations

from typing import Any, Final

from collector.api import params
from collector.api.problems import MEDIA_TYPE
from collector.api.schemas import SCHEMAS, SPAN_ID, TEXT, TRACE_ID, Schema, ref
from collector.filters.parse import MAX_CHARS

VERSION: Final = "1.0.0"

TIME_TEXT: Final = (
    "RFC 3339 (`2026-11-22T10:00:00Z`; UTC where no zone is given), a date, `now`, "
    "or how long ago: `30s 15m 24h 7d 2w`."
)
GROUP_PATTERN: Final = "|".join([*params.GROUPS, "tag:[^,]+"])


def _query(name: str, schema: Schema, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _path(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": "Hexadecimal digits."}


_PROJECT: Final = _query("project", TEXT, "Only this project.")
_FROM: Final = _query("from", TEXT, f"Traces that started then or later. {TIME_TEXT}")
_TO: Final = _query("to", TEXT, "Traces that started before then.")

_ANSWERS: Final = {
    400: "Something is wrong: `errors` says what, and why.",
    404: "Not stored.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too much is waiting to be stored; try again.",
    503: "The database cannot be used now; try again.",
}


def _operation(
    name: str,
    schema: str | None,
    summary: str,
    text: str,
    parameters: list[dict[str, Any]],
    faults: tuple[int, ...],
    body: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Without ``schema`` the answer is 204. ``body`` names the schemas that a request's body may have."""
    answers: dict[str, Any] = {"204": {"description": "Done."}}
    if schema is not None:
        content = {"application/json": {"schema": ref(schema)}}
        answers = {"200": {"description": SCHEMAS[schema]["description"], "content": content}}
    for status in faults:
        problem = {MEDIA_TYPE: {"schema": ref("Problem")}}
        answers[str(status)] = {"description": _ANSWERS[status], "content": problem}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "description": text}
    if body:
        schemas = {"anyOf": [ref(one) for one in body]}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas}}}
    return {**operation, "parameters": parameters, "responses": answers}


_GETS: Final = {
    "/api/v1/traces": _operation(
        "listTraces",
        "TracePage",
        "List traces",
        "Newest first unless `sort` says otherwise. A trace is listed once it has been summarised, normally within a "
        "second. Pages are keyset pages: traces that arrive meanwhile shift nothing.",
        [
            _PROJECT,
            _query("session_id", TEXT, "Only this session."),
            _query("user_id", TEXT, "Only this user."),
            _FROM,
            _TO,
            _query("status", {"type": "string", "enum": list(params.STATUSES)}, "Only traces with this status."),
            _query(
                "q",
                TEXT,
                "Free text in names, inputs and outputs: every word must occur, the last one may be the beginning "
                "of a word.",
            ),
            _query(
                "filter",
                {"type": "string", "maxLength": MAX_CHARS},
                "An expression in the filter language, over traces: `status == 'error' and cost > 0.01`, "
                "`any(span.kind == 'tool' and span.status == 'error')`. A fault names the column where it is.",
            ),
            _query(
                "sort",
                {"type": "string", "enum": list(params.SORTS), "default": "-start_time"},
                "A minus in front means largest first. `-start_time` where it is not said.",
            ),
            _query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": params.MAX_LIMIT, "default": params.DEFAULT_LIMIT},
                f"Traces on a page, {params.DEFAULT_LIMIT} where it is not said, {params.MAX_LIMIT} at most.",
            ),
            _query("cursor", TEXT, "`next_cursor` of the page before, with the other parameters unchanged."),
        ],
        (400, 503),
    ),
    "/api/v1/traces/{trace_id}": _operation(
        "getTrace",
        "Trace",
        "Read a trace",
        "With all its spans. There as soon as a span of it is stored.",
        [
            _path("trace_id", TRACE_ID),
            _query(
                "payload",
                {"type": "boolean", "default": True},
                "`false` leaves out what the spans carried: messages, input, output, documents, attributes and the "
                "rest of the original.",
            ),
        ],
        (400, 404, 503),
    ),
    "/api/v1/traces/{trace_id}/spans/{span_id}": _operation(
        "getSpan",
        "Span",
        "Read a span",
        "One span of a trace, whole.",
        [_path("trace_id", TRACE_ID), _path("span_id", SPAN_ID)],
        (400, 404, 503),
    ),
    "/api/v1/usage": _operation(
        "getUsage",
        "UsageRows",
        "Add up usage",
        "Calls, tokens, cost and latency by group; one row over everything without `group_by`.",
        [
            _PROJECT,
            _FROM,
            _TO,
            _query(
                "group_by",
                {"type": "string", "pattern": f"^({GROUP_PATTERN})(,({GROUP_PATTERN}))*$"},
                f"Up to {params.MAX_GROUPS} of {', '.join(params.GROUPS)} and `tag:NAME`, separated by commas.",
            ),
        ],
        (400, 503),
    ),
    "/api/v1/projects": _operation("listProjects", "Projects", "List projects", "All of them.", [], (400, 503)),
}

_ANNOTATION_ID: Final = {
    **_path("annotation_id", {"type": "string", "format": "uuid"}),
    "description": "A UUID.",
}
_PATHS: Final[dict[str, Any]] = {path: {"get": operation} for path, operation in _GETS.items()} | {
    "/api/v1/annotations": {
        "get": _operation(
            "listAnnotations",
            "AnnotationPage",
            "List annotations",
            "Newest first. With `trace_id`, everything about the trace, its spans and their documents.",
            [
                _query("trace_id", TRACE_ID, "Only about this trace or anything in it."),
                _query("span_id", SPAN_ID, "Only about this span or a document of it."),
                _query("session_id", TEXT, "Only about this session as a whole."),
                _query("name", TEXT, "Only with this name."),
                _query(
                    "limit",
                    {"type": "integer", "minimum": 1, "maximum": params.MAX_LIMIT, "default": params.DEFAULT_LIMIT},
                    f"Annotations on a page, {params.DEFAULT_LIMIT} where it is not said, {params.MAX_LIMIT} at most.",
                ),
                _query("cursor", TEXT, "`next_cursor` of the page before, with the other parameters unchanged."),
            ],
            (400, 503),
        ),
        "post": _operation(
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
        "get": _operation(
            "getAnnotation", "Annotation", "Read an annotation", "One annotation.", [_ANNOTATION_ID], (400, 404, 503)
        ),
        "delete": _operation(
            "deleteAnnotation", None, "Delete an annotation", "For good.", [_ANNOTATION_ID], (400, 404, 503)
        ),
    },
}

DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "tracekit",
        "version": VERSION,
        "description": "Reads what the collector has stored, and takes annotations. Field names stay; fields may be "
        "added. Where the "
        "collector has keys, send one as `Authorization: Bearer KEY`.",
    },
    "servers": [{"url": "/"}],
    "security": [{}, {"key": []}],
    "paths": _PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    },
}
