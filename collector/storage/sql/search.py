"""The full-text index: one row of words per original, on SQLite in FTS5, on PostgreSQL as tsvector under GIN.

Words are made by ``collector.storage.words`` for both, so that the same text is found by the same query on each. Only
which words occur is kept, not where: the index stays small and its inserts cheap. FTS5's tokenizer ``ascii`` takes
every character beyond ASCII as part of a word, so it cuts where we did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from collector.storage import words
from collector.storage.sql.address import Dialect

#: ``searched`` says which rows of the index belong to a trace, without touching the wide rows of ``originals``.
CREATE: Final = {
    "sqlite": (
        "CREATE VIRTUAL TABLE search USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')",
        "CREATE TABLE searched (trace_id BLOB NOT NULL, original_id INTEGER NOT NULL, "
        "PRIMARY KEY (trace_id, original_id)) WITHOUT ROWID",
    ),
    "postgresql": (
        "CREATE TABLE search (original_id BIGINT PRIMARY KEY, trace_id BYTEA NOT NULL, document TSVECTOR NOT NULL)",
        "CREATE INDEX ix_search_document ON search USING gin (document)",
    ),
}
_INSERT: Final = {
    "sqlite": (
        text("INSERT INTO search (rowid, words) VALUES (:id, :words)"),
        text("INSERT INTO searched SELECT trace_id, id FROM originals WHERE id = :id"),
    ),
    "postgresql": (
        text(
            "INSERT INTO search SELECT id, trace_id, array_to_tsvector(CAST(:words AS TEXT[])) FROM originals "
            "WHERE id = :id FOR KEY SHARE ON CONFLICT DO NOTHING"
        ),
    ),
}
# FTS5 cannot forget words that it is not told again: those of an original that is gone stay, and lead to nothing.
_REMOVE: Final = {
    "sqlite": text("DELETE FROM searched WHERE trace_id = :trace_id AND original_id = :id"),
    "postgresql": text("DELETE FROM search WHERE original_id = :id"),
}
_FOUND: Final = "t.trace_id IN (SELECT trace_id FROM search WHERE document @@ CAST(:q AS tsquery))"
# SQLite cannot know how many rows will be found. Few are looked up; for many the list is walked in its own order, and
# the plus keeps them from being looked up one by one for every trace.
FEW: Final = 1_000
_COUNT: Final = text("SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH :q LIMIT :few)")
_IDS: Final = "(SELECT rowid FROM search WHERE search MATCH :q)"
_FOUND_FEW: Final = f"t.trace_id IN (SELECT trace_id FROM originals WHERE id IN {_IDS})"
_FOUND_MANY: Final = f"EXISTS (SELECT 1 FROM searched s WHERE s.trace_id = t.trace_id AND +s.original_id IN {_IDS})"


def condition(connection: Connection, asked: Sequence[str]) -> tuple[str, str]:
    """(condition on ``traces t`` that one original of the trace has all the words, value of its ``:q``)."""
    dialect = connection.dialect.name
    q = expression(dialect, asked)
    if dialect == "postgresql":
        return _FOUND, q
    found = connection.execute(_COUNT, {"q": q, "few": FEW}).scalar_one()
    return _FOUND_FEW if found < FEW else _FOUND_MANY, q


def expression(dialect: str, asked: Sequence[str]) -> str:
    """Words, the last one a prefix, in the engine's query language. They are letters and digits: nothing to escape."""
    if dialect == "sqlite":
        return " AND ".join(f'"{word}"' for word in asked) + " *"
    return " & ".join(f"'{word}'" for word in asked) + ":*"


def documents(dialect: Dialect, texts: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    """What is inserted for (original id, text): made outside of the transaction, because it takes the longest."""
    join = " ".join if dialect == "sqlite" else list
    return [{"id": original_id, "words": join(words.document(content))} for original_id, content in texts]


def insert_documents(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Make each original findable. Each original is given once."""
    if rows:
        for statement in _INSERT[connection.dialect.name]:
            connection.execute(statement, rows)


def remove_documents(connection: Connection, originals: Sequence[tuple[int, bytes]]) -> None:
    """Make (original id, trace id) findable no more, after the originals themselves have been deleted."""
    if originals:
        rows = [{"id": original_id, "trace_id": trace_id} for original_id, trace_id in originals]
        connection.execute(_REMOVE[connection.dialect.name], rows)
