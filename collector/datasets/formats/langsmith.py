"""A dataset as LangSmith has it (``/datasets`` and ``/examples``, as langsmith 0.15 sends and reads them). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from collector.datasets.formats.phoenix import wrapped
from collector.datasets.model import Dataset, Example, canonical

#: What LangSmith keeps of ours beside an example.
OURS = "tracekit"
#: Where LangSmith puts examples without a split.
_BASE = "base"


@dataclass(frozen=True, slots=True)
class Sync:
    """What makes LangSmith's dataset the same as ours. ``add`` and ``change``: examples as they are sent;
    ``remove``: ids."""

    add: list[dict[str, Any]]
    change: list[dict[str, Any]]
    remove: list[str]


def dataset_body(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "data_type": "kv",
        "description": dataset.description or "",
        "extra": {"metadata": dict(dataset.metadata)},
    }


def example_body(dataset: Dataset, dataset_id: str, example: Example) -> dict[str, Any]:
    """Ids of examples are unique in all of LangSmith: so ours are mixed with that of the dataset there."""
    assert example.id is not None
    digest = sha256(UUID(dataset_id).bytes + dataset.id + example.id).digest()
    return {
        "id": str(UUID(bytes=digest[:16], version=5)),
        "dataset_id": dataset_id,
        "inputs": wrapped("input", example.input),
        "outputs": None if example.expected is None else wrapped("expected", example.expected),
        "metadata": {**example.metadata, OURS: {"id": example.id.hex(), "source": example.source}},
        "split": example.split or _BASE,
    }


def sync(dataset: Dataset, dataset_id: str, examples: Sequence[Example], there: Iterable[Mapping[str, Any]]) -> Sync:
    """``there``: examples as LangSmith lists them. Those that somebody else put there are left alone."""
    known = {str(one.get("id")): one for one in there if OURS in (one.get("metadata") or {})}
    wanted = {one["id"]: one for one in (example_body(dataset, dataset_id, example) for example in examples)}
    return Sync(
        [one for id_, one in wanted.items() if id_ not in known],
        [one for id_, one in wanted.items() if id_ in known and _said(known[id_]) != _said(one)],
        [id_ for id_ in known if id_ not in wanted],
    )


def _said(example: Mapping[str, Any]) -> list[bytes]:
    """What is compared. LangSmith answers with the split among the metadata."""
    metadata = dict(example.get("metadata") or {})
    split = metadata.pop("dataset_split", None) or [example.get("split") or _BASE]
    return [canonical(one) for one in (example.get("inputs"), example.get("outputs") or None, metadata, split)]
