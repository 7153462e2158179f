"""Datasets, their examples and versions, as the Datasets page shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from collector.datasets.model import SOURCE, Dataset, Example, Version, differing
from collector.datasets.versions import DatasetDiff
from dashboards import format as fmt

#: A value is cut to so many characters; longer than one line, it opens.
MAX_TEXT: Final = 8_000
_LINE: Final = 240


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value: its first line, and the ``whole`` where that says more. ``missing``: there is none."""

    first: str
    whole: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class DatasetRow:
    name: str
    path: str
    description: str
    version: str
    examples: str
    tags: list[tuple[str, str]]
    updated_ns: int


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """``trace_id`` is empty where nothing is known of where it came from."""

    id: str
    input: Value
    expected: Value
    split: str
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    version: str
    hash: str
    tags: tuple[str, ...]
    examples: str
    change: str
    note: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class DiffRow:
    """``before`` is None for what was added, ``after`` for what was removed; ``fields`` say what was changed."""

    kind: str
    id: str
    fields: str
    before: ExampleRow | None
    after: ExampleRow | None


def row(dataset: Dataset, versions: Sequence[Version]) -> DatasetRow:
    return DatasetRow(
        name=dataset.name,
        path=quote(dataset.name, safe=""),
        description=fmt.line(dataset.description),
        version=str(dataset.version),
        examples=fmt.count(dataset.example_count),
        tags=[(tag, str(one.version)) for one in versions for tag in one.tags],
        updated_ns=dataset.updated_ns or dataset.created_ns,
    )


def value(found: Any) -> Value:
    if found is None:
        return Value(fmt.UNKNOWN, missing=True)
    whole, first = fmt.pretty(found), fmt.line(found, _LINE)
    if whole.strip() == first or (len(first) < _LINE and not isinstance(found, str)):
        return Value(first or '""')
    cut = len(whole) - MAX_TEXT
    return Value(first, whole[:MAX_TEXT] + (f"\n… {cut:,} more characters" if cut > 0 else ""))


def example(found: Example) -> ExampleRow:
    known = found.source if found.source and SOURCE.fullmatch(found.source) else ""
    trace_id, _, span_id = known.partition(":")
    return ExampleRow(
        id=found.id.hex() if found.id else "",
        input=value(found.input),
        expected=value(found.expected),
        split=found.split or "",
        trace_id=trace_id,
        span_id=span_id,
    )


def version(found: Version) -> VersionRow:
    said = ((found.added, "added"), (found.updated, "updated"), (found.removed, "removed"))
    return VersionRow(
        version=str(found.version),
        hash=found.hash,
        tags=found.tags,
        examples=fmt.count(found.example_count),
        change=", ".join(f"{fmt.count(number)} {word}" for number, word in said if number),
        note=fmt.line(found.note),
        created_ns=found.created_ns,
    )


def diff_words(diff: DatasetDiff) -> str:
    """``2 added, 1 changed``."""
    said = ((diff.added, "added"), (diff.removed, "removed"), (diff.changed, "changed"))
    return ", ".join(f"{fmt.count(len(ids))} {word}" for ids, word in said if ids) or "the same examples"


def diff_rows(diff: DatasetDiff, before: Iterable[Example], after: Iterable[Example], limit: int) -> list[DiffRow]:
    """Changed ones first. ``before``, ``after``: what is known of each version's examples."""
    old, new = _by_id(before), _by_id(after)
    found = []
    for kind, ids in (("changed", diff.changed), ("added", diff.added), ("removed", diff.removed)):
        for one in ids:
            was, now = old.get(one), new.get(one)
            fields = ", ".join(differing(was, now)) if was is not None and now is not None else ""
            found.append(DiffRow(kind, one.hex(), fields, _shown(was), _shown(now)))
    return found[:limit]


def _shown(found: Example | None) -> ExampleRow | None:
    return None if found is None else example(found)


def _by_id(examples: Iterable[Example]) -> Mapping[bytes, Example]:
    return {one.id: one for one in examples if one.id is not None}
