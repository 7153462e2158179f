"""``AnnotationStore`` over a ``Database``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, bindparam, text

from collector.annotations import Annotation, id_of, key_of
from collector.evaluation.rules import Subject
from collector.storage import cursor, keyset
from collector.storage.annotations_api import MAX_OF_TRACE, AnnotationPage, AnnotationQuery
from collector.storage.api import Refused, StorageError
from collector.storage.sql.annotation_rows import (
    COLUMNS,
    annotation_of,
    history_json,
    history_said,
    row_of,
    said_of,
)
from collector.storage.sql.engine import Database
from collector.storage.sql.filters import Where
from collector.storage.sql.forward import queue_annotations

T = TypeVar("T")

_SELECT: Final = f"SELECT {', '.join(f'a.{name}' for name in COLUMNS)} FROM annotations a"
_ONE: Final = text(f"{_SELECT} WHERE a.id = :id")
_KNOWN: Final = text("SELECT id, key, created_ns FROM annotations WHERE key IN :keys OR id IN :ids").bindparams(
    bindparam("keys", expanding=True), bindparam("ids", expanding=True)
)
_BY_KEY: Final = text(f"{_SELECT} WHERE a.key IN :keys").bindparams(bindparam("keys", expanding=True))
_AT_ONCE: Final = 1_000
_DROP: Final = text("DELETE FROM annotations WHERE id = :id")
_PUT: Final = text(
    f"INSERT INTO annotations (key, {', '.join(COLUMNS)}) VALUES (:key, {', '.join(f':{name}' for name in COLUMNS)}) "
    f"ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
)
#: What an annotation said before is kept so many times.
MOST_HISTORY: Final = 50
_ADD_HISTORY: Final = text(
    "INSERT INTO annotation_history (annotation_id, said, replaced_ns) VALUES (:id, :said, :now)"
)
_CUT_HISTORY: Final = text(
    "DELETE FROM annotation_history WHERE annotation_id = :id AND id <= (SELECT id FROM annotation_history "
    "WHERE annotation_id = :id ORDER BY id DESC LIMIT 1 OFFSET :most)"
)
_HISTORY: Final = text("SELECT said, replaced_ns FROM annotation_history WHERE annotation_id = :id ORDER BY id DESC")
#: Writers of annotations take turns, so that two that store the same one do not meet at its other unique column.
_TAKE_TURNS: Final = text("LOCK TABLE annotations IN SHARE ROW EXCLUSIVE MODE")


class SqlAnnotations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put_annotations(self, annotations: Sequence[Annotation]) -> Future[list[Annotation]]:
        return self._write(lambda connection: _put_all(connection, annotations, time.time_ns()))

    def change_annotation(self, annotation_id: bytes, changes: Mapping[str, Any]) -> Future[Annotation | None]:
        def job(connection: Connection) -> Annotation | None:
            known = _get(connection, annotation_id)
            if known is None:
                return None
            changed = replace(known, **changes, updated_ns=time.time_ns())
            _remember(connection, [known], time.time_ns())
            cells = said_of(changed)
            assignments = ", ".join(f"{name} = :{name}" for name in cells)
            connection.execute(
                text(f"UPDATE annotations SET {assignments} WHERE id = :id"), {**cells, "id": annotation_id}
            )
            queue_annotations(connection, [annotation_id], time.time_ns())
            return changed

        return self._write(job)

    def delete_annotation(self, annotation_id: bytes) -> Future[bool]:
        def job(connection: Connection) -> bool:
            known = _get(connection, annotation_id)
            if known is not None:
                _remember(connection, [known], time.time_ns())
                connection.execute(_DROP, {"id": annotation_id})
            return known is not None

        return self._write(job)

    def get_annotation(self, annotation_id: bytes) -> Annotation | None:
        with self._database.read() as connection:
            return _get(connection, annotation_id)

    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]:
        query = AnnotationQuery(trace_id=trace_id, newest_first=False, limit=MAX_OF_TRACE)
        return self.list_annotations(query).items

    def list_annotations(self, query: AnnotationQuery) -> AnnotationPage:
        mark = cursor.annotation_mark(query)
        where = _where(query)
        compare, order = ("<", "DESC") if query.newest_first else (">", "ASC")
        if (after := keyset.decode(mark, query.cursor)) is not None:
            where.add(f"(a.created_ns, a.id) {compare} (:after, :after_id)", after=after[0], after_id=after[1])
        if where.nothing or query.limit < 1:
            return AnnotationPage([])
        statement = text(
            f"{_SELECT} {where.clause()} ORDER BY a.created_ns {order}, a.id {order} LIMIT :limit OFFSET :offset"
        ).bindparams(*(bindparam(name, expanding=True) for name in _LISTS if name in where.values))
        values = {**where.values, "limit": query.limit + 1, "offset": query.offset}
        with self._database.read() as connection:
            rows = connection.execute(statement, values).all()
        items = [annotation_of(row) for row in rows[: query.limit]]
        more = len(rows) > len(items)
        return AnnotationPage(items, keyset.encode(mark, *_place(items[-1])) if more else None)

    def _write(self, job: Callable[[Connection], T]) -> Future[T]:
        def taking_turns(connection: Connection) -> T:
            take_turns(connection)
            return job(connection)

        told: Future[T] = Future()
        told.set_running_or_notify_cancel()
        self._database.write(taking_turns).add_done_callback(lambda done: _tell(told, done))
        return told


_LISTS: Final = ("spans", "whole_traces", "names", "kinds")


def _where(query: AnnotationQuery) -> Where:
    where = Where()
    if query.trace_id is not None:
        # By ids, so that both halves are found in an index.
        where.add(
            "a.id IN (SELECT id FROM annotations WHERE trace_id = :trace_id UNION ALL "
            "SELECT b.id FROM annotations b JOIN spans s ON s.span_id = b.span_id "
            "WHERE s.trace_id = :trace_id AND b.trace_id IS NULL)",
            trace_id=query.trace_id,
        )
    if query.project is not None:
        where.add(
            "a.trace_id IN (SELECT t.trace_id FROM traces t JOIN projects p ON p.id = t.project_id "
            "WHERE p.name = :project)",
            project=query.project,
        )
    if query.span_id is not None:
        where.add("a.span_id = :span_id", span_id=query.span_id)
    if query.session_id is not None:
        where.add_text("a.session_id", "session_id", query.session_id)
    about = []
    if query.spans:
        about.append("a.span_id IN :spans")
        where.values["spans"] = list(query.spans)
    if query.whole_traces:
        about.append("(a.span_id IS NULL AND a.trace_id IN :whole_traces)")
        where.values["whole_traces"] = list(query.whole_traces)
    if about:
        where.add(f"({' OR '.join(about)})")
    if query.names:
        where.add("a.name IN :names", names=list(query.names))
    if query.kinds:
        where.add("a.annotator_kind IN :kinds", kinds=list(query.kinds))
    return where


def take_turns(connection: Connection) -> None:
    """Before annotations are written in this transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURNS)


def replace_scores(
    connection: Connection, subject: Subject, identifier: str, scores: Sequence[Annotation], now: int
) -> None:
    """Have these be all that ``identifier`` says about the subject; ``take_turns`` came before."""
    values = {"identifier": identifier, "trace_id": subject.trace_id, "session_id": subject.session_id}
    if subject.session_id is not None:
        about = "a.session_id = :session_id AND a.trace_id IS NULL AND a.span_id IS NULL"
    elif subject.span_id is None:
        about = "a.trace_id = :trace_id"
    else:
        about = "a.trace_id = :trace_id AND a.span_id = :span_id"
        values["span_id"] = subject.span_id
    rows = connection.execute(text(f"{_SELECT} WHERE {about} AND a.identifier = :identifier"), values)
    kept = {key_of(score) for score in scores}
    gone = [known for known in map(annotation_of, rows) if key_of(known) not in kept]
    if gone:
        _remember(connection, gone, now)
        connection.execute(_DROP, [{"id": known.id} for known in gone])
    if scores:
        _put_all(connection, scores, now)


def history_of(connection: Connection, annotation_id: bytes) -> list[tuple[Annotation, int]]:
    """(what it said, until when), the latest first."""
    rows = connection.execute(_HISTORY, {"id": annotation_id})
    return [(history_said(row.said), row.replaced_ns) for row in rows]


def _put_all(connection: Connection, annotations: Sequence[Annotation], now: int) -> list[Annotation]:
    before = _said_before(connection, annotations)
    kept = _put(connection, annotations, now)
    # What says nothing new is not sent on: so it cannot go round between collectors for ever.
    new = {item.id: item for item in kept if item.id is not None and _is_news(item, before.get(item.id))}
    if new:
        queue_annotations(connection, list(new), now)
        _remember(connection, [said for number, said in before.items() if number in new], now)
    return kept


def _is_news(annotation: Annotation, before: Annotation | None) -> bool:
    return before is None or _undated(before) != _undated(annotation)


def _remember(connection: Connection, annotations: Sequence[Annotation], now: int) -> None:
    """What they say goes to their history, of which the latest ``MOST_HISTORY`` are kept."""
    rows = [{"id": said.id, "said": history_json(said), "now": now} for said in annotations]
    if rows:
        connection.execute(_ADD_HISTORY, rows)
        connection.execute(_CUT_HISTORY, [{"id": row["id"], "most": MOST_HISTORY} for row in rows])


def _said_before(connection: Connection, annotations: Sequence[Annotation]) -> dict[bytes, Annotation]:
    """What is stored under these targets, names and identifiers, by id."""
    keys = [key_of(annotation) for annotation in annotations]
    found = [
        annotation_of(row)
        for start in range(0, len(keys), _AT_ONCE)
        for row in connection.execute(_BY_KEY, {"keys": keys[start : start + _AT_ONCE]})
    ]
    return {annotation.id: annotation for annotation in found if annotation.id is not None}


def _undated(annotation: Annotation) -> Annotation:
    return replace(annotation, created_ns=None, updated_ns=None)


def _get(connection: Connection, annotation_id: bytes) -> Annotation | None:
    row = connection.execute(_ONE, {"id": annotation_id}).first()
    return None if row is None else annotation_of(row)


def _put(connection: Connection, annotations: Sequence[Annotation], now: int) -> list[Annotation]:
    keyed = [(key_of(annotation), annotation) for annotation in annotations]
    known = _Known(connection, [(key, annotation.id or id_of(key)) for key, annotation in keyed])
    # One nanosecond apart, so that they are listed in the order they were given.
    kept = [known.settle(key, annotation, now + number) for number, (key, annotation) in enumerate(keyed)]
    if known.moved:
        connection.execute(_DROP, [{"id": moved} for moved in sorted(known.moved)])
    rows = {key: {"key": key, **row_of(annotation)} for (key, _), annotation in zip(keyed, kept, strict=True)}
    last = [rows[key] for key in rows if known.by_key.get(key) == (rows[key]["id"], rows[key]["created_ns"])]
    if last:
        connection.execute(_PUT, last)
    return kept


class _Known:
    """What is stored under these keys and ids, and, as annotations are settled, what will be. ``moved`` are ids that
    were said of something else before."""

    def __init__(self, connection: Connection, wanted: Sequence[tuple[bytes, bytes]]) -> None:
        self.by_key: dict[bytes, tuple[bytes, int]] = {}
        self.moved: set[bytes] = set()
        self._key_of: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            keys, ids = zip(*wanted[start : start + _AT_ONCE], strict=True)
            for row in connection.execute(_KNOWN, {"keys": list(keys), "ids": list(ids)}):
                self._note(bytes(row.key), bytes(row.id), row.created_ns)

    def settle(self, key: bytes, annotation: Annotation, now: int) -> Annotation:
        wanted = annotation.id or id_of(key)
        before = self.by_key.get(key)
        elsewhere = self._key_of.get(wanted)
        if elsewhere is not None and elsewhere != key:
            self.moved.add(wanted)
            gone = self.by_key.pop(elsewhere)
            found, created = before or (wanted, gone[1])
        elif before is not None:
            found, created = before
        else:
            found, created = wanted, now if annotation.created_ns is None else annotation.created_ns
        self._note(key, found, created)
        return replace(annotation, id=found, created_ns=created, updated_ns=now)

    def _note(self, key: bytes, found: bytes, created: int) -> None:
        self.by_key[key] = (found, created)
        self._key_of[found] = key


def _place(annotation: Annotation) -> tuple[int, bytes]:
    assert annotation.created_ns is not None and annotation.id is not None
    return annotation.created_ns, annotation.id


def _tell(told: Future[T], done: Future[T]) -> None:
    error = done.exception()
    if error is None:
        told.set_result(done.result())
    elif isinstance(error, StorageError):
        told.set_exception(error)
    else:
        refused = Refused(f"an annotation holds what the database cannot take ({type(error).__name__})")
        refused.__cause__ = error
        told.set_exception(refused)
