"""JSON Schemas and paths of destinations, and of the queue, for the OpenAPI document: field for field as they are read
and rendered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, get_args

from collector.api.operations import operation, path
from collector.api.schemas import (
    COUNT,
    FREE,
    NUMBER,
    TEXT,
    TIME,
    Schema,
    array,
    described,
    items,
    optional,
    record,
    ref,
)
from collector.destinations import KINDS, Source, State
from collector.filters.parse import MAX_CHARS
from tracekit.redaction import PATTERNS

#: A destination that is asked whether it answers has so long; of what is buried, so much is listed.
CHECK_SECONDS: Final = 15.0
MAX_BURIED: Final = 100

_NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"}
_STATE: Final[Schema] = {"type": "string", "enum": list(get_args(State))}
_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_WHEN: Final = "RFC 3339, a date, or how long ago: `24h`"
_REFERENCE: Final = "`env:TRACEKIT_SECRET_NAME`, a variable of the collector's: never the secret itself"

_SETTINGS: Final[dict[str, Schema]] = {
    "name": _NAME,
    "kind": {"type": "string", "enum": list(KINDS)},
    "endpoint": described(TEXT, "Its address; of an archive a bucket, `s3://BUCKET/PREFIX`, or a directory."),
    "api_key": described(optional(TEXT), "Where its key is found: `env:NAME` or `file:/path`. Null where it has none."),
    "headers": described(_TEXTS, "Sent along. Values are texts, or say where they are found as `api_key` does."),
    "projects": described(array(TEXT), "These alone; all where it is empty."),
    "filter": described(optional(TEXT), "Spans that this expression of the filter language holds for; all where null."),
    "sample_rate": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "This part of the traces, each whole.",
    },
    "masking": optional(ref("Masking")),
    "options": described(FREE, "Of the kind."),
    "state": described(_STATE, "What is stored while it is paused waits for it."),
}
_OURS: Final[dict[str, Schema]] = {
    "source": {
        "type": "string",
        "enum": list(get_args(Source)),
        "description": "`config`: from the configuration file, and changed only there.",
    },
    "created_at": TIME,
}
_PROGRESS: Final[dict[str, Schema]] = {
    "waiting": described(COUNT, "Spans and annotations still to be sent."),
    "unverified": described(COUNT, "Spans that were sent and not seen there yet."),
    "buried": described(COUNT, "Spans and annotations that were given up."),
    "lag_seconds": described(NUMBER, "Age of the oldest thing that it has not taken; 0 where there is none."),
    "sent": described(COUNT, "Spans since it was made."),
    "skipped": described(
        COUNT, "Spans that are not for it: of other projects, not in its filter or sample, or from it."
    ),
    "rejected": described(COUNT, "Spans that it refused without saying which."),
    "retried": described(COUNT, "Times that something was sent again."),
    "annotated": described(COUNT, "Annotations since it was made."),
    "last_sent_at": optional(TIME),
    "last_error": described(optional(TEXT), "What it, or the network, said last."),
    "last_error_at": optional(TIME),
}
#: What may be left out, or null: then it is what the text says.
_GIVEN: Final[dict[str, Schema]] = {
    **_SETTINGS,
    "endpoint": described(TEXT, "Its address; of an archive a bucket, `s3://BUCKET/PREFIX`."),
    "api_key": described(optional(TEXT), f"Where its key is found: {_REFERENCE}."),
    "headers": described(
        optional(_TEXTS), f"Sent along. Values are texts; those of names that mean secrets are given as {_REFERENCE}."
    ),
    "projects": described(optional(array(TEXT)), "These alone; all where it is empty."),
    "filter": {**optional(TEXT), "maxLength": MAX_CHARS, "description": "An expression over spans: `kind == 'llm'`."},
    "sample_rate": described(optional(_SETTINGS["sample_rate"]), "This part of the traces, each whole; 1 is all."),
    "masking": optional(ref("NewMasking")),
    "options": described(optional(FREE), "Of the kind; names that it does not know are refused."),
    "state": described({**_STATE, "default": "active"}, "What is stored while it is paused waits for it."),
}

_MASKING: Final[dict[str, Schema]] = {
    "patterns": array({"type": "string", "enum": list(PATTERNS)}),
    "keys": described(array(TEXT), "Names whose values are masked besides those of secrets."),
}

_ID: Final[Schema] = {"type": "integer", "minimum": 1}
_BURIED_ITEM: Final = record(
    {
        "id": _ID,
        "reason": described(TEXT, "Why: what the destination said."),
        "attempts": COUNT,
        "batch": described(COUNT, "The stored batch; 0 for annotations."),
        "count": described(optional(COUNT), "How many spans or annotations; null where it is a whole batch."),
        "spans": described(
            optional(array({"type": "string", "pattern": "^[0-9a-f]{32}:[0-9a-f]{16}$"})), "`TRACE_ID:SPAN_ID`."
        ),
        "annotations": described(
            optional(array({"type": "string", "pattern": "^[0-9a-f]{32}$"})), "Ids, without hyphens."
        ),
        "created_at": TIME,
    },
    "Something that a destination refused for good, or that was given up.",
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Destinations": items("DestinationStatus", "Every destination, by name, and how it goes."),
    "DestinationStatus": record(
        _SETTINGS | _OURS | _PROGRESS, "Where spans are sent on to, and how that goes. Secrets are never said."
    ),
    "Destination": record(_SETTINGS | _OURS, "Where spans are sent on to. Secrets are never said."),
    "NewDestination": record(
        {
            **_GIVEN,
            "from": described(optional(TEXT), f"Send what was stored since then, too: {_WHEN}. Else from now on."),
        },
        "A destination to be added.",
        absent=(*(name for name in _GIVEN if name not in ("name", "kind", "endpoint")), "from"),
    ),
    "DestinationChange": record(
        _GIVEN,
        "Fields that are changed; null is as if it had never been given. The kind cannot be changed.",
        absent=tuple(_GIVEN),
    ),
    "Masking": record(_MASKING, "What is masked in what is sent there."),
    "NewMasking": record(
        _MASKING,
        "What is masked in what is sent there: all patterns where none are named.",
        absent=tuple(_MASKING),
    ),
    "Buried": items("BuriedItem", f"What was given up, the latest first, {MAX_BURIED} at most."),
    "BuriedItem": _BURIED_ITEM,
    "Tested": record(
        {"ok": {"type": "boolean"}, "detail": described(TEXT, "What answered, or why nothing did.")},
        "Whether the destination answers and takes the key.",
    ),
    "Replay": record(
        {
            "from": described(TEXT, f"What was stored then or later: {_WHEN}."),
            "to": described(optional(TEXT), "And before then; now where it is not said."),
        },
        "A stretch of time.",
        absent=("to",),
    ),
    "Replayed": record({"spans": COUNT}, "How many spans were stored in this time."),
    "Which": record(
        {"id": described(optional(_ID), "A buried item; all of them where it is not said.")},
        "Which of the buried items.",
        absent=("id",),
    ),
    "Empty": record({}, "An empty object."),
    "Items": record({"items": COUNT}, "How many items there were."),
}

_operation = partial(operation, schemas=SCHEMAS)
_ONE: Final = path("name", _NAME, "The destination's name.")
_READ: Final = (400, 404, 503)
_BODY: Final = (400, 404, 413, 415, 429, 503)
_DESTINATIONS: Final = "/api/v1/destinations"

PATHS: Final[dict[str, Any]] = {
    _DESTINATIONS: {
        "get": _operation(
            "listDestinations", "Destinations", "List destinations", "By name, with how it goes.", [], (400, 503)
        ),
        "post": _operation(
            "addDestination",
            "Destination",
            "Add a destination",
            "Everything that is stored from then on, and with `from` what was stored since then, is sent there. A "
            "destination over the network names only secrets in variables of their own, and no directories or files.",
            [],
            (400, 409, 413, 415, 429, 503),
            ("NewDestination",),
            status=201,
        ),
    },
    f"{_DESTINATIONS}/{{name}}": {
        "get": _operation(
            "getDestination", "DestinationStatus", "Read a destination", "With how it goes.", [_ONE], _READ
        ),
        "patch": _operation(
            "changeDestination",
            "Destination",
            "Change a destination",
            "Pause it, resume it, change what it gets. Of one from the configuration file `state` alone can be "
            "changed, until the next start. What was queued before is sent by the new settings.",
            [_ONE],
            (400, 404, 409, 413, 415, 429, 503),
            ("DestinationChange",),
        ),
        "delete": _operation(
            "removeDestination",
            None,
            "Remove a destination",
            "With everything that waits for it. What it has got stays there; what is stored stays here.",
            [_ONE],
            (400, 404, 409, 503),
        ),
    },
    f"{_DESTINATIONS}/{{name}}/buried": {
        "get": _operation("listBuried", "Buried", "List what was given up", "With the reasons.", [_ONE], _READ)
    },
    f"{_DESTINATIONS}/{{name}}/test": {
        "post": _operation(
            "testDestination",
            "Tested",
            "Test a destination",
            f"Asks it, for {CHECK_SECONDS:g} seconds at most, whether it answers and takes the key. The answer is 200 "
            "either way.",
            [_ONE],
            (400, 404, 415, 503),
            ("Empty",),
        )
    },
    f"{_DESTINATIONS}/{{name}}/replay": {
        "post": _operation(
            "replay",
            "Replayed",
            "Send again",
            "What was stored in this time, what is buried of it too. What waits already is not queued twice.",
            [_ONE],
            _BODY,
            ("Replay",),
        )
    },
    f"{_DESTINATIONS}/{{name}}/retry": {
        "post": _operation("retryBuried", "Items", "Try again", "What was given up.", [_ONE], _BODY, ("Which",))
    },
    f"{_DESTINATIONS}/{{name}}/drop": {
        "post": _operation(
            "dropBuried", "Items", "Forget", "What was given up. It stays stored here.", [_ONE], _BODY, ("Which",)
        )
    },
    "/api/v1/queue/{consumer}/retry": {
        "post": _operation(
            "retryQueue",
            "Items",
            "Try the collector's own work again",
            "Summaries and the index: what was given up of it.",
            [path("consumer", {"type": "string", "enum": ["index", "summarise"]}, "What works on it.")],
            _BODY,
            ("Empty",),
        )
    },
}
