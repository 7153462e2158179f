"""A parsed filter. Immutable, and checked: whoever walks it need not look for faults again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["trace", "span", "annotation"]
#: ``json`` is whatever somebody put under a key: text, number, boolean, list or nothing.
Type = Literal["text", "number", "boolean", "texts", "json"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
#: A literal in the field's own unit: money in pico-USD, times in nanoseconds.
Constant = str | int | float | bool | None

ORDERS: Final = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Field:
    """``key`` is what stands in brackets, or behind ``metadata.``. ``unit`` is what one of the language's numbers is
    in the unit of the column: 10^12 for dollars, 10^6 for milliseconds."""

    scope: Scope
    name: str
    type: Type
    unit: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """``field operator constant``."""

    field: Field
    operator: Operator
    constant: Constant


@dataclass(frozen=True, slots=True)
class Within:
    """``field in (constants)``: one of them is the field's value."""

    field: Field
    constants: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """``constant in field``: a part of its text, or an element of its list."""

    field: Field
    constant: str


@dataclass(frozen=True, slots=True)
class Affix:
    """``field.startswith(text)`` or ``field.endswith(text)``."""

    field: Field
    text: str
    at_end: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean field by itself, or a constant."""

    field: Field | None
    constant: bool = True


@dataclass(frozen=True, slots=True)
class Not:
    of: Node


@dataclass(frozen=True, slots=True)
class Both:
    """All of them hold (``every``), or one does."""

    parts: tuple[Node, ...]
    every: bool


@dataclass(frozen=True, slots=True)
class Spans:
    """``any(...)``, ``all(...)``: whether the condition holds for one span of the trace, or for each of them."""

    of: Node
    every: bool


@dataclass(frozen=True, slots=True)
class Annotated:
    """Whether an annotation of this name (on the trace, or on the span) meets the condition."""

    scope: Scope
    name: str
    of: Node


Node = Compare | Within | Holds | Affix | Truth | Not | Both | Spans | Annotated


def needs_originals(node: Node) -> bool:
    """Whether it asks for what is kept in the originals alone, and in no column."""
    match node:
        case Compare(field) | Within(field) | Holds(field) | Affix(field) | Truth(Field() as field):
            return field.scope == "span" and field.name in ORIGINALS_ONLY
        case Not(of) | Spans(of) | Annotated(_, _, of):
            return needs_originals(of)
        case Both(parts):
            return any(needs_originals(part) for part in parts)
        case _:
            return False


#: Fields of spans which are derived from the original when they are read.
ORIGINALS_ONLY: Final = frozenset({"attributes", "input", "output"})
