"""What storage promises about datasets, and about experiments with them.

Versions never change, and each change is one transaction: whatever crashes when, a version is there as a whole or not
at all. Changes of one dataset follow each other; each says what it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Change, Changed, Dataset, Example, Version
from collector.datasets.versions import DatasetDiff


class DatasetNameTaken(Exception):
    """There is a dataset, or an experiment with this dataset, of this name already."""


class VersionConflict(Exception):
    """The newest version is another one than the change was made for."""


class InUse(Exception):
    """Experiments were made with this dataset."""


#: A page ends before it has more characters of JSON than this, but for its first example.
MAX_PAGE_CHARS: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExampleQuery:
    """``version`` None: the newest. ``split``: this one alone."""

    dataset: str
    version: int | None = None
    split: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(slots=True)
class ExamplePage:
    """``version``: the one that was read, for the pages after this one. ``next_cursor`` is None on the last page."""

    version: int
    items: list[Example]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """Newest first. ``baseline``: the one with this tag (of each dataset)."""

    dataset: str | None = None
    name: str | None = None
    baseline: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(slots=True)
class ExperimentPage:
    items: list[Experiment]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentRunQuery:
    """By repetition, then example id."""

    experiment_id: bytes
    limit: int = 50
    cursor: str | None = None


@dataclass(slots=True)
class ExperimentRunPage:
    items: list[ExperimentRun]
    next_cursor: str | None = None


def within_page(sizes: Sequence[int]) -> int:
    """How many of the examples with so many characters each are on one page."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        if total > MAX_PAGE_CHARS and number:
            return number
    return len(sizes)


class ExperimentStore(Protocol):
    def add_experiment(self, experiment: Experiment, *, now_ns: int) -> Future[Experiment]:
        """With its id, ``created_ns`` and, where its state is not ``running``, ``ended_ns``. Another experiment of the
        dataset loses the ``baseline`` tag that this one gets. The future raises ``NotThere`` for a dataset or version
        that is not there, ``DatasetNameTaken`` for a name that the dataset's experiments have."""
        ...

    def change_experiment(
        self, experiment_id: bytes, changes: Mapping[str, Any], *, now_ns: int
    ) -> Future[Experiment | None]:
        """Replace ``metadata``, ``state``, ``baseline``; leaving ``running`` notes ``ended_ns``, going back to it
        forgets that. None where there is none."""
        ...

    def experiment(self, experiment_id: bytes) -> Experiment | None: ...

    def list_experiments(self, query: ExperimentQuery) -> ExperimentPage:
        """Raises ``BadCursor``."""
        ...

    def remove_experiment(self, experiment_id: bytes) -> Future[bool]:
        """With its runs. False where there is none."""
        ...

    def put_experiment_runs(
        self, experiment_id: bytes, runs: Sequence[ExperimentRun], *, now_ns: int
    ) -> Future[int | None]:
        """Store all of them in one transaction; each replaces the run of its example and repetition. Returns how many;
        None where there is no such experiment. The future raises ``NotThere`` where its version has no such
        example."""
        ...

    def list_experiment_runs(self, query: ExperimentRunQuery) -> ExperimentRunPage:
        """Empty for an experiment that is not there. Raises ``BadCursor``."""
        ...


class DatasetStore(ExperimentStore, Protocol):
    def list_datasets(self) -> list[Dataset]:
        """By name."""
        ...

    def dataset(self, name: str) -> Dataset | None: ...

    def add_dataset(self, dataset: Dataset, *, now_ns: int) -> Future[Dataset]:
        """Empty, at version 0, under the id that it has. The future raises ``DatasetNameTaken``."""
        ...

    def change_dataset(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Dataset | None]:
        """Replace ``name``, ``description`` or ``metadata``: its versions stay. None where there is none. The future
        raises ``DatasetNameTaken``."""
        ...

    def remove_dataset(self, name: str, *, experiments: bool = False) -> Future[bool]:
        """With all versions, and with the ``experiments`` that were made with it, else the future raises ``InUse``
        where there are any. False where there is none."""
        ...

    def change_examples(self, name: str, change: Change, *, now_ns: int) -> Future[Changed]:
        """Make the next version (see ``Change``); where nothing is otherwise than before, none is made. The future
        raises ``NotThere``, ``Invalid``, ``TooMany``, ``VersionConflict``."""
        ...

    def list_versions(self, name: str) -> list[Version]:
        """Newest first, with their tags. Raises ``NotThere``."""
        ...

    def version_of(self, name: str, reference: str | None) -> Version:
        """By number, by tag, or the newest (None or ``latest``). Raises ``NotThere``."""
        ...

    def tag_version(self, name: str, tag: str, version: int, *, now_ns: int) -> Future[bool]:
        """Give the version this tag, taking it from another; False where it has it. The future raises ``NotThere``."""
        ...

    def untag(self, name: str, tag: str) -> Future[bool]:
        """False where no version has it."""
        ...

    def list_examples(self, query: ExampleQuery) -> ExamplePage:
        """In the order they were added; fewer than ``limit`` where they are large. Raises ``NotThere`` and
        ``BadCursor``."""
        ...

    def examples_of(self, name: str, version: int, ids: Sequence[bytes]) -> list[Example]:
        """Those of a version with these ids, in no order."""
        ...

    def diff_versions(self, name: str, before: int, after: int) -> DatasetDiff:
        """Raises ``NotThere``."""
        ...
