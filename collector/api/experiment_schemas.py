"""JSON Schemas and paths of experiments for the OpenAPI document."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from collector.api.dataset_schemas import CURSOR, ID, LIMIT, NAME
from collector.api.operations import operation, path, query
from collector.api.schemas import (
    ANY,
    COUNT,
    FREE,
    NUMBER,
    TEXT,
    TIME,
    TRACE_ID,
    USD,
    Schema,
    array,
    described,
    optional,
    record,
    ref,
)
from collector.datasets.experiments import MAX_REPETITIONS, STATES

_STATE: Final[Schema] = {"type": "string", "enum": list(STATES)}
_BASELINE: Final = described(
    optional(TEXT), "A tag that one experiment of a dataset has at a time (`main`): another one loses it."
)
_SCORE: Final[Schema] = {
    "type": "object",
    "properties": {"name": TEXT},
    "required": ["name"],
    "additionalProperties": True,
    "description": "`name`, and what the evaluator said: `score`, `label`, `explanation`, `metadata`.",
}
_RUN: Final[dict[str, Schema]] = {
    "example_id": ID,
    "repetition": {"type": "integer", "minimum": 0, "maximum": MAX_REPETITIONS - 1},
    "output": ANY,
    "error": described(optional(TEXT), "Why there is no output."),
    "trace_id": optional(TRACE_ID),
    "latency_ms": optional(NUMBER),
    "input_tokens": optional(COUNT),
    "output_tokens": optional(COUNT),
    "total_tokens": optional(COUNT),
    "cost": optional(USD),
    "scores": array(_SCORE),
    "started_at": optional(TIME),
    "updated_at": TIME,
}
_SAID: Final = {
    **{name: schema for name, schema in _RUN.items() if name != "updated_at"},
    "cost": {"anyOf": [NUMBER, USD, {"type": "null"}], "description": "In US dollars."},
    "started_at": optional(TEXT),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "ExperimentPage": record(
        {"items": array(ref("Experiment")), "next_cursor": optional(TEXT)}, "Experiments, newest first."
    ),
    "Experiment": record(
        {
            "id": ID,
            "name": NAME,
            "dataset": NAME,
            "version": COUNT,
            "metadata": FREE,
            "state": _STATE,
            "baseline": _BASELINE,
            "created_at": TIME,
            "ended_at": optional(TIME),
            "run_count": COUNT,
            "error_count": described(COUNT, "Runs that have an error."),
        },
        "A task, tried on the examples of a dataset's version.",
    ),
    "NewExperiment": record(
        {
            "name": NAME,
            "dataset": NAME,
            "version": {
                "anyOf": [COUNT, TEXT, {"type": "null"}],
                "description": "A version's number, or a tag; the newest where it is not said.",
            },
            "metadata": FREE,
            "state": {**_STATE, "default": "running"},
            "baseline": _BASELINE,
        },
        "An experiment that begins.",
        absent=("version", "metadata", "state", "baseline"),
    ),
    "ExperimentChange": record(
        {"metadata": FREE, "state": _STATE, "baseline": _BASELINE},
        "Fields that are changed.",
        absent=("metadata", "state", "baseline"),
    ),
    "ExperimentRunPage": record(
        {"items": array(ref("ExperimentRun")), "next_cursor": optional(TEXT)}, "Runs by repetition, then example id."
    ),
    "ExperimentRun": record(_RUN, "One try of one example."),
    "NewExperimentRun": record(
        _SAID, "One try of one example.", absent=tuple(name for name in _SAID if name != "example_id")
    ),
    "NewExperimentRuns": record({"runs": array(ref("NewExperimentRun"))}, "Runs to be stored."),
    "StoredRuns": record({"stored": COUNT}, "How many runs were stored."),
}

_operation = partial(operation, schemas=SCHEMAS)
_ONE: Final = path("experiment_id", ID, "The experiment's id.")
_BODY: Final = (400, 404, 413, 415, 429, 503)
_EXPERIMENTS: Final = "/api/v1/experiments"

PATHS: Final[dict[str, Any]] = {
    _EXPERIMENTS: {
        "get": _operation(
            "listExperiments",
            "ExperimentPage",
            "List experiments",
            "Newest first.",
            [
                query("dataset", TEXT, "Only with this dataset."),
                query("name", TEXT, "Only of this name."),
                query("baseline", TEXT, "Only the one with this tag."),
                LIMIT,
                CURSOR,
            ],
            (400, 503),
        ),
        "post": _operation(
            "addExperiment",
            "Experiment",
            "Begin an experiment",
            "409 where the dataset has one of this name already: read that, and go on with it.",
            [],
            (400, 404, 409, 413, 415, 429, 503),
            ("NewExperiment",),
            status=201,
        ),
    },
    f"{_EXPERIMENTS}/{{experiment_id}}": {
        "get": _operation(
            "getExperiment", "Experiment", "Read an experiment", "Without runs.", [_ONE], (400, 404, 503)
        ),
        "patch": _operation(
            "changeExperiment",
            "Experiment",
            "Change an experiment",
            "End it, or make it a baseline.",
            [_ONE],
            _BODY,
            ("ExperimentChange",),
        ),
        "delete": _operation(
            "removeExperiment", None, "Remove an experiment", "With its runs.", [_ONE], (400, 404, 503)
        ),
    },
    f"{_EXPERIMENTS}/{{experiment_id}}/runs": {
        "get": _operation(
            "listExperimentRuns",
            "ExperimentRunPage",
            "List runs",
            "What was tried already: what an interrupted experiment goes on from.",
            [_ONE, LIMIT, CURSOR],
            (400, 404, 503),
        ),
        "post": _operation(
            "putExperimentRuns",
            "StoredRuns",
            "Store runs",
            "All or none. A run of the same example and repetition is replaced.",
            [_ONE],
            _BODY,
            ("NewExperimentRuns",),
        ),
    },
}
