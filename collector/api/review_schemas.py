"""JSON Schemas and paths of reviews for the OpenAPI document."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from collector.annotations import MAX_NAME
from collector.api.operations import operation
from collector.api.schemas import COUNT, FLAG, TEXT, TIME, TRACE_ID, Schema, described, optional, record
from collector.filters.parse import MAX_CHARS
from collector.storage.reviews_api import MAX_LEFT

_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_WHO: Final[dict[str, Schema]] = {
    "name": described(_NAME, "Of the annotation that is to be given."),
    "reviewer": described(_NAME, "Who reviews: the `identifier` of the annotation."),
}
_ASKED: Final[dict[str, Schema]] = {
    **_WHO,
    "project": described(TEXT, "Only traces of this project."),
    "filter": {"type": "string", "maxLength": MAX_CHARS, "description": "Only traces that match, as for `listTraces`."},
    "from": described(TEXT, "Only traces that started then or later: a time, or how long ago (`24h`)."),
    "to": described(TEXT, "Only traces that started before then."),
    "each_reviewer": described(
        FLAG, "Every reviewer is to annotate every trace. Without it, one annotation by a person is enough."
    ),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "NewReview": record(_ASKED, "What to review, and who does.", absent=tuple(_ASKED.keys() - _WHO.keys())),
    "Review": record(
        {
            "trace_id": optional(TRACE_ID),
            "reserved_until": optional(TIME),
            "left": described(COUNT, f"Traces left to review, this one among them; counted up to {MAX_LEFT:,}."),
        },
        "The trace to review; null where nothing is left.",
    ),
    "SkippedReview": record({"trace_id": TRACE_ID, **_WHO}, "A trace that a reviewer leaves out."),
}

_operation: Final = partial(operation, schemas=SCHEMAS)

PATHS: Final[dict[str, Any]] = {
    "/api/v1/reviews/next": {
        "post": _operation(
            "nextReview",
            "Review",
            "Reserve the next trace to review",
            "The oldest that no person has annotated with this name; nobody else gets it for ten minutes. Asking again "
            "extends that; annotating it (`putAnnotations`, `annotator_kind` human, `identifier` the reviewer) or "
            "skipping it ends it.",
            [],
            (400, 413, 415, 429, 503),
            ("NewReview",),
        )
    },
    "/api/v1/reviews/skip": {
        "post": _operation(
            "skipReview",
            None,
            "Skip a trace",
            "Others can have it at once; this reviewer does not get it for 24 hours.",
            [],
            (400, 404, 413, 415, 429, 503),
            ("SkippedReview",),
        )
    },
}
