"""The spans of one trace as a tree, whatever their parent ids say. Pure; nothing recurses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from collector.model import Span

T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Tree:
    """``spans`` by start, of those that start together the longest first; all else are indexes into it.

    ``parents`` has -1 where the parent is none or not here, or where the ids run in a circle, which is cut at its
    earliest span. ``order`` has parents before their children. ``root`` is the earliest span without a parent, else
    the earliest whose parent is not here.
    """

    spans: Sequence[Span]
    parents: Sequence[int]
    order: Sequence[int]
    root: int

    def inherited(self, values: Sequence[T | None]) -> list[T | None]:
        """Each span's own value, else that of its nearest ancestor that has one."""
        found = list(values)
        for index in self.order:
            if found[index] is None and self.parents[index] >= 0:
                found[index] = found[self.parents[index]]
        return found


def tree_of(spans: Iterable[Span]) -> Tree:
    """``spans`` are of one trace, at least one, with distinct ids, in any order."""
    ordered = sorted(spans, key=_by_start)
    index: dict[bytes | None, int] = {span.span_id: number for number, span in enumerate(ordered)}
    parents = [index.get(span.parent_span_id, -1) for span in ordered]
    order: Sequence[int] = range(len(ordered))
    if not all(map(int.__lt__, parents, order)):
        _cut_circles(parents)
        order = _parents_first(parents)
    root = next((number for number, span in enumerate(ordered) if span.parent_span_id is None), None)
    return Tree(ordered, parents, order, parents.index(-1) if root is None else root)


def _by_start(span: Span) -> tuple[int, int, bytes]:
    return span.start_ns, -span.end_ns, span.span_id


def _cut_circles(parents: list[int]) -> None:
    seen = [-1] * len(parents)
    for start in range(len(parents)):
        at = start
        while at >= 0 and seen[at] < 0:
            seen[at] = start
            at = parents[at]
        if at >= 0 and seen[at] == start:
            circle = [at]
            while parents[circle[-1]] != at:
                circle.append(parents[circle[-1]])
            parents[min(circle)] = -1


def _parents_first(parents: Sequence[int]) -> list[int]:
    children: list[list[int]] = [[] for _ in parents]
    order: list[int] = []
    for number, parent in enumerate(parents):
        (order if parent < 0 else children[parent]).append(number)
    for number in order:
        order.extend(children[number])
    return order
