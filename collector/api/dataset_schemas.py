"""JSON Schemas and paths of datasets for the OpenAPI document: field for field as they are read and rendered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from collector.api import params
from collector.api.operations import operation, path, query
from collector.api.schemas import (
    ANY,
    COUNT,
    FLAG,
    FREE,
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
from collector.datasets.formats.registry import FORMATS, MEDIA_TYPES
from collector.datasets.making import FIELDS as FROM_TRACES
from collector.datasets.making import MAX_MADE
from collector.datasets.model import FIELDS, MAX_EXAMPLES
from tracekit.redaction import PATTERNS

NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"}
ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_SPLIT: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"}
_SOURCE: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}(:[0-9a-f]{16})?$"}
_HASH: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_REFERENCE: Final = "A version's number, a tag, or `latest`"

_EXAMPLE: Final[dict[str, Schema]] = {
    "id": described(ID, "Stays the same through all versions."),
    "input": described(ANY, "Any JSON value but null."),
    "expected": described(ANY, "What would be right; null where nobody said."),
    "metadata": FREE,
    "split": described(optional(_SPLIT), "`train`, `test` or any other name."),
    "source": described(optional(_SOURCE), "What it was made from: `TRACE_ID:SPAN_ID`, or a whole trace."),
}
_COUNTS: Final[dict[str, Schema]] = {"added": COUNT, "updated": COUNT, "removed": COUNT}
_PLACE: Final[Schema] = {
    "anyOf": [TEXT, {"type": "object", "additionalProperties": {"type": "string"}}],
    "description": "A path (`output`, `metadata.topic`, `documents.0.text`), or an object of them.",
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Datasets": items("Dataset", "Every dataset, by name."),
    "Dataset": record(
        {
            "id": ID,
            "name": NAME,
            "description": optional(TEXT),
            "metadata": FREE,
            "version": described(COUNT, "The newest; 0 is the empty one that it begins with."),
            "example_count": described(COUNT, "Of the newest version."),
            "created_at": TIME,
            "updated_at": TIME,
        },
        "A dataset.",
    ),
    "NewDataset": record(
        {"name": NAME, "description": optional(TEXT), "metadata": FREE},
        "A dataset to be made, empty.",
        absent=("description", "metadata"),
    ),
    "DatasetChange": record(
        {"name": NAME, "description": optional(TEXT), "metadata": FREE},
        "Fields that are changed. Its versions stay.",
        absent=("name", "description", "metadata"),
    ),
    "Example": record(_EXAMPLE, "Something to try an application with."),
    "NewExample": record(
        {**_EXAMPLE, "id": described(ID, "Made of its content where it is not given.")},
        "An example to be added; with the id of one that is there, in place of that.",
        absent=("id", *FIELDS[1:]),
    ),
    "ExampleUpdate": record(_EXAMPLE, "Fields that are changed, by id.", absent=FIELDS),
    "ExamplePage": record(
        {
            "items": array(ref("Example")),
            "next_cursor": optional(TEXT),
            "version": described(COUNT, "The one that was read: ask for it on the next page."),
        },
        "Examples in the order they were added.",
    ),
    "ExamplesChange": record(
        {
            "add": array(ref("NewExample")),
            "update": array(ref("ExampleUpdate")),
            "remove": array(ID),
            "replace": described(FLAG, "What is not in `add` is removed: the version holds just that."),
            "deduplicate": described(
                FLAG, "Leave out what is there already, by input and expected output (true where it is not said)."
            ),
            "base_version": described(optional(COUNT), "Only if this is still the newest version; else 409."),
            "note": described(optional(TEXT), "Why: shown with the version."),
        },
        f"What makes the next version. A dataset holds {MAX_EXAMPLES} examples at most.",
        absent=("add", "update", "remove", "replace", "deduplicate", "base_version", "note"),
    ),
    "ExamplesChanged": record(
        {
            "version": described(COUNT, "The version that holds the change; the one before where nothing changed."),
            "hash": _HASH,
            **_COUNTS,
            "duplicates": described(COUNT, "Examples that were there already."),
            "skipped": described(COUNT, "Traces or spans that no example could be made of."),
            "ids": described(array(ID), "Of the examples that were given, in their order."),
        },
        "What a change came to.",
    ),
    "DatasetVersions": items("DatasetVersion", "Every version, newest first."),
    "DatasetVersion": record(
        {
            "version": COUNT,
            "hash": described(_HASH, "Of the examples: the same ones have the same hash everywhere."),
            "example_count": COUNT,
            **_COUNTS,
            "note": optional(TEXT),
            "tags": array(TEXT),
            "created_at": TIME,
        },
        "A version. It never changes; its tags do.",
    ),
    "DatasetDiff": record(
        {
            "from": COUNT,
            "to": COUNT,
            "added_count": COUNT,
            "removed_count": COUNT,
            "changed_count": COUNT,
            "added": array(ref("Example")),
            "removed": array(ref("Example")),
            "changed": array(ref("ExampleDifference")),
        },
        "How two versions differ: the counts are of all, the examples the first 200 of each.",
    ),
    "ExampleDifference": record(
        {"before": ref("Example"), "after": ref("Example"), "fields": array({"type": "string", "enum": list(FIELDS)})},
        "An example that both have.",
    ),
    "VersionTag": record({"version": COUNT}, "The version that the tag is for; another one loses it."),
    "FromTraces": record(
        {
            "target": {"type": "string", "enum": ["trace", "span"], "default": "trace"},
            "targets": described(array(_SOURCE), "These alone: `TRACE_ID` or `TRACE_ID:SPAN_ID`."),
            "project": TEXT,
            "filter": described(TEXT, "An expression of the filter language over the `target`."),
            "from": described(TEXT, "RFC 3339, a date, or how long ago: `24h`."),
            "to": TEXT,
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_MADE, "default": 1000},
            "input": described(_PLACE, "What becomes the input; `input` where it is not said."),
            "expected": {
                "anyOf": [*_PLACE["anyOf"], {"type": "null"}],
                "description": "What becomes the expected output; `output` where it is not said, nothing where null.",
            },
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Name to path."},
            "split": _SPLIT,
            "mask": {
                "anyOf": [FLAG, ref("ExampleMasking")],
                "description": "What is masked on the way; `true` for every pattern.",
            },
            "note": TEXT,
        },
        "Which traces or spans become examples, and how.",
        absent=FROM_TRACES,
    ),
    "ExampleMasking": record(
        {"patterns": array({"type": "string", "enum": list(PATTERNS)}), "keys": array(TEXT)},
        "Patterns, and names whose values are masked besides those of secrets.",
        absent=("patterns", "keys"),
    ),
    "DataFile": described({"type": "string", "format": "binary"}, "A file."),
}

_operation = partial(operation, schemas=SCHEMAS)
_ONE: Final = path("name", NAME, "The dataset's name.")
_TAG: Final = path("tag", _SPLIT, "A tag: no number, and not `latest`.")
_READ: Final = (400, 404, 503)
_BODY: Final = (400, 404, 409, 413, 415, 429, 503)
_VERSION: Final = query("version", TEXT, f"{_REFERENCE}; the newest where it is not said.")
_IN_SPLIT: Final = query("split", _SPLIT, "Only this split.")
LIMIT: Final = query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": params.MAX_LIMIT, "default": params.DEFAULT_LIMIT},
    f"On a page, {params.DEFAULT_LIMIT} where it is not said, {params.MAX_LIMIT} at most.",
)
CURSOR: Final = query("cursor", TEXT, "`next_cursor` of the page before, with the other parameters unchanged.")
_DATASETS: Final = "/api/v1/datasets"
_FILE: Final[Schema] = {"schema": ref("DataFile")}


def _exporting() -> dict[str, Any]:
    found = _operation(
        "exportDataset",
        "DataFile",
        "Export a version",
        f"As {', '.join(f'`{name}`' for name in FORMATS)}; formats that are folders as a zip archive.",
        [
            _ONE,
            query("format", {"type": "string", "enum": list(FORMATS)}, "`jsonl` where it is not said."),
            _VERSION,
            _IN_SPLIT,
        ],
        (400, 404, 501, 503),
    )
    types = (*dict.fromkeys(name for name in MEDIA_TYPES if name != "application/jsonl"), "application/zip")
    found["responses"]["200"]["content"] = dict.fromkeys(types, _FILE)
    return found


def _importing() -> dict[str, Any]:
    found = _operation(
        "importExamples",
        "ExamplesChanged",
        "Import a file",
        "JSONL, CSV or Parquet, as the Content-Type says. Columns are found by their usual names, or named. A file "
        "with faults changes nothing, and the answer names their lines.",
        [
            _ONE,
            query("input", TEXT, "The column that is the input; several, separated by commas, become an object."),
            query("expected", TEXT, "The column that is the expected output, likewise."),
            query("split", TEXT, "The column that names the split."),
            query("replace", FLAG, "`true`: the new version holds just what the file says."),
            query("deduplicate", FLAG, "`false`: add what is there already again."),
            query("note", TEXT, "Why: shown with the version."),
        ],
        (400, 404, 409, 413, 415, 429, 501, 503),
        ("DataFile",),
    )
    found["requestBody"]["content"] = dict.fromkeys(MEDIA_TYPES, _FILE)
    return found


PATHS: Final[dict[str, Any]] = {
    _DATASETS: {
        "get": _operation("listDatasets", "Datasets", "List datasets", "By name.", [], (400, 503)),
        "post": _operation(
            "addDataset",
            "Dataset",
            "Make a dataset",
            "Empty, at version 0.",
            [],
            (400, 409, 413, 415, 429, 503),
            ("NewDataset",),
            status=201,
        ),
    },
    f"{_DATASETS}/{{name}}": {
        "get": _operation("getDataset", "Dataset", "Read a dataset", "Without its examples.", [_ONE], _READ),
        "patch": _operation(
            "changeDataset",
            "Dataset",
            "Change a dataset",
            "Its name or what is said of it.",
            [_ONE],
            _BODY,
            ("DatasetChange",),
        ),
        "delete": _operation(
            "removeDataset",
            None,
            "Remove a dataset",
            "With all its versions. 409 where experiments were made with it, unless they go too.",
            [_ONE, query("experiments", FLAG, "`true`: with the experiments that were made with it.")],
            (400, 404, 409, 503),
        ),
    },
    f"{_DATASETS}/{{name}}/examples": {
        "get": _operation(
            "listExamples",
            "ExamplePage",
            "List examples",
            "Of a version, in the order they were added.",
            [_ONE, _VERSION, _IN_SPLIT, LIMIT, CURSOR],
            _READ,
        )
    },
    f"{_DATASETS}/{{name}}/changes": {
        "post": _operation(
            "changeExamples",
            "ExamplesChanged",
            "Make the next version",
            "Add, update and remove examples, all or none of it. Where nothing changes, no version is made.",
            [_ONE],
            _BODY,
            ("ExamplesChange",),
        )
    },
    f"{_DATASETS}/{{name}}/versions": {
        "get": _operation("listVersions", "DatasetVersions", "List versions", "Newest first, with tags.", [_ONE], _READ)
    },
    f"{_DATASETS}/{{name}}/diff": {
        "get": _operation(
            "diffVersions",
            "DatasetDiff",
            "Compare two versions",
            "What was added, removed and changed between them.",
            [
                _ONE,
                query("from", TEXT, f"{_REFERENCE}; the one before `to` where it is not said."),
                query("to", TEXT, f"{_REFERENCE}; the newest where it is not said."),
            ],
            _READ,
        )
    },
    f"{_DATASETS}/{{name}}/tags/{{tag}}": {
        "put": _operation(
            "tagVersion", "DatasetVersion", "Tag a version", "`prod`, `v1`.", [_ONE, _TAG], _BODY, ("VersionTag",)
        ),
        "delete": _operation("untagVersion", None, "Remove a tag", "The version stays.", [_ONE, _TAG], _READ),
    },
    f"{_DATASETS}/{{name}}/import": {"post": _importing()},
    f"{_DATASETS}/{{name}}/export": {"get": _exporting()},
    f"{_DATASETS}/{{name}}/from-traces": {
        "post": _operation(
            "addFromTraces",
            "ExamplesChanged",
            "Make examples of traces or spans",
            "Of those that a filter holds for, or of some by their ids.",
            [_ONE],
            _BODY,
            ("FromTraces",),
        )
    },
}
