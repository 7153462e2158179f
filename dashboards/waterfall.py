"""A trace's spans as the rows of its tree and waterfall. Pure.

Rows are in depth-first order, children by start. Every span has exactly one row, whatever its parent ids say: a span
whose parent is not there is a root, and a circle of parents is cut at its earliest span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collector.model import CALL_KINDS, KINDS, Cost, Span
from dashboards import format as fmt

#: Positions on the time axis are whole parts of this many.
PARTS: Final = 100_000
#: What ``Row.flags`` is made of.
ERROR, ERROR_BELOW, INFRASTRUCTURE, DUPLICATE, ORPHAN = 1, 2, 4, 8, 16

_INFRASTRUCTURE_SCOPES: Final = (
    "opentelemetry.instrumentation.",
    "@opentelemetry/instrumentation-",
    "io.opentelemetry.",
)


@dataclass(slots=True)
class Row:
    """``size`` counts the rows of the subtree, this one included; ``tokens``, ``cost``, ``calls`` and ``unpriced``
    are sums over its counted calls."""

    span: Span
    depth: int
    size: int = 1
    flags: int = 0
    tokens: int | None = None
    cost: int | None = None
    calls: int = 0
    unpriced: int = 0


@dataclass(slots=True)
class Waterfall:
    """``critical`` are the stretches (row, start_ns, end_ns) that the whole waited for."""

    start_ns: int
    end_ns: int
    rows: list[Row]
    critical: list[tuple[int, int, int]] = field(default_factory=list)


def build(spans: Sequence[Span]) -> Waterfall:
    """Lays the spans of one trace out."""
    if not spans:
        return Waterfall(0, 0, [])
    rows = [Row(span, depth) for span, depth in _depth_first(spans)]
    known = {span.span_id for span in spans}
    for row in rows:
        row.flags = _own_flags(row.span, known)
    _roll_up(rows)
    start, end = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
    return Waterfall(start, end, rows, _critical_path(rows))


def _depth_first(spans: Sequence[Span]) -> list[tuple[Span, int]]:
    by_start = sorted(spans, key=lambda s: (s.start_ns, -s.end_ns, s.span_id))
    ids = {span.span_id for span in spans}
    children: dict[bytes, list[Span]] = {}
    roots = []
    for span in by_start:
        if span.parent_span_id is None or span.parent_span_id not in ids or span.parent_span_id == span.span_id:
            roots.append(span)
        else:
            children.setdefault(span.parent_span_id, []).append(span)
    ordered: list[tuple[Span, int]] = []
    seen: set[bytes] = set()
    for root in [*roots, *by_start]:  # the second part reaches what hangs in a circle
        stack = [(root, 0)]
        while stack:
            span, depth = stack.pop()
            if span.span_id in seen:
                continue
            seen.add(span.span_id)
            ordered.append((span, depth))
            stack.extend((child, depth + 1) for child in reversed(children.get(span.span_id, ())))
    return ordered


def _own_flags(span: Span, known: set[bytes]) -> int:
    flags = ERROR if span.status == "error" else 0
    if not span.counted and span.kind in CALL_KINDS:
        flags |= DUPLICATE
    if span.parent_span_id is not None and span.parent_span_id not in known:
        flags |= ORPHAN
    if span.kind == "task" and span.status != "error" and (span.scope or "").startswith(_INFRASTRUCTURE_SCOPES):
        flags |= INFRASTRUCTURE
    return flags


def _roll_up(rows: list[Row]) -> None:
    """Adds children to parents, from the last row up. Infrastructure is only what has nothing else beneath it."""
    for row in rows:
        _add_own_call(row)
    last: dict[int, int] = {}
    parents = []
    for index, row in enumerate(rows):
        parents.append(last.get(row.depth - 1, -1) if row.depth else -1)
        last[row.depth] = index
    for index in range(len(rows) - 1, -1, -1):
        if parents[index] >= 0:
            _add_child(rows[parents[index]], rows[index])


def _add_own_call(row: Row) -> None:
    span = row.span
    if not span.counted or (span.kind not in CALL_KINDS and span.cost is None and span.usage is None):
        return
    row.tokens = span.usage.total_tokens if span.usage else None
    row.cost = span.cost.total if span.cost else None
    row.calls = 1
    row.unpriced = 1 if span.cost is not None and span.cost.status == "unpriced" else 0


def _add_child(parent: Row, child: Row) -> None:
    parent.size += child.size
    parent.calls += child.calls
    parent.unpriced += child.unpriced
    if child.tokens is not None:
        parent.tokens = (parent.tokens or 0) + child.tokens
    if child.cost is not None:
        parent.cost = (parent.cost or 0) + child.cost
    if child.flags & (ERROR | ERROR_BELOW):
        parent.flags |= ERROR_BELOW
    if not child.flags & INFRASTRUCTURE:
        parent.flags &= ~INFRASTRUCTURE


def _critical_path(rows: list[Row]) -> list[tuple[int, int, int]]:
    """From the end of the longest root backwards: always into the child that ended last before the moment reached."""
    roots = [index for index, row in enumerate(rows) if row.depth == 0]
    root = max(roots, key=lambda index: rows[index].span.duration_ns)
    path: list[tuple[int, int, int]] = []
    stack = [(root, rows[root].span.end_ns)]
    while stack:
        index, moment = stack.pop()
        row = rows[index]
        frames: list[tuple[int, int]] = []
        for child in sorted(_children(rows, index), key=lambda c: rows[c].span.end_ns, reverse=True):
            span = rows[child].span
            if span.end_ns > moment or span.start_ns < row.span.start_ns or span.duration_ns == 0:
                continue
            if moment > span.end_ns:
                path.append((index, span.end_ns, moment))
            frames.append((child, span.end_ns))
            moment = span.start_ns
        if moment > row.span.start_ns:
            path.append((index, row.span.start_ns, moment))
        stack.extend(frames)
    return path


def _children(rows: list[Row], index: int) -> list[int]:
    found = []
    child, end = index + 1, index + rows[index].size
    while child < end:
        found.append(child)
        child += rows[child].size
    return found


def as_columns(waterfall: Waterfall) -> dict[str, Any]:
    """The rows as arrays, one entry per row, small enough to be sent whole: what ``static/js/tree.js`` reads.

    ``left``, ``width``, ``first`` (of the first token, from the span's own start; -1 unknown) and the ``critical``
    stretches are in parts of ``PARTS``. Texts that repeat are numbered in ``names`` and ``models``.
    """
    start, total = waterfall.start_ns, max(waterfall.end_ns - waterfall.start_ns, 1)
    visible = total // 100  # shorter stretches would be dots that say nothing

    def part(ns: int) -> int:
        return ns * PARTS // total

    names: dict[str, int] = {}
    models: dict[str, int] = {"": 0}
    rows = waterfall.rows
    return {
        "start": fmt.rfc3339(start),
        "kinds": KINDS,
        "ids": [row.span.span_id.hex() for row in rows],
        "depth": [row.depth for row in rows],
        "size": [row.size for row in rows],
        "flags": [row.flags for row in rows],
        "kind": [_KIND_NUMBER.get(row.span.kind, _KIND_NUMBER["task"]) for row in rows],
        "name": [names.setdefault(row.span.name, len(names)) for row in rows],
        "model": [models.setdefault(_model(row.span), len(models)) for row in rows],
        "left": [part(row.span.start_ns - start) for row in rows],
        "width": [part(row.span.duration_ns) for row in rows],
        "first": [-1 if (t := row.span.time_to_first_token_ns) is None else part(t) for row in rows],
        "duration": [fmt.duration(row.span.duration_ns) for row in rows],
        "tokens": ["" if row.tokens is None else fmt.compact(row.tokens) for row in rows],
        "cost": [_cost(row) for row in rows],
        "names": list(names),
        "models": list(models),
        "critical": [[index, part(s - start), part(e - s)] for index, s, e in waterfall.critical if e - s >= visible],
        "ticks": [[part(ns), fmt.tick(ns)] for ns in ticks(total)],
    }


_KIND_NUMBER: Final = {kind: number for number, kind in enumerate(KINDS)}


def _model(span: Span) -> str:
    model = span.response_model or span.request_model or ""
    return model if span.kind in CALL_KINDS and model not in span.name else ""


def _cost(row: Row) -> str:
    if not row.calls or (row.cost is None and not row.unpriced):
        return ""
    return fmt.cost(Cost("computed", row.cost), row.calls, row.unpriced)


#: Round steps of a time axis in ns: 1, 2, 5 and their tens below half a minute, then what clocks count in.
_STEPS: Final = (
    *(digit * 10**power for power in range(11) for digit in (1, 2, 5) if digit * 10**power < 30 * 10**9),
    *(seconds * 10**9 for seconds in (30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)),
)


def ticks(total_ns: int, at_most: int = 5) -> list[int]:
    """Round moments that divide a time axis, from 0."""
    days = 86_400 * 10**9
    step = next((s for s in _STEPS if total_ns / s <= at_most), -(-total_ns // (at_most * days)) * days)
    return list(range(0, total_ns, step))
