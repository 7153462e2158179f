"""``ExperimentStore`` over a ``Database``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import IntegrityError

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.plan import NotThere
from collector.storage import cursor, keyset
from collector.storage.datasets_api import (
    DatasetNameTaken,
    ExperimentPage,
    ExperimentQuery,
    ExperimentRunPage,
    ExperimentRunQuery,
)
from collector.storage.sql.dataset_rows import RUN_COLUMNS, experiment_of, run_cells, run_of
from collector.storage.sql.engine import Database

_IDS: Final = 500
_SELECT: Final = (
    "SELECT e.*, d.name AS dataset, "
    "(SELECT count(*) FROM experiment_runs r WHERE r.experiment_id = e.id) AS run_count, "
    "(SELECT count(*) FROM experiment_runs r WHERE r.experiment_id = e.id AND r.error IS NOT NULL) AS error_count "
    "FROM experiments e JOIN datasets d ON d.id = e.dataset_id"
)
_ONE: Final = text(f"{_SELECT} WHERE e.id = :id")
#: The dataset stays as long as the experiment is being added.
_VERSION: Final = {
    dialect: text(
        "SELECT d.id FROM datasets d JOIN dataset_versions v ON v.dataset_id = d.id "
        f"WHERE d.name = :name AND v.version = :version{lock}"
    )
    for dialect, lock in (("sqlite", ""), ("postgresql", " FOR UPDATE OF d"))
}
_ADD: Final = text(
    "INSERT INTO experiments (id, dataset_id, version, name, metadata, state, baseline, created_ns, ended_ns) "
    "VALUES (:id, :dataset_id, :version, :name, :metadata, :state, :baseline, :now, :ended)"
)
_SET: Final = text(
    "UPDATE experiments SET metadata = :metadata, state = :state, baseline = :baseline, ended_ns = :ended "
    "WHERE id = :id"
)
_TAKE_BASELINE: Final = text(
    "UPDATE experiments SET baseline = NULL WHERE baseline = :baseline AND id <> :id AND dataset_id = "
    "(SELECT dataset_id FROM experiments WHERE id = :id)"
)
_REMOVE: Final = (
    text("DELETE FROM experiment_runs WHERE experiment_id = :id"),
    text("DELETE FROM experiments WHERE id = :id"),
)
_EXAMPLES: Final = text(
    "SELECT DISTINCT x.example_id FROM dataset_examples x JOIN experiments e ON e.dataset_id = x.dataset_id "
    "WHERE e.id = :id AND x.example_id IN :ids AND x.since <= e.version AND (x.until IS NULL OR x.until > e.version)"
).bindparams(bindparam("ids", expanding=True))
_KEY: Final = ("repetition", "example_id")
_PUT: Final = text(
    f"INSERT INTO experiment_runs (experiment_id, {', '.join(RUN_COLUMNS)}) "
    f"VALUES (:experiment_id, {', '.join(f':{name}' for name in RUN_COLUMNS)}) "
    "ON CONFLICT (experiment_id, repetition, example_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in RUN_COLUMNS if name not in _KEY)
)
_RUNS: Final = "SELECT * FROM experiment_runs WHERE experiment_id = :id{after} ORDER BY repetition, example_id LIMIT :n"
_FIRST_RUNS: Final = text(_RUNS.format(after=""))
_NEXT_RUNS: Final = text(_RUNS.format(after=" AND (repetition, example_id) > (:repetition, :example_id)"))


class SqlExperiments:
    _database: Database

    def add_experiment(self, experiment: Experiment, *, now_ns: int) -> Future[Experiment]:
        new = replace(
            experiment,
            id=experiment.id or secrets.token_bytes(16),
            created_ns=now_ns,
            ended_ns=None if experiment.state == "running" else now_ns,
        )

        def job(connection: Connection) -> Experiment:
            where = {"name": new.dataset, "version": new.version}
            row = connection.execute(_VERSION[connection.dialect.name], where).first()
            if row is None:
                raise NotThere(f"there is no version {new.version} of a dataset {new.dataset}")
            try:
                with connection.begin_nested():
                    connection.execute(_ADD, {**_cells(new), "dataset_id": row.id, "version": new.version})
            except IntegrityError:
                raise DatasetNameTaken(f"there is an experiment named {new.name} with {new.dataset} already") from None
            _take_baseline(connection, new)
            return new

        return self._database.write(job)

    def change_experiment(
        self, experiment_id: bytes, changes: Mapping[str, Any], *, now_ns: int
    ) -> Future[Experiment | None]:
        def job(connection: Connection) -> Experiment | None:
            known = _get(connection, experiment_id)
            if known is None:
                return None
            changed = replace(known, **changes)
            if changed.state != known.state:
                still = known.ended_ns if known.state != "running" else now_ns
                changed = replace(changed, ended_ns=None if changed.state == "running" else still)
            connection.execute(_SET, _cells(changed))
            _take_baseline(connection, changed)
            return changed

        return self._database.write(job)

    def experiment(self, experiment_id: bytes) -> Experiment | None:
        with self._database.read() as connection:
            return _get(connection, experiment_id)

    def list_experiments(self, query: ExperimentQuery) -> ExperimentPage:
        mark = cursor.experiment_mark(query)
        after = keyset.decode(mark, query.cursor)
        conditions, values = [], {}
        for column, value in (("d.name", query.dataset), ("e.name", query.name), ("e.baseline", query.baseline)):
            if value is not None:
                key = column.replace(".", "_")
                conditions.append(f"{column} = :{key}")
                values[key] = value
        if after is not None:
            conditions.append("(e.created_ns, e.id) < (:after, :after_id)")
            values |= {"after": after[0], "after_id": after[1]}  # type: ignore[dict-item]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = text(f"{_SELECT}{where} ORDER BY e.created_ns DESC, e.id DESC LIMIT :n")
        with self._database.read() as connection:
            rows = connection.execute(statement, {**values, "n": query.limit + 1}).all()
        items = [experiment_of(row) for row in rows[: query.limit]]
        more = len(rows) > len(items)
        return ExperimentPage(items, keyset.encode(mark, items[-1].created_ns, items[-1].id or b"") if more else None)

    def remove_experiment(self, experiment_id: bytes) -> Future[bool]:
        def job(connection: Connection) -> bool:
            return [connection.execute(one, {"id": experiment_id}).rowcount for one in _REMOVE][-1] > 0

        return self._database.write(job)

    def put_experiment_runs(
        self, experiment_id: bytes, runs: Sequence[ExperimentRun], *, now_ns: int
    ) -> Future[int | None]:
        cells = [
            {**run_cells(replace(run, updated_ns=now_ns)), "experiment_id": experiment_id}
            for run in {(run.repetition, run.example_id): run for run in runs}.values()
        ]

        def job(connection: Connection) -> int | None:
            if _get(connection, experiment_id) is None:
                return None
            _check_examples(connection, experiment_id, [run.example_id for run in runs])
            if cells:
                connection.execute(_PUT, cells)
            return len(cells)

        return self._database.write(job)

    def list_experiment_runs(self, query: ExperimentRunQuery) -> ExperimentRunPage:
        mark = cursor.experiment_run_mark(query)
        after = keyset.decode(mark, query.cursor)
        values: dict[str, Any] = {"id": query.experiment_id, "n": query.limit + 1}
        if after is not None:
            values |= {"repetition": after[0], "example_id": after[1]}
        with self._database.read() as connection:
            rows = connection.execute(_NEXT_RUNS if after else _FIRST_RUNS, values).all()
        items = [run_of(row) for row in rows[: query.limit]]
        more = len(rows) > len(items)
        return ExperimentRunPage(
            items, keyset.encode(mark, items[-1].repetition, items[-1].example_id) if more else None
        )


def _cells(experiment: Experiment) -> dict[str, Any]:
    return {
        "id": experiment.id,
        "name": experiment.name,
        "metadata": orjson.dumps(dict(experiment.metadata)).decode(),
        "state": experiment.state,
        "baseline": experiment.baseline,
        "now": experiment.created_ns,
        "ended": experiment.ended_ns,
    }


def _get(connection: Connection, experiment_id: bytes) -> Experiment | None:
    row = connection.execute(_ONE, {"id": experiment_id}).first()
    return None if row is None else experiment_of(row)


def _take_baseline(connection: Connection, experiment: Experiment) -> None:
    if experiment.baseline is not None:
        connection.execute(_TAKE_BASELINE, {"baseline": experiment.baseline, "id": experiment.id})


def _check_examples(connection: Connection, experiment_id: bytes, ids: Sequence[bytes]) -> None:
    wanted = list(dict.fromkeys(ids))
    found: set[bytes] = set()
    for start in range(0, len(wanted), _IDS):
        part = {"id": experiment_id, "ids": wanted[start : start + _IDS]}
        found |= {bytes(row.example_id) for row in connection.execute(_EXAMPLES, part)}
    missing = next((one for one in wanted if one not in found), None)
    if missing is not None:
        raise NotThere(f"the experiment's version of the dataset has no example {missing.hex()}")
