"""Datasets, examples, experiments and their runs to rows and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Dataset, Example, Known, Version, canonical, said_json

RUN_COLUMNS: Final = (
    "repetition", "example_id", "output", "error", "trace_id", "latency_ms", "input_tokens", "output_tokens",
    "total_tokens", "cost", "scores", "started_ns", "updated_ns",
)  # fmt: skip


def dataset_of(row: Any) -> Dataset:
    return Dataset(
        bytes(row.id), row.name, row.description, orjson.loads(row.metadata), row.version, row.example_count,
        row.created_ns, row.updated_ns,
    )  # fmt: skip


def version_of(row: Any, tags: tuple[str, ...]) -> Version:
    return Version(
        row.version, row.hash, row.example_count, row.added, row.updated, row.removed, row.note, row.created_ns, tags
    )


def known_by_id(rows: Iterable[Any]) -> dict[bytes, Known]:
    """Of rows with example_id, position, hash and same, in this order: there may be 100,000 of them."""
    return {one: Known(position, hash_, same) for one, position, hash_, same in rows}


def example_cells(dataset_id: bytes, version: int, example: Example, known: Known) -> dict[str, Any]:
    return {
        "dataset_id": dataset_id,
        "position": known.position,
        "since": version,
        "example_id": example.id,
        "hash": known.hash,
        "same": known.same,
        "split": example.split,
        "source": example.source,
        "data": said_json(example),
    }


def example_of(row: Any) -> Example:
    said = orjson.loads(row.data)
    return Example(said["input"], said["expected"], said["metadata"], row.split, row.source, bytes(row.example_id))


def experiment_of(row: Any) -> Experiment:
    return Experiment(
        row.name, row.dataset, row.version, orjson.loads(row.metadata), row.state, row.baseline, bytes(row.id),
        row.created_ns, row.ended_ns, row.run_count, row.error_count,
    )  # fmt: skip


def run_cells(run: ExperimentRun) -> dict[str, Any]:
    found = {name: getattr(run, name) for name in RUN_COLUMNS}
    # Text columns of PostgreSQL take no NUL; in JSON it is written as an escape.
    error = None if run.error is None else run.error.replace("\0", "\ufffd")
    output = None if run.output is None else canonical(run.output).decode()
    return {**found, "error": error, "output": output, "scores": canonical(list(run.scores)).decode()}


def run_of(row: Any) -> ExperimentRun:
    found = {name: getattr(row, name) for name in RUN_COLUMNS}
    found["example_id"] = bytes(row.example_id)
    found["trace_id"] = None if row.trace_id is None else bytes(row.trace_id)
    found["output"] = None if row.output is None else orjson.loads(row.output)
    found["scores"] = tuple(orjson.loads(row.scores))
    return ExperimentRun(**found)
