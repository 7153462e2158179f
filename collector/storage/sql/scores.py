"""A rule's scores over time, counted in the database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from collector.storage.evaluation_api import MAX_CELLS, ScoreCell

# A score is made after its trace began: that bounds what is read of the index.
_CELLS: Final = text(
    "SELECT name, at / :step AS cell, label, count(*) AS n, count(score) AS scored, sum(score) AS total FROM ("
    "SELECT a.name, a.label, a.score, coalesce(t.start_ns, a.created_ns) AS at "
    "FROM annotations a LEFT JOIN traces t ON t.trace_id = a.trace_id "
    "WHERE a.identifier = :identifier AND a.created_ns >= :from_ns) AS found "
    "WHERE at >= :from_ns AND at < :to_ns GROUP BY name, cell, label ORDER BY n DESC, cell, name LIMIT :limit"
)


def score_cells(connection: Connection, identifier: str, from_ns: int, to_ns: int, step_ns: int) -> list[ScoreCell]:
    values = {"identifier": identifier, "from_ns": from_ns, "to_ns": to_ns, "step": step_ns, "limit": MAX_CELLS}
    cells = [
        ScoreCell(row.name, int(row.cell) * step_ns, row.label, row.n, row.scored, float(row.total or 0.0))
        for row in connection.execute(_CELLS, values)
    ]
    return sorted(cells, key=ScoreCell.place)
