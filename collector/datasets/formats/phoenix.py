"""A dataset as Phoenix takes it at ``POST /v1/datasets/upload`` (arize-phoenix 20). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collector.datasets.model import Dataset, Example


def body(dataset: Dataset, examples: Sequence[Example]) -> dict[str, Any]:
    """``update``: Phoenix makes a version of just these, and knows them again by their ids. Inputs and outputs are
    objects there: what is none becomes ``{"input": ...}`` and ``{"expected": ...}``."""
    return {
        "action": "update",
        "name": dataset.name,
        "description": dataset.description or "",
        "inputs": [wrapped("input", one.input) for one in examples],
        "outputs": [{} if one.expected is None else wrapped("expected", one.expected) for one in examples],
        "metadata": [_metadata(one) for one in examples],
        "splits": [one.split for one in examples],
        "span_ids": [one.source.partition(":")[2] or None if one.source else None for one in examples],
        "example_ids": [one.id.hex() if one.id else None for one in examples],
    }


def wrapped(name: str, value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _metadata(example: Example) -> dict[str, Any]:
    return {**example.metadata, **({"tracekit_source": example.source} if example.source else {})}
