"""LangSmith's filter language: ``and(eq(run_type, "llm"), gt(latency, 5))``. Pure.

Comparisons eq neq gt gte lt lte, ``in`` and ``has``, ``search`` for free text, joined by ``and`` and ``or``, over the
fields of ``run_reads_fields``. Anything else is a ``FilterFault`` that says what it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from collector.codec.runs import time_ns
from collector.receivers.langsmith.run_reads_fields import FAMILIES, FIELDS, TIMES, Need, RunView, text_of

MAX_LENGTH: Final = 10_000
MAX_DEPTH: Final = 32

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<punctuation>[(),\[\]])|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_.]*))",
    re.S,
)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


class FilterFault(ValueError):
    """What is wrong with it, in a line."""


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: on a field of the run, or of one element of a family of the run's."""

    field: str
    verb: str
    value: Any

    def holds(self, found: Any) -> bool:
        if self.verb == "in":
            return found in self.value
        if self.verb == "has":
            return _has(found, self.value)
        if self.verb in ("eq", "neq"):
            return _COMPARISONS[self.verb](found, self.value)
        try:
            return found is not None and bool(_COMPARISONS[self.verb](found, self.value))
        except TypeError:
            return False


@dataclass(frozen=True, slots=True)
class Search:
    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    verb: str
    parts: tuple[Node, ...]


Node = Test | Search | Joined


def parse(text: str) -> Node:
    """Raises ``FilterFault``."""
    if len(text) > MAX_LENGTH:
        raise FilterFault(f"longer than {MAX_LENGTH} characters")
    tokens = _Tokens(text)
    node = _call(tokens, 0)
    tokens.end()
    return node


def matches(node: Node, run: RunView) -> bool:
    """Whether the run is as the filter says. Conditions on one family's fields that stand side by side in an ``and``
    are about the same element: a feedback's key and its score, a metadata's key and its value."""
    if isinstance(node, Search):
        return node.text.lower() in text_of(run).lower()
    if isinstance(node, Test):
        return _one(node, run)
    if node.verb == "or":
        return any(matches(part, run) for part in node.parts)
    families: dict[str, list[Test]] = {}
    for part in node.parts:
        family = _family(part)
        if family:
            assert isinstance(part, Test)
            families.setdefault(family, []).append(part)
        elif not matches(part, run):
            return False
    return all(_some(family, tests, run) for family, tests in families.items())


def needs(node: Node) -> set[Need]:
    """What has to be read of a run before it can be told whether it matches."""
    if isinstance(node, Joined):
        return {need for part in node.parts for need in needs(part)}
    if isinstance(node, Search):
        return set()
    family = _family(node)
    need = FAMILIES[family].need if family else FIELDS[node.field].need
    return {need} if need else set()


def _one(test: Test, run: RunView) -> bool:
    family = _family(test)
    return _some(family, [test], run) if family else test.holds(FIELDS[test.field].of(run))


def _some(family: str, tests: Sequence[Test], run: RunView) -> bool:
    return any(all(test.holds(element.get(test.field)) for test in tests) for element in FAMILIES[family].of(run))


def _family(node: Node) -> str | None:
    if not isinstance(node, Test):
        return None
    return next((name for name, family in FAMILIES.items() if node.field in family.fields), None)


def _has(found: Any, value: Any) -> bool:
    """An element of a list, or the entries of an object."""
    if isinstance(found, dict):
        wanted = _object(value)
        return value in found if wanted is None else all(found.get(k) == v and k in found for k, v in wanted.items())
    return isinstance(found, (list, tuple)) and value in found


def _object(value: Any) -> dict[str, Any] | None:
    try:
        document = orjson.loads(value) if isinstance(value, str) else None
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


class _Tokens:
    def __init__(self, text: str) -> None:
        self._found = list(_tokens(text))
        self._at = 0

    def next(self, *wanted: str) -> tuple[str, str]:
        """The next (kind, text); of these texts or kinds, where any are said."""
        if self._at == len(self._found):
            raise FilterFault("ends too early")
        kind, text = self._found[self._at]
        if wanted and kind not in wanted and text not in wanted:
            raise FilterFault(f"{text[:50]!r} where {' or '.join(wanted)} is expected")
        self._at += 1
        return kind, text

    def peek(self) -> str:
        return self._found[self._at][1] if self._at < len(self._found) else ""

    def end(self) -> None:
        if self._at < len(self._found):
            raise FilterFault(f"{self.peek()[:50]!r} after the end")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise FilterFault(f"{text[at : at + 20]!r} is not understood")
        assert found.lastgroup is not None
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _call(tokens: _Tokens, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise FilterFault(f"nested deeper than {MAX_DEPTH}")
    _, verb = tokens.next("name")
    tokens.next("(")
    if verb in ("and", "or"):
        parts = [_call(tokens, depth + 1)]
        while tokens.next(",", ")")[1] == ",":
            parts.append(_call(tokens, depth + 1))
        return Joined(verb, tuple(parts))
    if verb == "search":
        _, text = tokens.next("string")
        tokens.next(")")
        return Search(_string(text))
    if verb not in _COMPARISONS and verb not in ("in", "has"):
        raise FilterFault(f"{verb[:50]} is not supported: there are {', '.join([*_COMPARISONS, *_OTHERS])}")
    return _test(tokens, verb)


_OTHERS: Final = ("in", "has", "search", "and", "or")


def _test(tokens: _Tokens, verb: str) -> Test:
    _, field = tokens.next("name", "string")
    field = _string(field) if field[0] in "\"'" else field
    if field not in FIELDS and not any(field in family.fields for family in FAMILIES.values()):
        known = sorted([*FIELDS, *(name for family in FAMILIES.values() for name in family.fields)])
        raise FilterFault(f"{field[:50]} is not a field that can be filtered by: there are {', '.join(known)}")
    tokens.next(",")
    if verb == "in":
        value: Any = _list(tokens, field)
    else:
        value = _value(tokens, field)
    tokens.next(")")
    return Test(field, verb, value)


def _list(tokens: _Tokens, field: str) -> list[Any]:
    tokens.next("[")
    values: list[Any] = []
    while tokens.peek() != "]":
        values.append(_value(tokens, field))
        if tokens.peek() != "]":
            tokens.next(",")
    tokens.next("]")
    return values


def _value(tokens: _Tokens, field: str) -> Any:
    kind, text = tokens.next("string", "number", "name")
    value: Any = text
    if kind == "number":
        value = float(text)
    elif kind == "string":
        value = _string(text)
    elif text in _CONSTANTS:
        value = _CONSTANTS[text]
    else:
        raise FilterFault(f"{text[:50]!r} where a value is expected: texts are in quotes")
    if field in TIMES and value is not None:
        value = time_ns(value)
        if value is None:
            raise FilterFault(f"{field} is compared with an ISO 8601 time")
    return value


def _string(quoted: str) -> str:
    """Without its quotes; a backslash keeps what follows it, but for n, t and r."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), quoted[1:-1])
