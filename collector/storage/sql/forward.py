"""``ForwardStore`` over a ``Database``: destinations, and what their workers read and write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.exc import IntegrityError

from collector.annotations import Annotation
from collector.destinations import PREFIX, Destination
from collector.queue.api import SUMMARISE, Item
from collector.storage.forward_api import BatchSpans, Follow, NameTaken, Settled, Status, Tally
from collector.storage.sql.annotation_rows import COLUMNS as ANNOTATION_COLUMNS
from collector.storage.sql.annotation_rows import annotation_of
from collector.storage.sql.destination_rows import cells_of, destination_of, status_of
from collector.storage.sql.engine import Database
from collector.storage.sql.queue import clean_reason
from collector.storage.sql.rows import SPAN_COLUMNS, span_of
from collector.storage.sql.tables import TALLY

T = TypeVar("T")
_V = TypeVar("_V")

_IDS: Final = 1_000
_COLUMNS: Final = ("name", "kind", "settings", "state", "source", "peer", "created_ns")
_ALL: Final = text("SELECT * FROM destinations ORDER BY name")
_BY_NAME: Final = text("SELECT * FROM destinations WHERE name = :name")
_ADD: Final = text(
    f"INSERT INTO destinations ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)}) "
    "RETURNING id"
)
_SET: Final = text(
    f"UPDATE destinations SET {', '.join(f'{name} = :{name}' for name in _COLUMNS if name != 'created_ns')} "
    "WHERE id = :id"
)
#: Whoever stores spans reads the destinations in its transaction: none of them is half way through when one is added.
_ALONE: Final = text("LOCK TABLE destinations IN ACCESS EXCLUSIVE MODE")
_QUEUE: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns) "
    "SELECT CAST(:consumer AS TEXT), b.id, 'ready', 0, :now, :now FROM batches b "
    "WHERE b.created_ns >= :from_ns AND b.created_ns < :to_ns AND NOT EXISTS "
    "(SELECT 1 FROM queue_items q WHERE q.batch_id = b.id AND q.consumer = :consumer) ORDER BY b.id"
)
_SPANS_IN: Final = text(
    "SELECT coalesce(sum(b.span_count), 0) FROM batches b WHERE b.created_ns >= :from_ns AND b.created_ns < :to_ns"
)
_REVIVE_OF: Final = text(
    "UPDATE queue_items SET state = 'ready', attempts = 0, error = NULL, due_ns = :now WHERE state = 'buried' "
    "AND consumer IN (:consumer, :verifier) AND batch_id IN "
    "(SELECT id FROM batches WHERE created_ns >= :from_ns AND created_ns < :to_ns)"
)
_FORGET: Final = text("DELETE FROM queue_items WHERE consumer IN (:consumer, :verifier)")
_REMOVE: Final = text("DELETE FROM destinations WHERE id = :id")
#: What an item stands for, in spans or annotations.
_N: Final = {
    "sqlite": "coalesce(json_extract(q.payload, '$.n'), b.span_count, 1)",
    "postgresql": """coalesce(CAST(substring(q.payload FROM '"n":([0-9]+)') AS bigint), b.span_count, 1)""",
}
_COUNT: Final[dict[str, TextClause]] = {
    dialect: text(
        f"SELECT q.consumer, q.state, sum({n}) AS spans, min(q.created_ns) AS oldest "
        f"FROM queue_items q LEFT JOIN batches b ON b.id = q.batch_id WHERE q.consumer >= '{PREFIX}' "
        f"AND q.consumer < '{PREFIX[:-1]}0' GROUP BY q.consumer, q.state"
    )
    for dialect, n in _N.items()
}
_QUEUED: Final[dict[str, TextClause]] = {
    dialect: text(
        f"SELECT coalesce(sum({n}), 0) FROM queue_items q LEFT JOIN batches b ON b.id = q.batch_id "
        "WHERE q.consumer = :consumer AND q.state <> 'buried'"
    )
    for dialect, n in _N.items()
}
_BATCH_SPANS: Final = (
    f"SELECT {', '.join(f's.{name}' for name in SPAN_COLUMNS)}, p.name, o.batch_id, o.via FROM originals o "
    "JOIN spans s ON s.trace_id = o.trace_id AND s.original_id = o.id JOIN projects p ON p.id = s.project_id "
    "WHERE o.batch_id IN :ids ORDER BY o.id, s.position"
)
_ORIGINAL_ID: Final = SPAN_COLUMNS.index("original_id")
TAKE: Final = text(
    "DELETE FROM queue_items WHERE id = :id AND state = 'claimed' AND token = :token RETURNING created_ns"
)
#: It is as old as what it stands for.
FOLLOW: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns, payload, error) "
    "VALUES (:consumer, :batch_id, :state, :attempts, :now, :due, :payload, :error)"
)
_TALLY: Final = text(
    f"UPDATE destinations SET {', '.join(f'{name} = {name} + :{name}' for name in TALLY)}, "
    "last_sent_ns = coalesce(:sent_ns, last_sent_ns), last_error = coalesce(:error, last_error), "
    "last_error_ns = coalesce(:error_ns, last_error_ns), peer = coalesce(:peer, peer) WHERE id = :id"
)
_SELECT_ANNOTATIONS: Final = f"SELECT {', '.join(ANNOTATION_COLUMNS)} FROM annotations WHERE "


def _expanding(statement: str, name: str) -> TextClause:
    return text(statement).bindparams(bindparam(name, expanding=True))


_SPANS_OF: Final = _expanding(_BATCH_SPANS, "ids")
_AWAITING: Final = _expanding(
    "SELECT DISTINCT batch_id FROM queue_items WHERE consumer = :consumer AND state IN ('ready', 'claimed') "
    "AND batch_id IN :ids",
    "ids",
)
_SIZES: Final = _expanding("SELECT id, span_count FROM batches WHERE id IN :ids", "ids")
_RUN_IDS: Final = _expanding("SELECT trace_id, span_id, run_id FROM runs WHERE trace_id IN :ids", "ids")
_ANNOTATIONS: Final = _expanding(f"{_SELECT_ANNOTATIONS} id IN :ids ORDER BY created_ns, id", "ids")
_ABOUT: Final = {
    name: _expanding(f"{_SELECT_ANNOTATIONS}{condition} IN :values", "values")
    for name, condition in (
        ("spans", "span_id"),
        ("traces", "span_id IS NULL AND trace_id"),
        ("sessions", "trace_id IS NULL AND span_id IS NULL AND session_id"),
    )
}
_BURIED: Final = "state = 'buried' AND consumer IN (:consumer, :verifier)"


class SqlForward:
    def __init__(self, database: Database) -> None:
        self._database = database

    @cached_property
    def collector_id(self) -> str:
        with self._database.read() as connection:
            found: str = connection.execute(text("SELECT id FROM instance")).scalar_one()
            return found

    # destinations

    def destinations(self) -> list[Destination]:
        with self._database.read() as connection:
            return [destination_of(row) for row in connection.execute(_ALL)]

    def add_destination(self, destination: Destination, *, from_ns: int | None, now_ns: int) -> Future[Destination]:
        def job(connection: Connection) -> Destination:
            _alone(connection)
            if connection.execute(_BY_NAME, {"name": destination.name}).first() is not None:
                raise NameTaken(f"there is a destination named {destination.name} already")
            new = replace(destination, created_ns=now_ns)
            stored = replace(new, id=connection.execute(_ADD, cells_of(new)).scalar_one())
            if from_ns is not None:
                _queue(connection, stored, from_ns, 2**63 - 1, now_ns)
            return stored

        return self._database.write(job)

    def change_destination(self, name: str, changes: Mapping[str, Any], *, now_ns: int) -> Future[Destination | None]:
        def job(connection: Connection) -> Destination | None:
            known = _named(connection, name)
            if known is None:
                return None
            changed = replace(known, **changes)
            try:
                with connection.begin_nested():
                    connection.execute(_SET, {**cells_of(changed), "id": known.id})
            except IntegrityError:
                raise NameTaken(f"there is a destination named {changed.name} already") from None
            return changed

        return self._database.write(job)

    def remove_destination(self, name: str) -> Future[bool]:
        def job(connection: Connection) -> bool:
            _alone(connection)
            known = _named(connection, name)
            if known is not None:
                connection.execute(_FORGET, _consumers(known))
                connection.execute(_REMOVE, {"id": known.id})
            return known is not None

        return self._database.write(job)

    def destination_statuses(self, *, now_ns: int) -> list[Status]:
        with self._database.read() as connection:
            statuses = [status_of(row) for row in connection.execute(_ALL)]
            rows = connection.execute(_COUNT[self._database.dialect]).all()
        by_consumer: dict[str, list[Any]] = {}
        for row in rows:
            by_consumer.setdefault(row.consumer, []).append(row)
        for status in statuses:
            _fill(status, by_consumer, now_ns)
        return statuses

    def replay(self, name: str, *, from_ns: int, to_ns: int, now_ns: int) -> Future[int]:
        def job(connection: Connection) -> int:
            known = _named(connection, name)
            if known is None:
                return 0
            window = {"from_ns": from_ns, "to_ns": to_ns}
            connection.execute(_REVIVE_OF, {**_consumers(known), **window, "now": now_ns})
            _queue(connection, known, from_ns, to_ns, now_ns)
            return int(connection.execute(_SPANS_IN, window).scalar_one())

        return self._database.write(job)

    def drop_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        return self._of_buried(name, item_id, "DELETE FROM queue_items")

    def revive_buried(self, name: str, *, item_id: int | None = None) -> Future[int]:
        return self._of_buried(
            name, item_id, "UPDATE queue_items SET state = 'ready', attempts = 0, error = NULL, due_ns = created_ns"
        )

    # workers

    def spans_of_batches(self, batch_ids: Sequence[int]) -> dict[int, BatchSpans]:
        found: dict[int, BatchSpans] = {}
        with self._database.read() as connection:
            for ids in _parts(batch_ids):
                for row in connection.execute(_SPANS_OF, {"ids": ids}):
                    span, batch = span_of(row, row[-3]), found.setdefault(row[-2], BatchSpans())
                    span.chunk = row[_ORIGINAL_ID]
                    batch.spans.append(span)
                    if row[-1]:
                        batch.via[span.chunk] = row[-1]
        return found

    def awaiting_summary(self, batch_ids: Sequence[int]) -> set[int]:
        with self._database.read() as connection:
            return {
                row.batch_id
                for ids in _parts(batch_ids)
                for row in connection.execute(_AWAITING, {"ids": ids, "consumer": SUMMARISE})
            }

    def batch_sizes(self, batch_ids: Sequence[int]) -> dict[int, int]:
        with self._database.read() as connection:
            return {
                row.id: row.span_count for ids in _parts(batch_ids) for row in connection.execute(_SIZES, {"ids": ids})
            }

    def queued(self, consumer: str) -> int:
        with self._database.read() as connection:
            return int(connection.execute(_QUEUED[self._database.dialect], {"consumer": consumer}).scalar_one())

    def run_ids_of(self, trace_ids: Sequence[bytes]) -> dict[tuple[bytes, bytes], bytes]:
        with self._database.read() as connection:
            return {
                (bytes(row.trace_id), bytes(row.span_id)): bytes(row.run_id)
                for ids in _parts(trace_ids)
                for row in connection.execute(_RUN_IDS, {"ids": ids})
            }

    def annotations_by_id(self, ids: Sequence[bytes]) -> list[Annotation]:
        with self._database.read() as connection:
            rows = [row for part in _parts(ids) for row in connection.execute(_ANNOTATIONS, {"ids": part})]
        return [annotation_of(row) for row in rows]

    def annotations_about(
        self, spans: Sequence[bytes], traces: Sequence[bytes], sessions: Sequence[str]
    ) -> list[tuple[bytes, Annotation]]:
        wanted: dict[str, Sequence[Any]] = {"spans": spans, "traces": traces, "sessions": sessions}
        with self._database.read() as connection:
            found = [
                annotation_of(row)
                for name, values in wanted.items()
                for part in _parts(values)
                for row in connection.execute(_ABOUT[name], {"values": part})
            ]
        return [(annotation.id, annotation) for annotation in found if annotation.id is not None]

    def trace_of_span(self, span_id: bytes) -> bytes | None:
        statement = text("SELECT trace_id FROM spans WHERE span_id = :span_id LIMIT 1")
        with self._database.read() as connection:
            row = connection.execute(statement, {"span_id": span_id}).first()
        return None if row is None else bytes(row.trace_id)

    def settle(
        self,
        destination_id: int,
        settled: Sequence[Settled],
        tally: Tally,
        *,
        now_ns: int,
        error: str | None = None,
        peer: str | None = None,
    ) -> int:
        def job(connection: Connection) -> int:
            ours, follows = 0, []
            for one in settled:
                row = connection.execute(TAKE, {"id": one.item.id, "token": one.item.token}).first()
                if row is not None:
                    ours += 1
                    follows += [follow_cells(one.item, follow, row.created_ns) for follow in one.follows]
            if follows:
                connection.execute(FOLLOW, follows)
            if ours or peer is not None:
                _count(connection, destination_id, tally if ours else Tally(), now_ns, error, peer)
            return ours

        return self._database.write(job).result()

    def note_error(self, destination_id: int, error: str, *, now_ns: int) -> None:
        self._database.write(
            lambda connection: _count(connection, destination_id, Tally(), now_ns, error, None)
        ).result()

    def _of_buried(self, name: str, item_id: int | None, what: str) -> Future[int]:
        def job(connection: Connection) -> int:
            known = _named(connection, name)
            if known is None:
                return 0
            one = " AND id = :id" if item_id is not None else ""
            values = {**_consumers(known), "id": item_id} if one else _consumers(known)
            return int(connection.execute(text(f"{what} WHERE {_BURIED}{one}"), values).rowcount)

        return self._database.write(job)


def queue_annotations(connection: Connection, ids: Sequence[bytes], now: int) -> None:
    """An item for each destination that takes annotations, in the transaction that stores them."""
    payload = orjson.dumps({"annotations": [one.hex() for one in ids], "n": len(ids)}).decode()
    connection.execute(_ADD_ANNOTATIONS, {"payload": payload, "now": now})


_ADD_ANNOTATIONS: Final = text(
    "INSERT INTO queue_items (consumer, batch_id, state, attempts, created_ns, due_ns, payload) "
    f"SELECT '{PREFIX}' || d.id, 0, 'ready', 0, :now, :now, CAST(:payload AS TEXT) FROM destinations d "
    "WHERE d.kind IN ('phoenix', 'langsmith')"
)


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)


def _named(connection: Connection, name: str) -> Destination | None:
    row = connection.execute(_BY_NAME, {"name": name}).first()
    return None if row is None else destination_of(row)


def _consumers(destination: Destination) -> dict[str, Any]:
    return {"consumer": destination.consumer, "verifier": destination.verifier}


def _queue(connection: Connection, destination: Destination, from_ns: int, to_ns: int, now_ns: int) -> None:
    window = {"from_ns": from_ns, "to_ns": to_ns, "now": now_ns, "consumer": destination.consumer}
    connection.execute(_QUEUE, window)


def _fill(status: Status, by_consumer: Mapping[str, Sequence[Any]], now_ns: int) -> None:
    destination = status.destination
    oldest = now_ns
    for consumer in (destination.consumer, destination.verifier):
        for row in by_consumer.get(consumer, ()):
            if row.state == "buried":
                status.buried += int(row.spans)
                continue
            oldest = min(oldest, row.oldest)
            if consumer == destination.verifier:
                status.unverified += int(row.spans)
            else:
                status.waiting += int(row.spans)
    status.lag_ns = max(0, now_ns - oldest)


def follow_cells(item: Item, follow: Follow, created_ns: int) -> dict[str, Any]:
    return {
        "consumer": follow.consumer,
        "batch_id": item.batch_id,
        "state": "ready" if follow.reason is None else "buried",
        "attempts": 0 if follow.reason is None else item.attempts,
        "now": created_ns,
        "due": follow.due_ns,
        "payload": None if follow.payload is None else orjson.dumps(follow.payload).decode(),
        "error": None if follow.reason is None else clean_reason(follow.reason),
    }


def _count(
    connection: Connection, destination_id: int, tally: Tally, now_ns: int, error: str | None, peer: str | None
) -> None:
    values = {
        **asdict(tally),
        "id": destination_id,
        "sent_ns": now_ns if tally.sent or tally.annotated else None,
        "error": None if error is None else clean_reason(error),
        "error_ns": None if error is None else now_ns,
        "peer": peer,
    }
    connection.execute(_TALLY, values)


def _parts(values: Sequence[_V]) -> Iterator[list[_V]]:
    return (list(values[start : start + _IDS]) for start in range(0, len(values), _IDS))
