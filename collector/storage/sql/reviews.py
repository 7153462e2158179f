"""``ReviewStore`` over a ``Database``.

What is free is looked for without a lock, because a filter may take its time; only taking one of what was found is a
transaction of its own, in which it is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from collector.storage.reviews_api import MAX_LEFT, RESERVED_NS, SKIPPED_NS, Review, ReviewQuery
from collector.storage.sql import filters
from collector.storage.sql.engine import Database
from collector.storage.sql.filters import Where

#: So many are found at once, in case others take the first of them meanwhile.
_AT_ONCE: Final = 20
_ATTEMPTS: Final = 20

_HUMAN: Final = "a.trace_id = t.trace_id AND a.name = :review_name AND a.annotator_kind = 'human'"
_BY_NOBODY: Final = f"NOT EXISTS (SELECT 1 FROM annotations a WHERE {_HUMAN})"
_NOT_BY_ME: Final = f"NOT EXISTS (SELECT 1 FROM annotations a WHERE {_HUMAN} AND a.identifier = :reviewer)"
#: A reviewer who has annotated it does not hold it any longer.
_FREE: Final = (
    "NOT EXISTS (SELECT 1 FROM reservations r WHERE r.name = :review_name AND r.trace_id = t.trace_id AND "
    "((r.reviewer = :reviewer AND r.skipped_until_ns > :review_now) OR (r.reviewer <> :reviewer AND "
    f"r.until_ns > :review_now AND NOT EXISTS (SELECT 1 FROM annotations a WHERE {_HUMAN} "
    "AND a.identifier = r.reviewer))))"
)
_MINE: Final = (
    "t.trace_id IN (SELECT r.trace_id FROM reservations r WHERE r.name = :review_name AND r.reviewer = :reviewer "
    "AND r.until_ns > :review_now)"
)
_TAKE_TURNS: Final = text("LOCK TABLE reservations IN SHARE ROW EXCLUSIVE MODE")
_CLEAN: Final = text("DELETE FROM reservations WHERE until_ns <= :now AND skipped_until_ns <= :now")
_PUT: Final = text(
    "INSERT INTO reservations (name, trace_id, reviewer, until_ns, skipped_until_ns) "
    "VALUES (:name, :trace_id, :reviewer, :until, :skipped) ON CONFLICT (name, trace_id, reviewer) DO UPDATE "
    "SET until_ns = excluded.until_ns, skipped_until_ns = excluded.skipped_until_ns"
)
_IS_THERE: Final = text("SELECT 1 FROM traces WHERE trace_id = :id")


class SqlReviews:
    _database: Database

    def next_review(self, query: ReviewQuery, *, now_ns: int) -> Review:
        for _ in range(_ATTEMPTS):
            with self._database.read() as connection:
                found, left = _found(connection, query, now_ns)
            if not found:
                break
            taken = self._database.write(partial(_take, query=query, ids=found, now_ns=now_ns)).result()
            if taken is not None:
                return Review(taken, now_ns + RESERVED_NS, left)
        return Review()

    def skip_review(self, trace_id: bytes, name: str, reviewer: str, *, now_ns: int) -> bool:
        def job(connection: Connection) -> bool:
            if connection.execute(_IS_THERE, {"id": trace_id}).first() is None:
                return False
            _take_turns(connection, now_ns)
            _put(connection, trace_id, name, reviewer, skipped=now_ns + SKIPPED_NS)
            return True

        return self._database.write(job).result()


def _found(connection: Connection, query: ReviewQuery, now_ns: int) -> tuple[list[bytes], int]:
    """What could be handed out, first what the reviewer has already; and how many there are."""
    where = filters.where(connection, query.traces)
    if where.nothing:
        return [], 0
    _add_open(where, query, now_ns)
    clause = where.clause()
    counted = text(f"SELECT count(*) FROM (SELECT 1 AS one FROM traces t {clause} LIMIT :most) AS counted")
    left: int = connection.execute(counted, {**where.values, "most": MAX_LEFT}).scalar_one()
    for condition in (f"{clause} AND {_MINE}", clause):
        statement = text(f"SELECT t.trace_id FROM traces t {condition} ORDER BY t.start_ns, t.trace_id LIMIT :most")
        rows = connection.execute(statement, {**where.values, "most": _AT_ONCE})
        if ids := [bytes(row[0]) for row in rows]:
            return ids, left
    return [], left


def _add_open(where: Where, query: ReviewQuery, now_ns: int) -> None:
    values: dict[str, Any] = {"review_name": query.name, "reviewer": query.reviewer, "review_now": now_ns}
    where.add(_NOT_BY_ME if query.each_reviewer else _BY_NOBODY, **values)
    where.add(_FREE)


def _take(connection: Connection, query: ReviewQuery, ids: Sequence[bytes], now_ns: int) -> bytes | None:
    """The first that is still free, reserved from now on."""
    _take_turns(connection, now_ns)
    where = Where()
    where.add("t.trace_id IN :ids")
    _add_open(where, query, now_ns)
    statement = text(f"SELECT t.trace_id FROM traces t {where.clause()}").bindparams(bindparam("ids", expanding=True))
    free = {bytes(row[0]) for row in connection.execute(statement, {**where.values, "ids": list(ids)})}
    taken = next((one for one in ids if one in free), None)
    if taken is not None:
        _put(connection, taken, query.name, query.reviewer, until=now_ns + RESERVED_NS)
    return taken


def _take_turns(connection: Connection, now_ns: int) -> None:
    """On SQLite there is one that writes anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURNS)
    connection.execute(_CLEAN, {"now": now_ns})


def _put(
    connection: Connection, trace_id: bytes, name: str, reviewer: str, *, until: int = 0, skipped: int = 0
) -> None:
    values = {"name": name, "trace_id": trace_id, "reviewer": reviewer, "until": until, "skipped": skipped}
    connection.execute(_PUT, values)
