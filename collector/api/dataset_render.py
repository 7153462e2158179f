"""Datasets and experiments as the API says them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from collector.api.values import timestamp, usd
from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Changed, Dataset, Example, Version, differing, document_of
from collector.datasets.versions import DatasetDiff


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id.hex(),
        "name": dataset.name,
        "description": dataset.description,
        "metadata": dict(dataset.metadata),
        "version": dataset.version,
        "example_count": dataset.example_count,
        "created_at": timestamp(dataset.created_ns),
        "updated_at": timestamp(dataset.updated_ns),
    }


def version_json(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "hash": version.hash,
        "example_count": version.example_count,
        "added": version.added,
        "updated": version.updated,
        "removed": version.removed,
        "note": version.note,
        "tags": list(version.tags),
        "created_at": timestamp(version.created_ns),
    }


def example_json(example: Example) -> dict[str, Any]:
    return document_of(example)


def changed_json(changed: Changed, skipped: int = 0) -> dict[str, Any]:
    return {
        "version": changed.version,
        "hash": changed.hash,
        "added": changed.added,
        "updated": changed.updated,
        "removed": changed.removed,
        "duplicates": changed.duplicates,
        "skipped": skipped,
        "ids": [one.hex() for one in changed.ids],
    }


def diff_json(diff: DatasetDiff, before: Iterable[Example], after: Iterable[Example]) -> dict[str, Any]:
    """``before`` and ``after`` are examples of the two versions: of what differs, those that are shown."""
    old, new = ({one.id: one for one in examples} for examples in (before, after))
    changed = [
        {
            "before": example_json(old[one]),
            "after": example_json(new[one]),
            "fields": list(differing(old[one], new[one])),
        }
        for one in diff.changed
        if one in old and one in new
    ]
    return {
        "from": diff.before,
        "to": diff.after,
        "added_count": len(diff.added),
        "removed_count": len(diff.removed),
        "changed_count": len(diff.changed),
        "added": [example_json(new[one]) for one in diff.added if one in new],
        "removed": [example_json(old[one]) for one in diff.removed if one in old],
        "changed": changed,
    }


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    assert experiment.id is not None
    return {
        "id": experiment.id.hex(),
        "name": experiment.name,
        "dataset": experiment.dataset,
        "version": experiment.version,
        "metadata": dict(experiment.metadata),
        "state": experiment.state,
        "baseline": experiment.baseline,
        "created_at": timestamp(experiment.created_ns),
        "ended_at": None if experiment.ended_ns is None else timestamp(experiment.ended_ns),
        "run_count": experiment.run_count,
        "error_count": experiment.error_count,
    }


def run_json(run: ExperimentRun) -> dict[str, Any]:
    return {
        "example_id": run.example_id.hex(),
        "repetition": run.repetition,
        "output": run.output,
        "error": run.error,
        "trace_id": None if run.trace_id is None else run.trace_id.hex(),
        "latency_ms": run.latency_ms,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "total_tokens": run.total_tokens,
        "cost": usd(run.cost),
        "scores": [dict(score) for score in run.scores],
        "started_at": None if run.started_ns is None else timestamp(run.started_ns),
        "updated_at": timestamp(run.updated_ns),
    }


def page_json(items: Sequence[Any], next_cursor: str | None, **more: Any) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": next_cursor, **more}
