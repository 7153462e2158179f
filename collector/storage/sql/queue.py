"""The queue in SQL, on SQLite and PostgreSQL: rows of ``queue_items``.

On PostgreSQL several collectors share it, so whoever looks for rows skips those that others have locked. SQLite has
one writing thread; a claim looks through a reading connection first, so that polling an empty queue writes nothing.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, TextClause, bindparam, text

from collector.queue.api import BuriedItem, Item, QueueStats
from collector.queue.retry import MAX_REASON
from collector.storage.sql.address import Dialect
from collector.storage.sql.engine import Database

_FREE: Final = "state = 'ready', token = NULL, worker = NULL, lease_ns = NULL"
_OURS: Final = "state = 'claimed' AND token = :token AND id IN :ids"
_DUE: Final = "SELECT id FROM queue_items WHERE consumer = :consumer AND state = 'ready' AND due_ns <= :now"
_LOCK: Final[dict[Dialect, str]] = {"sqlite": "", "postgresql": "FOR UPDATE SKIP LOCKED"}


def _of_ids(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("ids", expanding=True))


_PEEK: Final = text(f"{_DUE} LIMIT 1")
# Materialised: a planner that joins may otherwise run the subquery again and lock more rows than the limit.
_CLAIM: Final = {
    dialect: text(
        f"WITH due AS MATERIALIZED ({_DUE} ORDER BY due_ns, id LIMIT :limit {lock}) "
        "UPDATE queue_items SET state = 'claimed', attempts = attempts + 1, worker = :worker, token = :token, "
        "lease_ns = :lease WHERE id IN (SELECT id FROM due) RETURNING id, batch_id, attempts, payload, due_ns"
    )
    for dialect, lock in _LOCK.items()
}
_PUT: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns, payload) "
    "VALUES (:consumer, :batch_id, 'ready', 0, :now, :now, :payload) RETURNING id"
)
_SET_ASIDE: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns, payload, error) "
    "SELECT CAST(:consumer AS TEXT), :batch_id, 'buried', :attempts, :now, :now, CAST(:payload AS TEXT), :reason "
    "WHERE NOT EXISTS (SELECT 1 FROM queue_items WHERE consumer = :consumer AND state = 'buried' "
    "AND payload = :payload)"
)
_EXTEND: Final = _of_ids(f"UPDATE queue_items SET lease_ns = :lease WHERE {_OURS} RETURNING id")
_REMOVE: Final = _of_ids(f"DELETE FROM queue_items WHERE {_OURS}")
_RETRY: Final = _of_ids(f"UPDATE queue_items SET {_FREE}, due_ns = :at, error = :error WHERE {_OURS}")
_BURY: Final = _of_ids(
    "UPDATE queue_items SET state = 'buried', token = NULL, worker = NULL, lease_ns = NULL, error = :error "
    f"WHERE {_OURS}"
)
_RELEASE: Final = _of_ids(f"UPDATE queue_items SET {_FREE}, attempts = attempts - 1 WHERE {_OURS}")
_EXPIRED: Final = "SELECT id FROM queue_items WHERE state = 'claimed' AND lease_ns <= :now"
_PEEK_EXPIRED: Final = text(f"{_EXPIRED} LIMIT 1")
_RESCUE: Final = {
    dialect: text(f"UPDATE queue_items SET {_FREE} WHERE id IN ({_EXPIRED} {lock})") for dialect, lock in _LOCK.items()
}
_STATS: Final = text(
    "SELECT state, count(*), min(created_ns) FROM queue_items WHERE consumer = :consumer GROUP BY state"
)


class SqlQueue:
    """``Queue`` over a ``Database``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, consumer: str, batch_id: int, *, now_ns: int, payload: dict[str, Any] | None = None) -> int:
        values = {"consumer": consumer, "batch_id": batch_id, "now": now_ns, "payload": _json(payload)}
        return self._database.write(lambda connection: int(connection.execute(_PUT, values).scalar_one())).result()

    def set_aside(self, item: Item, payload: dict[str, Any], *, reason: str, now_ns: int) -> bool:
        values = {"consumer": item.consumer, "batch_id": item.batch_id, "attempts": item.attempts, "now": now_ns}
        return self._change(_SET_ASIDE, **values, payload=_json(payload), reason=clean_reason(reason)) > 0

    def claim(self, consumer: str, worker: str, *, limit: int, lease_ns: int, now_ns: int) -> list[Item]:
        token = secrets.token_hex(8)
        due = {"consumer": consumer, "now": now_ns}
        with self._database.read() as connection:
            if connection.execute(_PEEK, due).first() is None:
                return []
        values = {**due, "limit": limit, "worker": worker, "token": token, "lease": now_ns + lease_ns}
        statement = _CLAIM[self._database.dialect]
        rows = self._database.write(lambda connection: connection.execute(statement, values).all()).result()
        return [
            Item(row.id, consumer, row.batch_id, row.attempts, token, _parsed(row.payload))
            for row in sorted(rows, key=lambda row: (row.due_ns, row.id))
        ]

    def extend(self, items: list[Item], *, lease_ns: int, now_ns: int) -> list[Item]:
        def job(connection: Connection) -> set[int]:
            return {
                row.id
                for token, ids in _claims(items)
                for row in connection.execute(_EXTEND, {"token": token, "ids": ids, "lease": now_ns + lease_ns})
            }

        ours = self._database.write(job).result()
        return [item for item in items if item.id in ours]

    def ack(self, items: list[Item]) -> int:
        return self._database.write(lambda connection: remove_claimed(connection, items)).result()

    def retry(self, item: Item, *, at_ns: int, error: str) -> bool:
        return self._change(_RETRY, token=item.token, ids=[item.id], at=at_ns, error=clean_reason(error)) > 0

    def bury(self, item: Item, *, reason: str) -> bool:
        return self._change(_BURY, token=item.token, ids=[item.id], error=clean_reason(reason)) > 0

    def release(self, items: list[Item]) -> int:
        def job(connection: Connection) -> int:
            return sum(
                connection.execute(_RELEASE, {"token": token, "ids": ids}).rowcount for token, ids in _claims(items)
            )

        return self._database.write(job).result()

    def rescue(self, *, now_ns: int) -> int:
        with self._database.read() as connection:
            if connection.execute(_PEEK_EXPIRED, {"now": now_ns}).first() is None:
                return 0
        return self._change(_RESCUE[self._database.dialect], now=now_ns)

    def revive(self, consumer: str | None = None, *, item_id: int | None = None) -> int:
        where, values = _chosen(consumer, item_id)
        return self._change(
            text(f"UPDATE queue_items SET state = 'ready', attempts = 0, error = NULL WHERE {where}"), **values
        )

    def buried(self, consumer: str | None = None, *, limit: int = 100) -> list[BuriedItem]:
        where, values = _chosen(consumer, None)
        statement = text(
            "SELECT id, consumer, batch_id, attempts, created_ns, error, payload FROM queue_items "
            f"WHERE {where} ORDER BY id DESC LIMIT :limit"
        )
        with self._database.read() as connection:
            rows = connection.execute(statement, {**values, "limit": limit}).all()
        return [
            BuriedItem(r.id, r.consumer, r.batch_id, r.attempts, r.created_ns, r.error or "", _parsed(r.payload))
            for r in rows
        ]

    def stats(self, consumer: str, *, now_ns: int) -> QueueStats:
        with self._database.read() as connection:
            rows = connection.execute(_STATS, {"consumer": consumer}).all()
        counts = {state: count for state, count, _ in rows}
        oldest = min((created for state, _, created in rows if state != "buried"), default=now_ns)
        return QueueStats(
            counts.get("ready", 0), counts.get("claimed", 0), counts.get("buried", 0), max(0, now_ns - oldest)
        )

    def _change(self, statement: TextClause, **values: Any) -> int:
        """Run one statement in a transaction. Returns how many rows it touched."""
        return self._database.write(lambda connection: int(connection.execute(statement, values).rowcount)).result()


def remove_claimed(connection: Connection, items: Sequence[Item]) -> int:
    """Remove those of the items whose claim still holds, within the caller's transaction. Returns how many did."""
    return sum(connection.execute(_REMOVE, {"token": token, "ids": ids}).rowcount for token, ids in _claims(items))


def _claims(items: Iterable[Item]) -> Iterable[tuple[str, list[int]]]:
    """(token, ids): items of one list may come from several claims."""
    ids: dict[str, list[int]] = defaultdict(list)
    for item in items:
        ids[item.token].append(item.id)
    return ids.items()


def _chosen(consumer: str | None, item_id: int | None) -> tuple[str, dict[str, Any]]:
    """Condition and values for buried items."""
    values = {name: value for name, value in (("consumer", consumer), ("id", item_id)) if value is not None}
    return " AND ".join(["state = 'buried'", *(f"{name} = :{name}" for name in values)]), values


def clean_reason(reason: str) -> str:
    """PostgreSQL's texts hold no NUL, UTF-8 no lone surrogates."""
    return reason[:MAX_REASON].replace("\0", "").encode("utf-8", "replace").decode()


def _json(payload: dict[str, Any] | None) -> str | None:
    return None if payload is None else orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()


def _parsed(payload: str | None) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if payload is None else orjson.loads(payload)
    return parsed
