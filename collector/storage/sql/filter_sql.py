"""A filter as a SQL condition over ``traces t``.

Every condition on a field is true or false, never NULL, so that ``not`` means the same as in Python. What only the
originals can answer is taken for true where that lets more traces through: the condition then finds all that match and
perhaps others, to be looked at in memory (``collector.filters.matches``).
"""

from __future__ import annotations

from typing import Any, Final

from collector.filters.nodes import (
    ORDERS,
    Affix,
    Annotated,
    Both,
    Compare,
    Constant,
    Field,
    Holds,
    Node,
    Not,
    Spans,
    Truth,
    Within,
    needs_originals,
)
from collector.storage.sql import filter_terms as terms
from collector.storage.sql.filter_terms import Dialect, term

_ABOUT: Final = {
    "trace": "(a.trace_id = t.trace_id OR (a.trace_id IS NULL AND a.span_id IN "
    "(SELECT x.span_id FROM spans x WHERE x.trace_id = t.trace_id)))",
    "span": "(a.span_id = s.span_id AND (a.trace_id = s.trace_id OR a.trace_id IS NULL))",
}


def condition(node: Node, dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """The condition, and the values that it names."""
    compiler = _Compiler(dialect)
    return compiler.node(node, True), compiler.values


class _Compiler:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect: Dialect = dialect
        self.values: dict[str, Any] = {}

    def node(self, node: Node, wide: bool) -> str:
        """``wide``: whether what cannot be said here may let more through, or must let less through."""
        match node:
            case Both(parts, every):
                return "(" + (" AND " if every else " OR ").join(self.node(part, wide) for part in parts) + ")"
            case Not(of):
                return f"NOT {self.node(of, not wide)}"
            case Spans(of, every):
                return self._spans(of, every, wide)
            case Annotated(scope, name, of):
                return (
                    f"EXISTS (SELECT 1 FROM annotations a WHERE a.name = {self._bind(name)} "
                    f"AND {_ABOUT[scope]} AND {self.node(of, wide)})"
                )
            case Truth(None, constant):
                return _boolean(constant)
            case _ if needs_originals(node):
                return _boolean(wide)
            case _:
                return f"COALESCE({self._leaf(node)}, FALSE)"

    def _spans(self, of: Node, every: bool, wide: bool) -> str:
        rows = "EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = t.trace_id AND "
        inner = self.node(of, wide)
        return f"NOT {rows}NOT {inner})" if every else f"{rows}{inner})"

    def _leaf(self, node: Node) -> str:
        match node:
            case Compare(field, "==", constant):
                return self._equals(field, constant)
            case Compare(field, "!=", constant):
                return f"NOT COALESCE({self._equals(field, constant)}, FALSE)"
            case Compare(field, operator, constant):
                return self._ordered(field, operator, constant)
            case Within(field, constants):
                return "(" + " OR ".join(f"COALESCE({self._equals(field, one)}, FALSE)" for one in constants) + ")"
            case Holds(field, text):
                return self._holds(field, text)
            case Affix(field, text, at_end):
                return self._affix(field, text, at_end)
            case Truth(Field() as field):
                return self._equals(field, True)
            case _:
                raise TypeError(f"not a condition on one field: {type(node).__name__}")

    def _equals(self, field: Field, constant: Constant) -> str:
        if field.type == "json":
            return self._entry_equals(field, constant)
        if constant is None:
            return f"{term(field, self._dialect)} IS NULL"
        return f"{term(field, self._dialect)} = {self._bind(constant)}"

    def _entry_equals(self, field: Field, constant: Constant) -> str:
        if constant is None:
            return f"NOT {self._entry(field, terms.NOT_NULL[self._dialect])}"
        if isinstance(constant, bool):
            return self._entry(field, terms.IS_BOOLEAN[self._dialect].format("true" if constant else "false"))
        return self._entry(field, self._typed(constant, "="))

    def _ordered(self, field: Field, operator: str, constant: Constant) -> str:
        if operator not in ORDERS:
            raise ValueError(operator)
        if field.type == "json":
            return self._entry(field, self._typed(constant, operator))
        value = term(field, self._dialect)
        if isinstance(constant, str):
            value = terms.ORDERED[self._dialect].format(value)
        return f"{value} {operator} {self._bind(constant)}"

    def _typed(self, constant: Constant, operator: str) -> str:
        """A condition on one value of a JSON object, true only of values of the constant's type."""
        dialect = self._dialect
        if isinstance(constant, str):
            value = terms.ORDERED[dialect].format(terms.AS_TEXT[dialect])
            return terms.TEXT[dialect].format(f"{value} {operator} {self._bind(constant)}")
        return terms.NUMBER[dialect].format(f"{terms.AS_NUMBER[dialect]} {operator} {self._bind(constant)}")

    def _holds(self, field: Field, text: str) -> str:
        dialect, name = self._dialect, self._bind(text)
        if field.type == "texts":
            return terms.ELEMENTS[dialect].format(term(field, dialect), name)
        if field.type == "text":
            return terms.POSITION[dialect].format(term(field, dialect), name)
        part = terms.TEXT[dialect].format(terms.POSITION[dialect].format(terms.AS_TEXT[dialect], name))
        element = terms.LIST[dialect].format(terms.ELEMENTS[dialect].format("j.value", name))
        return self._entry(field, f"COALESCE({part}, {element})")

    def _affix(self, field: Field, text: str, at_end: bool) -> str:
        dialect, name = self._dialect, self._bind(text)
        start = f"-{len(text)}" if at_end else "1"
        if not text:
            cut = "substr({}, 1, 0)"
        elif at_end and dialect == "postgresql":
            cut = f"right({{}}, {len(text)})"
        else:
            cut = f"substr({{}}, {start}, {len(text)})"
        if field.type == "text":
            return f"{cut.format(term(field, dialect))} = {name}"
        return self._entry(field, terms.TEXT[dialect].format(f"{cut.format(terms.AS_TEXT[dialect])} = {name}"))

    def _entry(self, field: Field, inner: str) -> str:
        """Whether the object has the field's key, with a value that meets ``inner``."""
        rows = terms.ENTRIES[self._dialect].format(term(field, self._dialect), self._bind(field.key))
        return f"EXISTS (SELECT 1 FROM {rows} AND {inner})"

    def _bind(self, value: Any) -> str:
        name = f"f{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _boolean(value: bool) -> str:
    return "TRUE" if value else "FALSE"
