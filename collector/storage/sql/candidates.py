"""Filters that ask for more than columns hold: SQL finds the traces that may match, and each is looked at in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from collector.annotations import Annotation
from collector.filters.matches import matches
from collector.filters.nodes import Node
from collector.model import Span
from collector.storage.annotations_api import MAX_OF_TRACE
from collector.storage.api import TooBroad
from collector.storage.originals import attach
from collector.storage.records import trace_record
from collector.storage.sql import listing, spans
from collector.storage.sql.annotation_rows import COLUMNS, annotation_of

#: Traces that are opened to answer one request; each costs about a millisecond.
MAX_CANDIDATES: Final = 2_000
_AT_ONCE: Final = 100
_ANNOTATIONS = text(
    f"SELECT {', '.join(f'a.{name}' for name in COLUMNS)} FROM annotations a "
    "WHERE a.trace_id = :trace_id OR (a.trace_id IS NULL AND a.span_id IN :span_ids) "
    "ORDER BY a.created_ns, a.id LIMIT :most"
).bindparams(bindparam("span_ids", expanding=True))


def matching(connection: Connection, node: Node, conditions: str, values: dict[str, Any]) -> list[bytes]:
    """The traces that meet the conditions on ``traces t`` and the filter. Raises ``TooBroad``."""
    found = [
        bytes(row[0])
        for row in connection.execute(
            text(f"SELECT t.trace_id FROM traces t {conditions} LIMIT :most"), {**values, "most": MAX_CANDIDATES + 1}
        )
    ]
    if len(found) > MAX_CANDIDATES:
        raise TooBroad(
            f"more than {MAX_CANDIDATES} traces would have to be opened to answer this filter (it asks for spans' "
            "attributes, input or output): narrow the time, or add conditions on other fields"
        )
    parts = (found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE))
    return [trace_id for part in parts for trace_id in _matching(connection, node, part)]


def _matching(connection: Connection, node: Node, trace_ids: Sequence[bytes]) -> Iterator[bytes]:
    stored: dict[bytes, list[tuple[Span, int]]] = {trace_id: [] for trace_id in trace_ids}
    for span, number in spans.of_traces(connection, trace_ids):
        stored[span.trace_id].append((span, number))
    for trace_id, summary in listing.summaries(connection, trace_ids).items():
        of_trace = stored[trace_id]

        def spans_of(of_trace: list[tuple[Span, int]] = of_trace) -> list[Span]:
            data = spans.originals(connection, sorted({number for _, number in of_trace}))
            attach(of_trace, data.__getitem__)
            return [span for span, _ in of_trace]

        def said(of_trace: list[tuple[Span, int]] = of_trace, trace_id: bytes = trace_id) -> list[Annotation]:
            ids = [span.span_id for span, _ in of_trace]
            rows = connection.execute(_ANNOTATIONS, {"trace_id": trace_id, "span_ids": ids, "most": MAX_OF_TRACE})
            return [annotation_of(row) for row in rows]

        if matches(node, trace_record(summary, spans_of, said)):
            yield trace_id
