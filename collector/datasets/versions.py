"""Finding a version, and telling two apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collector.datasets.model import LATEST, Known, Version
from collector.datasets.plan import NotThere


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """From ``before`` to ``after``: ids in the order of examples."""

    before: int
    after: int
    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    changed: tuple[bytes, ...]


def difference(before: int, after: int, old: Mapping[bytes, Known], new: Mapping[bytes, Known]) -> DatasetDiff:
    """Of what is kept of two versions' examples."""

    def ordered(ids: Iterable[bytes], known: Mapping[bytes, Known]) -> tuple[bytes, ...]:
        return tuple(sorted(ids, key=lambda one: known[one].position))

    changed = (one for one in old.keys() & new.keys() if old[one].hash != new[one].hash)
    return DatasetDiff(
        before,
        after,
        ordered(new.keys() - old.keys(), new),
        ordered(old.keys() - new.keys(), old),
        ordered(changed, new),
    )


def found_version(versions: Sequence[Version], reference: str | None) -> Version:
    """By number, by tag, or the newest (None or ``latest``); ``versions`` are newest first. Raises ``NotThere``."""
    if reference in (None, LATEST):
        return versions[0]
    for one in versions:
        if reference == str(one.version) or reference in one.tags:
            return one
    raise NotThere(f"there is no version or tag {reference}")


def no_dataset(name: str) -> NotThere:
    return NotThere(f"there is no dataset {name}")
