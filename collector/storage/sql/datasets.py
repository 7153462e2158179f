"""``DatasetStore`` over a ``Database``, but for experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import IntegrityError

from collector.datasets.model import Change, Changed, Dataset, Example, Known, Version, version_hash
from collector.datasets.plan import NotThere, Plan, plan
from collector.datasets.versions import DatasetDiff, difference, found_version, no_dataset
from collector.storage import cursor, keyset
from collector.storage.datasets_api import (
    DatasetNameTaken,
    ExamplePage,
    ExampleQuery,
    InUse,
    VersionConflict,
    within_page,
)
from collector.storage.sql.dataset_rows import dataset_of, example_cells, example_of, known_by_id, version_of
from collector.storage.sql.engine import Database

_IDS: Final = 500
_DATASETS: Final = (
    "SELECT d.*, v.example_count FROM datasets d JOIN dataset_versions v "
    "ON v.dataset_id = d.id AND v.version = d.version"
)
_ALL: Final = text(f"{_DATASETS} ORDER BY d.name")
_BY_NAME: Final = text(f"{_DATASETS} WHERE d.name = :name")
#: Changes of one dataset take turns.
_LOCKED: Final = {
    "sqlite": text("SELECT id FROM datasets WHERE name = :name"),
    "postgresql": text("SELECT id FROM datasets WHERE name = :name FOR UPDATE"),
}
_ADD: Final = text(
    "INSERT INTO datasets (id, name, description, metadata, version, created_ns, updated_ns) "
    "VALUES (:id, :name, :description, :metadata, 0, :now, :now)"
)
_SET: Final = text(
    "UPDATE datasets SET name = :name, description = :description, metadata = :metadata, updated_ns = :now "
    "WHERE id = :id"
)
_ADD_VERSION: Final = text(
    "INSERT INTO dataset_versions (dataset_id, version, hash, example_count, added, updated, removed, note, created_ns)"
    " VALUES (:id, :version, :hash, :count, :added, :updated, :removed, :note, :now)"
)
_NEWEST: Final = text("UPDATE datasets SET version = :version, updated_ns = :now WHERE id = :id")
_IN_VERSION: Final = "dataset_id = :id AND since <= :version AND (until IS NULL OR until > :version)"
_INDEX: Final = text(f"SELECT example_id, position, hash, same FROM dataset_examples WHERE {_IN_VERSION}")
_SOME: Final = text(f"SELECT * FROM dataset_examples WHERE {_IN_VERSION} AND example_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_PAGE: Final = (
    f"SELECT {{columns}} FROM dataset_examples WHERE {_IN_VERSION} AND position > :after{{split}} "
    "ORDER BY position LIMIT :limit"
)
_SIZES, _PAGES = (
    {split: text(_PAGE.format(columns=columns, split=split)) for split in ("", " AND split = :split")}
    for columns in ("length(data)", "*")
)
_END: Final = text(
    "UPDATE dataset_examples SET until = :version WHERE dataset_id = :id AND position = :position AND until IS NULL"
)
_WRITE: Final = text(
    "INSERT INTO dataset_examples (dataset_id, position, since, example_id, hash, same, split, source, data) "
    "VALUES (:dataset_id, :position, :since, :example_id, :hash, :same, :split, :source, :data)"
)
_VERSIONS: Final = text("SELECT * FROM dataset_versions WHERE dataset_id = :id ORDER BY version DESC")
_TAGS: Final = text("SELECT tag, version FROM dataset_tags WHERE dataset_id = :id ORDER BY tag")
_TAG: Final = text(
    "INSERT INTO dataset_tags (dataset_id, tag, version, created_ns) VALUES (:id, :tag, :version, :now) "
    "ON CONFLICT (dataset_id, tag) DO UPDATE SET version = excluded.version, created_ns = excluded.created_ns"
)
_UNTAG: Final = text("DELETE FROM dataset_tags WHERE dataset_id = :id AND tag = :tag")
_EXPERIMENTS: Final = text("SELECT count(*) FROM experiments WHERE dataset_id = :id")
_REMOVE: Final = (
    text("DELETE FROM experiment_runs WHERE experiment_id IN (SELECT id FROM experiments WHERE dataset_id = :id)"),
    *(text(f"DELETE FROM {table} WHERE dataset_id = :id") for table in (
        "experiments", "dataset_examples", "dataset_tags", "dataset_versions",
    )),
    text("DELETE FROM datasets WHERE id = :id"),
)  # fmt: skip


class SqlDatasets:
    _database: Database

    def list_datasets(self) -> list[Dataset]:
        with self._database.read() as connection:
            return [dataset_of(row) for row in connection.execute(_ALL)]

    def dataset(self, name: str) -> Dataset | None:
        with self._database.read() as connection:
            return _named(connection, name)

    def add_dataset(self, dataset: Dataset, *, now_ns: int) -> Future[Dataset]:
        def job(connection: Connection) -> Dataset:
            try:
                with connection.begin_nested():
                    connection.execute(_ADD, _cells(dataset, now_ns))
            except IntegrityError:
                raise DatasetNameTaken(f"there is a dataset named {dataset.name} already") from None
            _add_version(connection, dataset.id, Changed(0, version_hash(()), 0, 0, 0, 0, ()), 0, None, now_ns)
            return replace(dataset, version=0, example_count=0, created_ns=now_ns, updated_ns=now_ns)

        return self._database.write(job)

    def change_dataset(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Dataset | None]:
        def job(connection: Connection) -> Dataset | None:
            known = _locked(connection, name)
            if known is None:
                return None
            changed = replace(known, **changes, updated_ns=now_ns)
            try:
                with connection.begin_nested():
                    connection.execute(_SET, _cells(changed, now_ns))
            except IntegrityError:
                raise DatasetNameTaken(f"there is a dataset named {changed.name} already") from None
            return changed

        return self._database.write(job)

    def remove_dataset(self, name: str, *, experiments: bool = False) -> Future[bool]:
        def job(connection: Connection) -> bool:
            known = _locked(connection, name)
            if known is None:
                return False
            made = connection.execute(_EXPERIMENTS, {"id": known.id}).scalar_one()
            if made and not experiments:
                raise InUse(f"{made} experiments were made with {name}")
            for statement in _REMOVE:
                connection.execute(statement, {"id": known.id})
            return True

        return self._database.write(job)

    def change_examples(self, name: str, change: Change, *, now_ns: int) -> Future[Changed]:
        def job(connection: Connection) -> Changed:
            known = _locked(connection, name)
            if known is None:
                raise no_dataset(name)
            if change.base_version not in (None, known.version):
                raise VersionConflict(f"the newest version of {name} is {known.version}, not {change.base_version}")
            where = {"id": known.id, "version": known.version}
            before = known_by_id(connection.execute(_INDEX, where))
            found = plan(before, change, lambda ids: _some(connection, known.id, known.version, ids))
            if found.nothing:
                return found.outcome(known.version)
            outcome = found.outcome(known.version + 1)
            _write_examples(connection, known.id, outcome.version, before, found)
            _add_version(connection, known.id, outcome, len(found.after), change.note, now_ns)
            connection.execute(_NEWEST, {"id": known.id, "version": outcome.version, "now": now_ns})
            return outcome

        return self._database.write(job)

    def list_versions(self, name: str) -> list[Version]:
        with self._database.read() as connection:
            return _versions(connection, _there(connection, name))

    def version_of(self, name: str, reference: str | None) -> Version:
        with self._database.read() as connection:
            return found_version(_versions(connection, _there(connection, name)), reference)

    def tag_version(self, name: str, tag: str, version: int, *, now_ns: int) -> Future[bool]:
        def job(connection: Connection) -> bool:
            known = _locked(connection, name)
            if known is None:
                raise no_dataset(name)
            found = found_version(_versions(connection, known), str(version))
            if tag in found.tags:
                return False
            connection.execute(_TAG, {"id": known.id, "tag": tag, "version": version, "now": now_ns})
            return True

        return self._database.write(job)

    def untag(self, name: str, tag: str) -> Future[bool]:
        def job(connection: Connection) -> bool:
            known = _locked(connection, name)
            return known is not None and connection.execute(_UNTAG, {"id": known.id, "tag": tag}).rowcount > 0

        return self._database.write(job)

    def list_examples(self, query: ExampleQuery) -> ExamplePage:
        mark = cursor.example_mark(query)
        after = keyset.decode(mark, query.cursor)
        with self._database.read() as connection:
            known = _there(connection, query.dataset)
            version = _checked_version(known, query.version)
            values = {"id": known.id, "version": version, "after": after[0] if after else 0, "limit": query.limit + 1}
            if query.split is not None:
                values["split"] = query.split
            split = "" if query.split is None else " AND split = :split"
            sizes = [row[0] for row in connection.execute(_SIZES[split], values)]
            fitting = within_page(sizes[: query.limit])
            page = connection.execute(_PAGES[split], {**values, "limit": fitting}).all()
        more = len(sizes) > fitting
        last = keyset.encode(mark, page[-1].position, bytes(page[-1].example_id)) if more else None
        return ExamplePage(version, [example_of(row) for row in page], last)

    def examples_of(self, name: str, version: int, ids: Sequence[bytes]) -> list[Example]:
        with self._database.read() as connection:
            return _some(connection, _there(connection, name).id, version, ids)

    def diff_versions(self, name: str, before: int, after: int) -> DatasetDiff:
        with self._database.read() as connection:
            known = _there(connection, name)
            old, new = (_index(connection, known, version) for version in (before, after))
        return difference(before, after, old, new)


def _cells(dataset: Dataset, now_ns: int) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "metadata": orjson.dumps(dict(dataset.metadata)).decode(),
        "now": now_ns,
    }


def _named(connection: Connection, name: str) -> Dataset | None:
    row = connection.execute(_BY_NAME, {"name": name}).first()
    return None if row is None else dataset_of(row)


def _locked(connection: Connection, name: str) -> Dataset | None:
    """Of a dataset that nobody else changes until this transaction ends."""
    connection.execute(_LOCKED[connection.dialect.name], {"name": name}).first()
    return _named(connection, name)


def _there(connection: Connection, name: str) -> Dataset:
    known = _named(connection, name)
    if known is None:
        raise no_dataset(name)
    return known


def _checked_version(known: Dataset, version: int | None) -> int:
    found = known.version if version is None else version
    if not 0 <= found <= known.version:
        raise NotThere(f"there is no version {found}")
    return found


def _index(connection: Connection, known: Dataset, version: int) -> dict[bytes, Known]:
    where = {"id": known.id, "version": _checked_version(known, version)}
    return known_by_id(connection.execute(_INDEX, where))


def _some(connection: Connection, dataset_id: bytes, version: int, ids: Sequence[bytes]) -> list[Example]:
    where = {"id": dataset_id, "version": version}
    return [example_of(row) for part in _parts(ids) for row in connection.execute(_SOME, {**where, "ids": part})]


def _write_examples(
    connection: Connection, dataset_id: bytes, version: int, before: Mapping[bytes, Known], found: Plan
) -> None:
    ended = [one for one in (*found.removed, *found.written) if one in before]
    if ended:
        where = {"id": dataset_id, "version": version}
        connection.execute(_END, [{**where, "position": before[one].position} for one in ended])
    if found.written:
        rows = [example_cells(dataset_id, version, example, known) for example, known in found.written.values()]
        connection.execute(_WRITE, rows)


def _add_version(
    connection: Connection, dataset_id: bytes, outcome: Changed, count: int, note: str | None, now_ns: int
) -> None:
    values = {
        "id": dataset_id,
        "version": outcome.version,
        "hash": outcome.hash,
        "count": count,
        "added": outcome.added,
        "updated": outcome.updated,
        "removed": outcome.removed,
        "note": note,
        "now": now_ns,
    }
    connection.execute(_ADD_VERSION, values)


def _versions(connection: Connection, known: Dataset) -> list[Version]:
    tags: dict[int, list[str]] = {}
    for row in connection.execute(_TAGS, {"id": known.id}):
        tags.setdefault(row.version, []).append(row.tag)
    rows = connection.execute(_VERSIONS, {"id": known.id})
    return [version_of(row, tuple(tags.get(row.version, ()))) for row in rows]


def _parts(ids: Sequence[bytes]) -> Iterator[list[bytes]]:
    return (list(ids[start : start + _IDS]) for start in range(0, len(ids), _IDS))
