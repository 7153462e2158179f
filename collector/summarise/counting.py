"""Which spans of a trace are the same call seen twice, and which usage is a sum of others: each call counts once. Pure.

Usage is of a call only on llm, embedding and reranker spans. On any other kind it repeats what lies beneath, and
counts only where nothing beneath has any. Two spans of one call kind are one call when they carry the same response
id, or when one lies right inside the other (plain ``task`` and ``chain`` spans between do not matter) and what is
known of their usage agrees: two instrumentations that see one call, or a wrapper and what it wraps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from collector.model import CALL_KINDS, Content, Span, Usage
from collector.summarise.sums import total_usage
from collector.summarise.tree import Tree

#: Kinds that may lie between two sights of one call.
_BETWEEN: Final = frozenset({"task", "chain"})
#: Kinds whose usage has no output: they generate nothing.
_WITHOUT_OUTPUT: Final = frozenset({"embedding", "reranker"})


@dataclass(slots=True)
class Counting:
    """Indexes into the tree. ``calls`` are counted, in their order: every model call, and other spans that alone know
    a usage or a cost. ``uncounted``: a span -> the one it is another sight of, None where it is a sum of others."""

    calls: list[int] = field(default_factory=list)
    uncounted: dict[int, int | None] = field(default_factory=dict)


def count(tree: Tree, content_of: Callable[[Span], Content]) -> Counting:
    """Content is asked for only where a call was seen twice."""
    spans = tree.spans
    model_calls = [number for number, span in enumerate(spans) if span.kind in CALL_KINDS]
    knowing = [number for number, span in enumerate(spans) if span.usage is not None or span.cost is not None]
    uncounted: dict[int, int | None] = {}
    if len(model_calls) > 1:
        around, sights = _around(tree, model_calls), _Sights(tree, model_calls, content_of).uncounted()
        # Where the best sight of a call only wraps a call of another kind, so do all the others.
        uncounted = around | {number: None if call in around else call for number, call in sights.items()}
    others = [number for number in knowing if spans[number].kind not in CALL_KINDS and _tells(spans[number])]
    if others:
        for number, call in _repetitions(tree, others).items():
            uncounted[number] = call if call is None else uncounted.get(call, call)
    return Counting(sorted({*model_calls, *others} - uncounted.keys()), uncounted)


def _around(tree: Tree, calls: Sequence[int]) -> dict[int, int | None]:
    """Spans that know nothing of a call of their own with one of another kind inside: a reranker that asks a model."""
    enclosing = _enclosing_calls(tree)
    outers = {number: enclosing[tree.parents[number]] for number in calls if tree.parents[number] >= 0}
    return {
        outer: None
        for number, outer in outers.items()
        if outer >= 0 and tree.spans[outer].kind != tree.spans[number].kind and not _tells(tree.spans[outer])
    }


def knows(usage: Usage | None) -> bool:
    """Whether any count of tokens is known."""
    return usage is not None and (
        usage.total_tokens is not None or usage.input_tokens is not None or usage.output_tokens is not None
    )


def _tells(span: Span) -> bool:
    return knows(span.usage) or _priced(span)


class _Sights:
    """Groups of spans that are sights of one call each."""

    def __init__(self, tree: Tree, calls: Sequence[int], content_of: Callable[[Span], Content]) -> None:
        self._tree = tree
        self._spans = tree.spans
        self._calls = calls
        self._content_of = content_of
        #: a span -> another of its group; the last one of that chain stands for the group
        self._towards: dict[int, int] = {}
        self._sums: list[int] = []

    def uncounted(self) -> dict[int, int | None]:
        self._join_by_response()
        inside = self._inside()
        # From the inside out: what a wrapper is compared with has been joined already.
        for outer in reversed(self._tree.order) if inside else ():
            if outer in inside:
                self._join_inside(outer, inside[outer])
        groups: dict[int, list[int]] = defaultdict(list)
        for number in self._calls if self._towards else ():
            groups[self._group(number)].append(number)
        place = {number: place for place, number in enumerate(self._tree.order)} if groups else {}
        found: dict[int, int | None] = dict.fromkeys(self._sums)
        for members in groups.values():
            if len(members) > 1:
                leader = self._leader(members, place)
                found.update((number, leader) for number in members if number != leader)
        return found

    def _join_by_response(self) -> None:
        latest: dict[tuple[str, str], tuple[int, int]] = {}
        for number in self._calls:
            span = self._spans[number]
            if span.response_id is None:
                continue
            key = span.kind, span.response_id
            other, until = latest.get(key, (number, 0))
            # One after the other, each with a usage, they are two calls: stand-ins of providers repeat their ids.
            apart = span.start_ns >= until and knows(span.usage) and knows(self._spans[self._group(other)].usage)
            if not apart:
                self._join(number, other)
            latest[key] = number, max(span.end_ns, 0 if apart else until)

    def _inside(self) -> dict[int, list[int]]:
        """A call -> the calls of its kind right inside it."""
        if all(self._tree.parents[number] < 0 for number in self._calls):
            return {}
        enclosing = _enclosing_calls(self._tree)
        inside: dict[int, list[int]] = defaultdict(list)
        for number in self._calls:
            parent = self._tree.parents[number]
            outer = enclosing[parent] if parent >= 0 else -1
            if outer >= 0 and self._spans[outer].kind == self._spans[number].kind:
                inside[outer].append(number)
        return inside

    def _join_inside(self, outer: int, inner: Sequence[int]) -> None:
        """Join a call with the one that it wraps, or set it aside where it is the sum of several."""
        groups = list(dict.fromkeys(map(self._group, inner)))
        usage = self._spans[outer].usage
        if self._group(outer) in groups:
            return
        if len(groups) == 1:
            if agree(usage, self._spans[groups[0]].usage):
                self._join(outer, groups[0])
            return
        usages = [self._spans[group].usage for group in groups]
        if not knows(usage):
            # A wrapper that tries until it succeeds is the attempt that did; over several it is their sum.
            lived = [group for group in groups if self._spans[group].status != "error"]
            if len(lived) == 1:
                self._join(outer, lived[0])
            else:
                self._sums.append(outer)
            return
        same = [group for group in groups if knows(self._spans[group].usage) and agree(usage, self._spans[group].usage)]
        if same:
            self._join(outer, same[0])
        elif all(map(knows, usages)) and agree(usage, total_usage(usages)):
            self._sums.append(outer)

    def _leader(self, members: Sequence[int], place: dict[int, int]) -> int:
        """The sight that tells most: usage, price, then messages; of equals the innermost."""
        told = {number: (knows(self._spans[number].usage), _priced(self._spans[number])) for number in members}
        most = max(told.values())
        tied = [number for number in members if told[number] == most]
        return tied[0] if len(tied) == 1 else max(tied, key=lambda number: (self._messages(number), place[number]))

    def _messages(self, number: int) -> int:
        content = self._content_of(self._spans[number])
        return bool(content.input_messages) + bool(content.output_messages)

    def _group(self, number: int) -> int:
        while (further := self._towards.get(number)) is not None:
            number = further
        return number

    def _join(self, one: int, other: int) -> None:
        """Of the two that stand for their groups, one that knows a usage stands for both."""
        one, other = self._group(one), self._group(other)
        if one == other:
            return
        if knows(self._spans[one].usage) and not knows(self._spans[other].usage):
            one, other = other, one
        self._towards[one] = other


def _enclosing_calls(tree: Tree) -> list[int]:
    """For each span the model call that it is or lies in, with nothing but plain spans between; else -1."""
    enclosing = [-1] * len(tree.spans)
    for number in tree.order:
        kind, parent = tree.spans[number].kind, tree.parents[number]
        if kind in CALL_KINDS:
            enclosing[number] = number
        elif kind in _BETWEEN and parent >= 0:
            enclosing[number] = enclosing[parent]
    return enclosing


def _repetitions(tree: Tree, others: Iterable[int]) -> dict[int, int | None]:
    """Those of the spans that are no model calls whose usage is told by spans beneath, or by the call they lie in."""
    spans, parents = tree.spans, tree.parents
    told_below, generated_below = [False] * len(spans), [False] * len(spans)
    for number in reversed(tree.order):
        parent = parents[number]
        if parent >= 0:
            told = knows(spans[number].usage)
            told_below[parent] |= told_below[number] or told
            generated_below[parent] |= generated_below[number] or (told and spans[number].kind not in _WITHOUT_OUTPUT)
    enclosing = _enclosing_calls(tree)
    found: dict[int, int | None] = {}
    for number in others:
        usage, call = spans[number].usage, enclosing[number]
        if generated_below[number] or (told_below[number] and not (usage and usage.output_tokens)):
            found[number] = None
        elif call >= 0 and _tells(spans[call]):
            found[number] = call
    return found


def _priced(span: Span) -> bool:
    return span.cost is not None and span.cost.total is not None


def agree(one: Usage | None, other: Usage | None) -> bool:
    """Whether two usages may be of one call: what both know is the same, apart from whether cached input is in it."""
    if one is None or other is None:
        return True
    if not _same(one.output_tokens, other.output_tokens):
        return False
    if one.input_tokens is None or other.input_tokens is None:
        return one.output_tokens is not None or _same(one.total_tokens, other.total_tokens)
    return abs(one.input_tokens - other.input_tokens) in (0, _cached(one), _cached(other))


def _same(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other


def _cached(usage: Usage) -> int:
    return (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
