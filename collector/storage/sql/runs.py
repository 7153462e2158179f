"""``RunStore`` over a ``Database``: the reading half."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from collector.codec.run_spans import document_of
from collector.codec.runs import Attachment, shown
from collector.storage.runs_api import AttachmentInfo, Run, RunPage, RunQuery
from collector.storage.sql.engine import Database
from collector.storage.sql.run_rows import STATUSES

_IDS: Final = 1_000
# Documents are read of the page alone: sorting must not carry them along.
_SELECT: Final = (
    "SELECT r.run_id, r.trace_id, r.parent_run_id, p.name AS project, r.name, r.run_type, r.start_ns, r.end_ns, "
    "r.status, r.reference_example_id, o.data FROM {runs} r JOIN projects p ON p.id = r.project_id "
    "JOIN spans s ON s.trace_id = r.trace_id AND s.span_id = r.span_id JOIN originals o ON o.id = s.original_id"
)
_BY_ID: Final = text(f"{_SELECT.format(runs='runs')} WHERE r.run_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_ATTACHED: Final = text(
    "SELECT run_id, name, mime_type, size FROM run_attachments WHERE run_id IN :ids ORDER BY run_id, name"
).bindparams(bindparam("ids", expanding=True))
_ATTACHMENT: Final = text("SELECT mime_type, data FROM run_attachments WHERE run_id = :run_id AND name = :name")


class SqlRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get_runs(self, run_ids: Sequence[bytes]) -> dict[bytes, Run]:
        found: list[Run] = []
        with self._database.read() as connection:
            for start in range(0, len(run_ids), _IDS):
                found += _runs(connection, connection.execute(_BY_ID, {"ids": run_ids[start : start + _IDS]}))
        return {run.run_id: run for run in found}

    def query_runs(self, query: RunQuery) -> RunPage:
        conditions, values, lists = _conditions(query)
        direction = "DESC" if query.descending else "ASC"
        order = f"ORDER BY r.start_ns {direction}, r.run_id {direction}"
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        page = f"(SELECT * FROM runs r {where} {order} LIMIT :limit)"
        statement = text(f"{_SELECT.format(runs=page)} {order}").bindparams(
            *(bindparam(name, expanding=True) for name in lists)
        )
        with self._database.read() as connection:
            found = _runs(connection, connection.execute(statement, values | {"limit": query.limit + 1}))
        items = found[: query.limit]
        more = len(found) > len(items) and items
        return RunPage(items, (items[-1].start_ns, items[-1].run_id) if more else None)

    def get_attachment(self, run_id: bytes, name: str) -> Attachment | None:
        with self._database.read() as connection:
            row = connection.execute(_ATTACHMENT, {"run_id": run_id, "name": name}).first()
        return None if row is None else Attachment(name, row.mime_type, bytes(row.data))


def _conditions(query: RunQuery) -> tuple[list[str], dict[str, Any], list[str]]:
    """(conditions, values, names of those values that are lists)."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    lists: list[str] = []
    for name, condition in _LISTS.items():
        wanted = getattr(query, name)
        if wanted and len(wanted) == 1:
            conditions.append(condition.replace(f"IN :{name}", f"= :{name}").replace(" IN (SELECT", " = (SELECT"))
            values[name] = wanted[0]
        elif wanted:
            conditions.append(condition)
            values[name] = list(wanted)
            lists.append(name)
        elif wanted is not None:
            conditions.append("1 = 0")
    for name, condition in _SINGLE.items():
        if (value := getattr(query, name)) is not None:
            conditions.append(condition)
            values[name] = value
    if query.is_root is not None:
        conditions.append(f"r.parent_run_id IS {'NULL' if query.is_root else 'NOT NULL'}")
    if query.error is not None:
        conditions.append(f"r.status {'=' if query.error else '<>'} {STATUSES.index('error')}")
    if query.after is not None:
        comparison = "<" if query.descending else ">"
        conditions.append(f"(r.start_ns, r.run_id) {comparison} (:after_ns, :after_id)")
        values["after_ns"], values["after_id"] = query.after
    return conditions, values, lists


_LISTS: Final = {
    "run_ids": "r.run_id IN :run_ids",
    "projects": "r.project_id IN (SELECT id FROM projects WHERE name IN :projects)",
    "reference_example_ids": "r.reference_example_id IN :reference_example_ids",
}
_SINGLE: Final = {
    "trace_id": "r.trace_id = :trace_id",
    "parent_run_id": "r.parent_run_id = :parent_run_id",
    "run_type": "r.run_type = :run_type",
    "from_ns": "r.start_ns >= :from_ns",
    "to_ns": "r.start_ns < :to_ns",
}


def _runs(connection: Connection, rows: Iterable[Any]) -> list[Run]:
    runs = [_run(row) for row in rows]
    by_id = {run.run_id: run for run in runs}
    for start in range(0, len(runs), _IDS):
        ids = [run.run_id for run in runs[start : start + _IDS]]
        for row in connection.execute(_ATTACHED, {"ids": ids}):
            by_id[bytes(row.run_id)].attachments.append(AttachmentInfo(row.name, row.mime_type, row.size))
    return runs


def _run(row: Any) -> Run:
    return Run(
        bytes(row.run_id),
        bytes(row.trace_id),
        None if row.parent_run_id is None else bytes(row.parent_run_id),
        row.project,
        row.name,
        row.run_type,
        row.start_ns,
        row.end_ns,
        STATUSES[row.status],
        None if row.reference_example_id is None else bytes(row.reference_example_id),
        shown(document_of(bytes(row.data))),
    )
