"""What a dialect is, and the pure helpers that dialects share.

A dialect translates one attribute convention into the canonical model. Several may match one span (an SDK that writes
two conventions, a span processor that adds a second one): ``facts`` therefore fills only what is still unknown, and
the contents that ``content`` returns are merged the same way, so the first dialect in the list leads and no number is
ever taken twice.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Protocol

from collector.model import Attributes, Content, Cost, Span, Usage
from collector.processors.values import count, nanoseconds, pico_usd

#: Longer attribute names belong to no convention.
_MAX_KEY: Final = 256


class Dialect(Protocol):
    """One convention. All methods are total: any attribute may have any type."""

    @property
    def marks(self) -> frozenset[str]:
        """Attributes one of which each of its spans has; none for the two that are always asked."""
        ...

    @property
    def content_keys(self) -> tuple[str, ...]:
        """Beginnings of the attribute keys that only ``content`` reads: ``facts`` sees spans without them."""
        ...

    def matches(self, attributes: Attributes) -> bool:
        """Whether a span with these attributes, among them a mark where there are any, speaks this dialect. Called for
        every such span: one or two lookups."""
        ...

    def facts(self, span: Span, attributes: Attributes) -> None:
        """Fill facts that are still unknown. On the ingest path: lookups only, and a loop over the attributes only
        where metadata are flattened into them."""
        ...

    def content(self, span: Span, attributes: Attributes) -> Content:
        """What the span carried, from ``attributes`` and ``span.events``; the span's facts may not be filled."""
        ...


class Marked:
    """The beginning of a dialect that is told by its marks, so that there is nothing left to ask a span."""

    marks: frozenset[str] = frozenset()
    content_keys: tuple[str, ...] = ()

    def matches(self, attributes: Attributes) -> bool:
        return True


def fill_usage(
    span: Span,
    input_tokens: Any,
    output_tokens: Any,
    total_tokens: Any,
    cache_read_tokens: Any,
    cache_write_tokens: Any,
    audio_input_tokens: Any,
    reasoning_tokens: Any,
    audio_output_tokens: Any,
) -> None:
    """Set the parts of ``span.usage`` that are still unknown. Values as found; what is no count stays unknown."""
    usage = span.usage
    if usage is None:
        usage = span.usage = Usage()
    if input_tokens is not None and usage.input_tokens is None:
        usage.input_tokens = count(input_tokens)
    if output_tokens is not None and usage.output_tokens is None:
        usage.output_tokens = count(output_tokens)
    if total_tokens is not None and usage.total_tokens is None:
        usage.total_tokens = count(total_tokens)
    if cache_read_tokens is not None and usage.cache_read_tokens is None:
        usage.cache_read_tokens = count(cache_read_tokens)
    if cache_write_tokens is not None and usage.cache_write_tokens is None:
        usage.cache_write_tokens = count(cache_write_tokens)
    if audio_input_tokens is not None and usage.audio_input_tokens is None:
        usage.audio_input_tokens = count(audio_input_tokens)
    if reasoning_tokens is not None and usage.reasoning_tokens is None:
        usage.reasoning_tokens = count(reasoning_tokens)
    if audio_output_tokens is not None and usage.audio_output_tokens is None:
        usage.audio_output_tokens = count(audio_output_tokens)


def time_to_event(span: Span, *names: str) -> int | None:
    """Nanoseconds from the span's start to its first event of one of these names."""
    for event in span.events:
        if event.name in names:
            return nanoseconds(event.time_ns - span.start_ns, 1)
    return None


def fill_owner(span: Span, session: Any, user: Any) -> None:
    """Set whose span it is, where that is still unknown."""
    if span.session_id is None and session is not None:
        span.session_id = session
    if span.user_id is None and user is not None:
        span.user_id = user


def under(attributes: Attributes, prefix: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The attributes whose names begin so, by the rest of their names."""
    length = len(prefix)
    found = {key[length:]: value for key, value in attributes.items() if key.startswith(prefix) and len(key) > length}
    for name in without:
        found.pop(name, None)
    return found


def fill_cost(span: Span, total: Any, input_cost: Any = None, output_cost: Any = None) -> None:
    """Keep what the application said its call cost (USD). Without a total there is no reported cost."""
    pico = pico_usd(total)
    if pico is not None and span.cost is None:
        span.cost = Cost("reported", pico, pico_usd(input_cost), pico_usd(output_cost), None, pico)


def unflatten(attributes: Attributes, prefixes: tuple[str, ...]) -> dict[str, Any]:
    """Attributes whose names begin so, as nested dicts: ``{"p.0.a.b": 1}`` is ``{"p": {"0": {"a": {"b": 1}}}}``.

    A name that is a value and a branch at once keeps the branch.
    """
    tree: dict[str, Any] = {}
    for key, value in attributes.items():
        path = _path(key, prefixes) if len(key) <= _MAX_KEY else ()
        if not path:
            continue
        node = tree
        for name in path[:-1]:
            branch = node.get(name)
            if branch.__class__ is not dict:
                branch = node[name] = {}
            node = branch
        if node.get(path[-1]).__class__ is not dict:
            node[path[-1]] = value
    return tree


@lru_cache(4096)
def _path(key: str, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The same few names come with every span."""
    return tuple(key.split(".")) if key.startswith(prefixes) else ()


def indexed(node: Any, member: str) -> list[Any]:
    """The ``member`` of each value of a node whose keys are indexes, by number (gaps allowed)."""
    return [value[member] for value in nodes_of(node) if member in value]


def nodes_of(node: Any) -> list[dict[str, Any]]:
    """The branches of a node whose keys are indexes, by number (gaps allowed)."""
    if node.__class__ is not dict or not node:
        return []
    numbers = [(int(key), key) for key in node if len(key) < 10 and key.isascii() and key.isdigit()]
    if len(numbers) > 1:
        numbers.sort()
    values = [node[key] for _, key in numbers]
    return [value for value in values if value.__class__ is dict]


def branch(node: Any, *path: str) -> Any:
    """What lies at the path in nested dicts, or None."""
    for name in path:
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node
