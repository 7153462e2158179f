"""A ``TraceQuery`` as SQL conditions over ``traces t``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from collector.filters.nodes import Node, needs_originals
from collector.storage import words
from collector.storage.api import TraceQuery
from collector.storage.sql import filter_sql, search
from collector.storage.sql.filter_terms import BYTES, Dialect
from collector.storage.sql.rows import STATUS_CODES


@dataclass(slots=True)
class Where:
    """Conditions that all hold, and the values they name. ``nothing``: no row can match."""

    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    nothing: bool = False

    def add(self, condition: str, **values: Any) -> None:
        self.conditions.append(condition)
        self.values |= values

    def add_text(self, column: str, name: str, value: str) -> None:
        """``column = value``. No column holds what the sanitizer takes out: asking for that finds nothing."""
        if "\0" in value or not _is_unicode(value):
            self.nothing = True
        self.add(f"{column} = :{name}", **{name: value})

    def clause(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def where(connection: Connection, query: TraceQuery) -> Where:
    """All but sort, limit and cursor."""
    found = but_range(connection, query)
    add_range(found, "t.start_ns", query.from_ns, query.to_ns)
    return found


def but_range(connection: Connection, query: TraceQuery) -> Where:
    """All but sort, limit, cursor and time range."""
    found = Where()
    owned = query.session_id is not None or query.user_id is not None
    if query.project is not None:
        add_project(connection, found, query.project, by_index=not owned)
    if query.session_id is not None:
        found.add_text("t.session_id", "session_id", query.session_id)
    if query.user_id is not None:
        found.add_text("t.user_id", "user_id", query.user_id)
    if query.status is not None:
        found.add("t.status = :status", status=STATUS_CODES.get(query.status, -1))
    if query.newer_than is not None:
        start_ns, trace_id = query.newer_than
        found.add("(t.start_ns, t.trace_id) > (:newer_ns, :newer_id)", newer_ns=bounded(start_ns), newer_id=trace_id)
    asked = words.query(query.q or "")
    if asked:
        condition, q = search.condition(connection, asked)
        found.add(condition, q=q)
    if query.filter is not None and not found.nothing:
        _add_filter(connection, found, query.filter, query)
    return found


def _add_filter(connection: Connection, found: Where, node: Node, query: TraceQuery) -> None:
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    wide, values = filter_sql.condition(node, dialect)
    found.add(wide, **values)
    if not needs_originals(node):
        return
    from collector.storage.sql import candidates  # it reads through listing, which reads through here

    ranged = Where(list(found.conditions), dict(found.values))
    add_range(ranged, "t.start_ns", query.from_ns, query.to_ns)
    ids = candidates.matching(connection, node, ranged.clause(), ranged.values)
    found.nothing = not ids
    found.add(f"t.trace_id IN ({', '.join(BYTES[dialect].format(one.hex()) for one in ids)})")


def add_project(
    connection: Connection, found: Where, name: str, *, column: str = "t.project_id", by_index: bool = True
) -> None:
    """``by_index`` False where another condition selects far fewer rows: SQLite cannot know that by itself."""
    named = Where()
    named.add_text("name", "name", name)
    statement = text(f"SELECT id FROM projects {named.clause()}")
    project_id = None if named.nothing else connection.execute(statement, named.values).scalar()
    if project_id is None:
        found.nothing = True
    plus = "" if by_index or connection.dialect.name != "sqlite" else "+"
    found.add(f"{plus}{column} = :project_id", project_id=project_id)


def add_range(found: Where, column: str, from_ns: int | None, to_ns: int | None) -> None:
    if from_ns is not None:
        found.add(f"{column} >= :from_ns", from_ns=bounded(from_ns))
    if to_ns is not None:
        found.add(f"{column} < :to_ns", to_ns=bounded(to_ns))


def bounded(time_ns: int) -> int:
    """Where spans can be, 1970 to 2262: what lies beyond stands for the beginning or the end of time."""
    return max(0, min(time_ns, 2**63 - 1))


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
